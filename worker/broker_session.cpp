#include "worker/broker_session.h"

#include <utility>

#include "common/http/problem.h"

namespace sluice::worker {
namespace {

// Beyond the long poll's own wait, for a broker that is busy.
constexpr std::chrono::seconds kClaimMargin{10};
constexpr std::chrono::seconds kSettleTimeout{15};
// Of a claim: a hundred payloads of a MiB, and the results of their parents.
constexpr std::size_t kReplyBytesMax = std::size_t{256} * 1024 * 1024;

http::ClientOptions with_room(http::ClientOptions options) {
  options.response_bytes_max = kReplyBytesMax;
  return options;
}

}  // namespace

BrokerSession::BrokerSession(const WorkerIdentity& identity)
    : identity_(identity), client_(identity.broker, with_room(identity.access)) {}

Result<std::string> BrokerSession::post(const std::string& call, std::string body,
                                        Duration timeout) {
  auto response =
      client_.send({.method = "POST",
                    .target = "/v1/namespaces/" + http::percent_encode(identity_.namespace_name) +
                              "/queues/" + http::percent_encode(identity_.queue) + "/jobs:" + call,
                    .body = std::move(body),
                    .headers = {{"Sluice-Protocol", "1"}},
                    .timeout = timeout});
  if (!response) return std::move(response).error();
  if (response->status != 200) return http::error_of_reply(response->status, response->body);
  return std::move(response->body);
}

Result<api::ClaimReply> BrokerSession::claim(int max, std::chrono::seconds wait) {
  const auto reply = post("claim",
                          api::encode_claim_request(identity_.name, identity_.instance, max,
                                                    static_cast<int>(wait.count())),
                          wait + kClaimMargin);
  if (!reply) return reply.error();
  return api::decode_claim_reply(*reply);
}

Result<api::ExtendReply> BrokerSession::extend(const std::vector<api::LeaseReport>& leases,
                                               bool draining, Duration timeout) {
  const auto reply =
      post("extend",
           api::encode(api::ExtendRequest{.worker = identity_.name,
                                          .instance = identity_.instance,
                                          .leases = leases,
                                          .draining = draining,
                                          .holding = static_cast<int>(leases.size())}),
           timeout);
  if (!reply) return reply.error();
  return api::decode_extend_reply(*reply);
}

Result<api::SettleReply> BrokerSession::settle(const std::vector<api::Settlement>& settlements) {
  const auto reply =
      post("settle", api::encode_settle_request(identity_.name, settlements), kSettleTimeout);
  if (!reply) return reply.error();
  return api::decode_settle_reply(*reply);
}

}  // namespace sluice::worker
