// Kubeconfig files: read or refused with a message.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/base/check.h"
#include "operator/kube/kube_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int file = ::memfd_create("kubeconfig", MFD_CLOEXEC);
  CHECK(file >= 0);
  CHECK(::write(file, data, size) == static_cast<ssize_t>(size));
  const std::string path = "/proc/self/fd/" + std::to_string(file);

  for (const char* context : {"", "b"}) {
    const auto config = sluice::kube::load_kubeconfig(path, context);
    if (config) {
      CHECK(!config->server.empty());
    } else {
      CHECK(!config.error().message.empty());
    }
  }
  ::close(file);
  return 0;
}
