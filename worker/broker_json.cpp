#include "worker/broker_json.h"

#include <nlohmann/json.hpp>

namespace sluice::worker {
namespace {

using nlohmann::json;

// Accepts what the broker accepts (BROKER.md §3): whole numbers fit 64 bits, and the depth leaves
// room for the settlement around it.
class BrokerJson : public json::json_sax_t {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t& text) override {
    if (text.find_first_of(".eE") != string_t::npos) return true;
    return refuse("has a whole number that does not fit 64 bits");
  }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return descend(); }
  bool key(string_t&) override { return true; }
  bool end_object() override { return --depth_ >= 0; }
  bool start_array(std::size_t) override { return descend(); }
  bool end_array() override { return --depth_ >= 0; }
  bool parse_error(std::size_t position, const std::string&, const json::exception&) override {
    return refuse("is no JSON (at byte " + std::to_string(position) + ")");
  }

  const std::string& fault() const { return fault_; }

 private:
  static constexpr int kDepthMax = 100;

  bool descend() {
    if (++depth_ <= kDepthMax) return true;
    return refuse("is nested deeper than " + std::to_string(kDepthMax));
  }
  bool refuse(std::string fault) {
    fault_ = std::move(fault);
    return false;
  }

  int depth_ = 0;
  std::string fault_;
};

}  // namespace

std::optional<std::string> fault_for_broker(std::string_view text) {
  BrokerJson check;
  if (json::sax_parse(text, &check)) return std::nullopt;
  return check.fault();
}

}  // namespace sluice::worker
