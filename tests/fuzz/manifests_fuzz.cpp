// Manifests: whatever the YAML, a good document's spec survives its own encoding.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "common/api/decode.h"
#include "common/base/check.h"

namespace sluice::api {
namespace {

template <typename Spec, typename Decode>
void expect_round_trip(const Spec& spec, Decode decode) {
  const std::string json = encode(spec);
  const auto again = decode(json, UnknownMembers::kRefuse, "spec");
  CHECK(static_cast<bool>(again));
  CHECK(encode(*again) == json);
}

void check_manifest(const Manifest& manifest) {
  if (const auto* queue = std::get_if<QueueSpec>(&manifest.spec)) {
    expect_round_trip(*queue, decode_queue_spec);
  } else if (const auto* job = std::get_if<JobSpec>(&manifest.spec)) {
    expect_round_trip(*job, decode_job_spec);
  } else {
    expect_round_trip(std::get<ScheduleSpec>(manifest.spec), decode_schedule_spec);
  }
}

}  // namespace
}  // namespace sluice::api

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::api;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const DecodedFile decoded = decode_manifests(text, "fuzz.yaml");
  for (const Manifest& manifest : decoded.manifests) check_manifest(manifest);
  for (const DecodeError& error : decoded.errors) CHECK(!to_string(error).empty());
  return 0;
}
