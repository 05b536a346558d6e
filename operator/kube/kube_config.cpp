#include "operator/kube/kube_config.h"

#include <fstream>
#include <iterator>

namespace sluice::kube {
namespace {

constexpr std::uintmax_t kFileBytesMax = 16 * 1024 * 1024;

std::string without_trailing_blanks(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

}  // namespace

Result<std::string> read_small_file(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) {
    return Error{ErrorCode::kNotFound, "cannot read " + path.string() + ": " + error.message()};
  }
  if (size > kFileBytesMax) {
    return Error{ErrorCode::kInvalidArgument, path.string() + " is larger than 16 MiB"};
  }
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) return Error{ErrorCode::kNotFound, "cannot read " + path.string()};
  return text;
}

Result<std::string> PemSource::read() const {
  if (!text.empty() || file.empty()) return text;
  return read_small_file(file);
}

Result<KubeConfig> load_in_cluster(std::string_view host, std::string_view port,
                                   const std::filesystem::path& folder) {
  if (host.empty() || port.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "not inside a cluster: KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT is not "
                 "set; name a kubeconfig file"};
  }
  const bool is_ipv6 = host.find(':') != std::string_view::npos;

  KubeConfig config;
  config.server = "https://" + (is_ipv6 ? "[" + std::string(host) + "]" : std::string(host)) + ":" +
                  std::string(port);
  config.token_file = folder / "token";
  config.ca.file = folder / "ca.crt";
  for (const auto& required : {config.token_file, config.ca.file}) {
    if (const auto text = read_small_file(required); !text) return text.error();
  }
  const auto name_space = read_small_file(folder / "namespace");
  if (name_space) config.name_space = without_trailing_blanks(*name_space);
  config.context = "in-cluster";
  return config;
}

}  // namespace sluice::kube
