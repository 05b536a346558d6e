#include <nlohmann/json.hpp>

#include "common/api/decode_spec.h"
#include "common/api/limits.h"

namespace sluice::api {
namespace {

using nlohmann::json;

void read_numbers(FieldReader& reader, std::string_view name, WholeRange range,
                  std::vector<int>& out) {
  reader.each(name, {1, kRetryRuleItemsMax}, [&](const json& item, const std::string& path) {
    if (const auto number = reader.whole_at(item, path, range)) {
      out.push_back(static_cast<int>(*number));
    }
  });
}

RetryRule read_rule(FieldReader& reader) {
  RetryRule rule;
  read_numbers(reader, "exitCodes", {1, 255}, rule.exit_codes);
  read_numbers(reader, "httpStatuses", {100, 599}, rule.http_statuses);
  reader.each("reasons", {1, kRetryRuleItemsMax}, [&](const json& item, const std::string& path) {
    if (auto reason = reader.text_at(item, path, {1, kReasonCharactersMax})) {
      rule.reasons.push_back(std::move(*reason));
    }
  });
  reader.require("action");
  reader.choice("action", {RetryAction::kRetry, RetryAction::kDead, RetryAction::kIgnore},
                rule.action);
  const int lists =
      int{reader.has("exitCodes")} + int{reader.has("httpStatuses")} + int{reader.has("reasons")};
  if (lists != 1) {
    reader.error_at(reader.path(), "must have exactly one of exitCodes, httpStatuses and reasons");
  }
  reader.finish();
  return rule;
}

Backoff read_backoff(FieldReader& reader) {
  Backoff backoff;
  reader.whole("initialSeconds", {0, kWeekSeconds}, backoff.initial_seconds);
  reader.whole("multiplier", {1, kBackoffMultiplierMax}, backoff.multiplier);
  reader.whole("maxSeconds", {1, kWeekSeconds}, backoff.max_seconds);
  if (backoff.initial_seconds > backoff.max_seconds) {
    reader.error("initialSeconds",
                 "must not be more than maxSeconds (" + std::to_string(backoff.max_seconds) + ")");
  }
  reader.finish();
  return backoff;
}

}  // namespace

RetryPolicy read_retry_policy(FieldReader& reader) {
  RetryPolicy policy;
  reader.whole("maxAttempts", {1, kAttemptsMax}, policy.max_attempts);
  reader.whole("maxLeaseLosses", {0, kAttemptsMax}, policy.max_lease_losses);
  if (auto backoff = reader.object("backoff")) policy.backoff = read_backoff(*backoff);
  reader.each("rules", {0, kRetryRulesMax}, [&](const json& item, const std::string& path) {
    FieldReader rule = reader.reader_at(item, path);
    policy.rules.push_back(read_rule(rule));
  });
  reader.finish();
  return policy;
}

}  // namespace sluice::api
