// Reading an object of a request member by member: a table says which there are.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "broker/server/json_view.h"
#include "broker/server/limits.h"
#include "common/api/decode.h"
#include "common/base/clock.h"
#include "common/base/ids.h"
#include "common/base/result.h"

namespace sluice::broker {

using api::UnknownMembers;

// One member of a T. The errors `read` returns say what is wrong ("must be …"); the name is added
// here.
template <typename T>
struct Member {
  std::string_view name;
  Status (*read)(JsonView value, T& into);
};

// Puts `name` in front of an error's message and field.
Error at_member(std::string_view name, Error error);
Error must_be(std::string what);

// Refuses what is no object, unknown members (or passes them over) and members given twice, each by
// name.
template <typename T>
Status read_members(JsonView object, std::span<const Member<T>> table, UnknownMembers unknown,
                    T& into);

Result<bool> read_bool(JsonView value);
Result<int> read_int(JsonView value, int low, int high);
Result<std::int64_t> read_int64(JsonView value, std::int64_t low);
// 1 to `bytes_max` bytes without control characters.
Result<std::string> read_name(JsonView value, std::size_t bytes_max = limits::kNameBytesMax);
// Any string up to `bytes_max` bytes.
Result<std::string> read_text(JsonView value, std::size_t bytes_max);
Result<TimePoint> read_time(JsonView value);
Result<Uuid> read_uuid(JsonView value);

// Moves a Result's value into `into`, or hands on its error.
template <typename T, typename Into>
Status assign(Result<T> result, Into& into) {
  if (!result) return std::move(result).error();
  into = *std::move(result);
  return Ok{};
}

// Which names an object had so far.
class SeenNames {
 public:
  // False when the name was there before, or there are too many.
  bool add(std::string_view name) {
    return names_.size() < limits::kUnknownMembersMax && names_.emplace(name).second;
  }

 private:
  std::set<std::string, std::less<>> names_;
};

template <typename T>
Status read_members(JsonView object, std::span<const Member<T>> table, UnknownMembers unknown,
                    T& into) {
  if (object.kind() != JsonView::Kind::kObject) return must_be("must be an object");
  std::uint64_t seen = 0;
  SeenNames others;
  std::optional<Error> error;
  object.for_each_member([&](std::string_view name, JsonView value) {
    std::size_t index = 0;
    while (index < table.size() && table[index].name != name) ++index;
    if (index == table.size()) {
      if (unknown == UnknownMembers::kRefuse) {
        error = at_member(name, must_be("is not a member of this request"));
      } else if (!others.add(name)) {
        error = at_member(name, must_be("is given twice, or there are too many unknown members"));
      }
      return !error;
    }
    if (seen >> index & 1) {
      error = at_member(name, must_be("is given twice"));
    } else if (auto status = table[index].read(value, into); !status) {
      error = at_member(name, std::move(status).error());
    }
    seen |= std::uint64_t{1} << index;
    return !error;
  });
  if (error) return *std::move(error);
  return Ok{};
}

}  // namespace sluice::broker
