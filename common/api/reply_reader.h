// Lenient reading of answers: what is not there keeps its default, what is of another type is an
// error, what is not known is ignored.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::api {

// One object of an answer. The first mistake stays in `failure`, which is shared by all readers of
// one text.
class ReplyReader {
 public:
  ReplyReader(const nlohmann::json& object, std::optional<Error>& failure);

  void read(std::string_view name, std::string& out);
  void read(std::string_view name, bool& out);
  void read(std::string_view name, double& out);
  void read(std::string_view name, std::int64_t& out);
  void read(std::string_view name, int& out);
  void read(std::string_view name, std::optional<int>& out);
  void read(std::string_view name, std::optional<TimePoint>& out);
  void each(std::string_view name, const std::function<void(ReplyReader& item)>& item);
  // The member's reader, when it is there.
  std::optional<ReplyReader> object(std::string_view name);
  void require(std::string_view name);
  bool has(std::string_view name) const { return find(name) != nullptr; }
  void fail(std::string_view name, std::string_view what);

 private:
  const nlohmann::json* find(std::string_view name) const;

  const nlohmann::json* object_;
  std::optional<Error>* failure_;
};

// Parses `text` and reads its object; kCorruption when it is not what the other side would send.
Status read_reply(std::string_view text, const std::function<void(ReplyReader& reply)>& read);

}  // namespace sluice::api
