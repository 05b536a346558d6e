// The server on real loopback sockets, with the real engine and loop and the store in memory.
#include "broker/server/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/server/router.h"
#include "broker/storage/memory_engine.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;

struct Reply {
  int status = 0;  // 0: the connection was closed without one
  std::string head;
  std::string body;

  bool has(std::string_view text) const { return body.find(text) != std::string::npos; }
  // The string member `name`, wherever it first stands.
  std::string member(const std::string& name) const {
    const std::string start = "\"" + name + "\":\"";
    const auto at = body.find(start);
    if (at == std::string::npos) return {};
    const auto from = at + start.size();
    return body.substr(from, body.find('"', from) - from);
  }
};

// A client's socket that says exactly what a test wants said.
class Socket {
 public:
  explicit Socket(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void write(std::string_view text) {
    while (!text.empty()) {
      const auto sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  // Up to and with `mark`; less when the peer closes.
  std::string read_until(std::string_view mark) {
    while (received_.find(mark) == std::string::npos && read_some()) {
    }
    const auto at = received_.find(mark);
    return take(at == std::string::npos ? received_.size() : at + mark.size());
  }
  Reply read_reply() {
    Reply reply;
    reply.head = read_until("\r\n\r\n");
    if (reply.head.size() < 12) return reply;
    reply.status = std::stoi(reply.head.substr(9, 3));
    const auto at = reply.head.find("Content-Length: ");
    if (at == std::string::npos) return reply;
    const auto length = static_cast<std::size_t>(std::stoul(reply.head.substr(at + 16)));
    while (received_.size() < length && read_some()) {
    }
    reply.body = take(length);
    return reply;
  }
  // To read, or the end.
  bool has_something_within(std::chrono::milliseconds time) const {
    pollfd wanted{fd_, POLLIN, 0};
    return ::poll(&wanted, 1, static_cast<int>(time.count())) > 0;
  }
  bool is_closed_by_peer() {
    while (read_some()) {
    }
    return at_end_;
  }

 private:
  bool read_some() {
    char bytes[4096];
    const auto count = ::recv(fd_, bytes, sizeof bytes, 0);
    at_end_ = count == 0 || (count < 0 && errno == ECONNRESET);
    if (count > 0) received_.append(bytes, static_cast<std::size_t>(count));
    return count > 0;
  }
  std::string take(std::size_t count) {
    std::string text = received_.substr(0, count);
    received_.erase(0, count);
    return text;
  }
  int fd_;
  std::string received_;
  bool at_end_ = false;
};

constexpr const char* kQueue = "/v1/namespaces/prod/queues/mail";

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override { start({}); }
  void TearDown() override { server_->stop(); }
  // A new server on an empty store.
  void start(const ConnectionTimes& times) {
    if (server_) server_->stop();
    server_.reset();
    auto store = Store::open(make_memory_engine());
    ASSERT_TRUE(store);
    store_ = *std::move(store);
    engine_ = std::make_unique<Engine>(store_->boot(), 1);
    ASSERT_TRUE(store_->load(engine_->loader()));
    const auto batch = store_->begin_batch();
    ASSERT_TRUE(engine_->finish_load(clock_.now(), batch->sink()));
    server_ = std::make_unique<Server>(*engine_, *store_, clock_, ServerOptions{.times = times});
    ASSERT_TRUE(server_->start());
  }

  Reply call(const std::string& method, const std::string& path, const std::string& body = "",
             const std::string& headers = "") {
    Socket socket(server_->port());
    socket.write(request(method, path, body, headers));
    return socket.read_reply();
  }
  static std::string request(const std::string& method, const std::string& path,
                             const std::string& body = "", const std::string& headers = "") {
    std::string text = method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers;
    if (!body.empty()) {
      text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n";
    }
    return text + "\r\n" + body;
  }

  void make_queue(const std::string& spec = "{}") {
    const Reply reply = call("PUT", kQueue, R"({"spec":)" + spec + "}");
    ASSERT_EQ(reply.status, 200) << reply.body;
  }
  std::string enqueue(const std::string& payload = "1") {
    const Reply reply = call("POST", at("/jobs"), R"({"payload":)" + payload + "}");
    EXPECT_EQ(reply.status, 202) << reply.body;
    return reply.member("id");
  }
  static std::string at(const std::string& rest) { return kQueue + rest; }

  SystemClock clock_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, TakesAJobFromEnqueueToItsResult) {
  make_queue();
  const Reply enqueued =
      call("POST", at("/jobs"), R"({"payload": {"to" :"a"}})",
           "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n");
  ASSERT_EQ(enqueued.status, 202);
  EXPECT_EQ(enqueued.member("state"), "Ready");
  const std::string id = enqueued.member("id");
  EXPECT_NE(enqueued.head.find("Location: " + at("/jobs/" + id) + "\r\n"), std::string::npos);

  const Reply claimed = call("POST", at("/jobs:claim"), R"({"worker":"w","max":5})");
  ASSERT_EQ(claimed.status, 200);
  EXPECT_TRUE(claimed.has(R"("payload":{"to" :"a"})")) << claimed.body;
  EXPECT_TRUE(claimed.has(R"("traceparent":"00-4bf9)"));
  const std::string lease = claimed.member("lease");

  EXPECT_EQ(call("GET", at("/jobs/" + id)).member("state"), "Running");
  const Reply extended = call("POST", at("/jobs:extend"),
                              R"({"worker":"w","leases":[{"id":")" + id + R"(","lease":")" + lease +
                                  R"("},{"id":"x","lease":"y"}]})");
  EXPECT_TRUE(extended.has(R"("status":"ok")")) << extended.body;
  EXPECT_TRUE(extended.has(R"({"id":"x","status":"lost"})")) << extended.body;

  const std::string settlement = R"({"worker":"w","settlements":[{"id":")" + id + R"(","lease":")" +
                                 lease + R"(","outcome":"Succeeded","result":{"n": 1}}]})";
  EXPECT_TRUE(call("POST", at("/jobs:settle"), settlement).has(R"("status":"ok")"));
  EXPECT_TRUE(call("POST", at("/jobs:settle"), settlement).has(R"("status":"ok")"));

  const Reply job = call("GET", at("/jobs/" + id));
  EXPECT_EQ(job.member("state"), "Succeeded");
  EXPECT_TRUE(job.has(R"("result":{"n": 1})")) << job.body;
}

TEST_F(ServerTest, AnswersWithTheDocumentedStatus) {
  make_queue(R"({"payload":{"maxBytes":100}})");
  const std::string id = enqueue();
  const std::string gone = "/jobs/0192f0c1-0000-7000-8000-000000000001";
  struct Case {
    const char* name;
    std::string method, path, body, headers;
    int status;
  };
  const Case cases[] = {
      {"health", "GET", "/healthz", "", "", 200},
      {"readiness", "GET", "/readyz", "", "", 200},
      {"metrics", "GET", "/metrics", "", "", 200},
      {"description", "GET", "/openapi.json", "", "", 200},
      {"queues", "GET", "/v1/queues", "", "", 200},
      {"job", "GET", at("/jobs/" + id), "", "", 200},
      {"list", "GET", at("/jobs?state=Ready&limit=5"), "", "", 200},
      {"outcomes", "GET", "/v1/outcomes", "", "", 200},
      {"no path", "GET", "/nothing", "", "", 404},
      {"no queue", "POST", "/v1/namespaces/prod/queues/none/jobs", R"({"payload":1})", "", 404},
      {"no queue to configure a job in", "GET", "/v1/namespaces/prod/queues/none", "", "", 404},
      {"no job", "GET", at(gone), "", "", 404},
      {"no job to cancel", "DELETE", at(gone), "", "", 404},
      {"an id that is none", "GET", at("/jobs/7"), "", "", 404},
      {"wrong method", "PATCH", at("/jobs"), "", "", 405},
      {"malformed JSON", "POST", at("/jobs"), "{", "", 400},
      {"unknown member", "POST", at("/jobs"), R"({"payload":1,"x":1})", "", 400},
      {"unknown member, ignored", "POST", at("/jobs"), R"({"payload":1,"x":1})",
       "Sluice-Protocol: 1\r\n", 202},
      {"unknown parameter", "GET", at("/jobs?x=1"), "", "", 400},
      {"wait too long", "GET", at("/jobs/" + id + "?waitSeconds=61"), "", "", 400},
      {"no body", "POST", at("/jobs"), "", "", 400},
      {"key on a batch", "POST", at("/jobs:batch"), R"({"jobs":[]})", "Idempotency-Key: k\r\n",
       400},
      {"payload too large", "POST", at("/jobs"), R"({"payload":")" + std::string(100, 'x') + "\"}",
       "", 413},
      {"body too large", "POST", at("/jobs"), std::string(70'000, ' '), "", 413},
      {"redrive", "POST", at("/dead:redrive"), "{}", "", 202},
      {"redrive without a body", "POST", at("/dead:redrive"), "", "", 202},
      {"paced redrive", "POST", at("/dead:redrive"), R"({"perSecond":5})", "", 202},
      {"redrive at no pace", "POST", at("/dead:redrive"), R"({"perSecond":0})", "", 400},
      {"no redrive", "GET", at("/redrives/0192f0c1-0000-7000-8000-000000000001"), "", "", 404},
      {"no redrive to stop", "DELETE", at("/redrives/7"), "", "", 404},
      {"run", "POST", at("/jobs/" + id + ":run"), "", "", 200},
      {"reschedule", "POST", at("/jobs/" + id + ":reschedule"), R"({"delaySeconds":0})", "", 200},
      {"reschedule to no time", "POST", at("/jobs/" + id + ":reschedule"), "{}", "", 400},
      {"no job to run", "POST", at(gone + ":run"), "", "", 404},
      {"purge", "POST", at("/dead:purge"), "{}", "", 200},
      {"resume without a body", "POST", at(":resume"), "", "", 200},
      {"resume with malformed JSON", "POST", at(":resume"), "{", "", 400},
      {"resume with a member", "POST", at(":resume"), R"({"x":1})", "", 400},
      {"queue not empty", "DELETE", kQueue, "", "", 409},
      {"setting out of bounds", "PUT", kQueue, R"({"spec":{"rateLimit":{"limit":0}}})", "", 400},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Reply reply = call(c.method, c.path, c.body, c.headers);
    EXPECT_EQ(reply.status, c.status) << reply.body;
    if (c.status >= 400) {
      EXPECT_NE(reply.head.find("application/problem+json"), std::string::npos);
      EXPECT_TRUE(reply.has(R"("instance":)"));
    }
  }
}

TEST_F(ServerTest, SaysWhatToSendInsteadOfAForm) {
  make_queue();
  Socket socket(server_->port());
  socket.write("POST " + at("/jobs") +
               " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
               "Content-Type: application/x-www-form-urlencoded\r\n\r\n{}");
  const Reply reply = socket.read_reply();
  EXPECT_EQ(reply.status, 415);
  EXPECT_TRUE(reply.has("Content-Type: application/json"));
}

TEST_F(ServerTest, ServesLoopbackHostNamesAlone) {
  Socket socket(server_->port());
  socket.write("GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  EXPECT_EQ(socket.read_reply().status, 403);
}

TEST_F(ServerTest, RefusesToBindBeyondLoopback) {
  Server open_to_all(*engine_, *store_, clock_, {.address = "0.0.0.0"});
  const auto started = open_to_all.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::kInvalidArgument);
}

// SURVIVAL 27.
TEST_F(ServerTest, ClosesWhereFramingIsInDoubt) {
  const std::string post = "POST " + at("/jobs") + " HTTP/1.1\r\nHost: localhost\r\n" +
                           "Content-Type: application/json\r\n";
  const std::string texts[] = {
      post + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
      post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
      "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n",
      "hello\r\n\r\n",
  };
  make_queue();
  for (const std::string& text : texts) {
    SCOPED_TRACE(text.substr(0, 120));
    Socket socket(server_->port());
    socket.write(text);
    const Reply reply = socket.read_reply();
    EXPECT_TRUE(reply.status == 400 || reply.status == 431) << reply.status;
    EXPECT_TRUE(socket.is_closed_by_peer());
  }
}

// SURVIVAL 27: who says nothing more, or a byte now and then, does not keep a connection.
TEST_F(ServerTest, ClosesOnClientsThatAreTooSlow) {
  const std::string start_of_post = "POST " + at("/jobs") + " HTTP/1.1\r\nHost: localhost\r\n" +
                                    "Content-Type: application/json\r\n";
  struct Case {
    const char* name;
    std::string text;
    ConnectionTimes times;
  };
  const Case cases[] = {
      {"nothing", "", {.idle_max = 1ms}},
      {"half a request line", "POST /v1", {.header_max = 1ms}},
      {"half a header", start_of_post, {.header_max = 1ms}},
      {"half a second header", request("GET", "/healthz") + "GET /", {.header_max = 1ms}},
      {"half a body", start_of_post + "Content-Length: 9\r\n\r\n{", {.silence_max = 1ms}},
      {"half a chunk",
       start_of_post + "Transfer-Encoding: chunked\r\n\r\n9\r\n{",
       {.silence_max = 1ms}},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    start(c.times);
    Socket socket(server_->port());
    socket.write(c.text);

    EXPECT_TRUE(socket.is_closed_by_peer());
  }
}

// The time for a header counts from its first byte, not from its last.
TEST_F(ServerTest, ClosesOnAHeaderThatTricklesIn) {
  start({.header_max = 1ms});
  Socket socket(server_->port());
  std::size_t bytes = 0;
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nX: ");

  while (!socket.has_something_within(10ms) && ++bytes < limits::kHeaderBytesMax) socket.write("x");

  EXPECT_LT(bytes, limits::kHeaderBytesMax);
  EXPECT_TRUE(socket.is_closed_by_peer());
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  make_queue();
  Socket socket(server_->port());
  socket.write(request("POST", at("/jobs"), R"({"payload":1})") + request("GET", "/healthz") +
               request("GET", "/nothing"));
  EXPECT_EQ(socket.read_reply().status, 202);
  EXPECT_EQ(socket.read_reply().status, 200);
  EXPECT_EQ(socket.read_reply().status, 404);
}

TEST_F(ServerTest, RepeatsAnIdempotentEnqueue) {
  make_queue();
  const std::string key = "Idempotency-Key: \"k\"\r\n";
  const Reply first = call("POST", at("/jobs"), R"({"payload":1})", key);
  const Reply again = call("POST", at("/jobs"), R"({"payload":1})", key);
  const Reply other = call("POST", at("/jobs"), R"({"payload":2})", key);

  EXPECT_EQ(first.status, 202);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.member("id"), first.member("id"));
  EXPECT_EQ(other.status, 422);
}

TEST_F(ServerTest, TakesABatchElementByElement) {
  make_queue();
  const Reply reply = call("POST", at("/jobs:batch"), R"({"jobs":[{"payload":1},{"x":1}]})");
  EXPECT_EQ(reply.status, 202);
  EXPECT_TRUE(reply.has(R"("state":"Ready"},{"error":{)")) << reply.body;

  const Reply none =
      call("POST", "/v1/namespaces/prod/queues/none/jobs:batch", R"({"jobs":[{"payload":1}]})");
  EXPECT_EQ(none.status, 404);
}

TEST_F(ServerTest, TenantsTakeTurnsByTheirWeight) {
  make_queue(R"({"fairness":{"weights":{"a":2}}})");
  const auto enqueue_for = [this](const std::string& tenant) {
    return call("POST", at("/jobs"), R"({"payload":1,"tenant":")" + tenant + "\"}").member("id");
  };
  for (int i = 0; i < 3; ++i) enqueue_for("a");
  const std::string other = enqueue_for("b");

  EXPECT_FALSE(call("POST", at("/jobs:claim"), R"({"worker":"w","max":2})").has(other));
  EXPECT_TRUE(call("POST", at("/jobs:claim"), R"({"worker":"w"})").has(other));
  EXPECT_EQ(call("GET", at("/jobs/" + other)).member("tenant"), "b");
}

TEST_F(ServerTest, AsksProducersToSlowDownThenRefusesThem) {
  make_queue(R"({"backpressure":{"throttle":{"backlog":2},"reject":{"backlog":4}}})");
  const std::string job = R"({"payload":1})";
  const std::string batch = R"({"jobs":[{"payload":1},{"payload":2},{"payload":3}]})";

  const Reply calm = call("POST", at("/jobs"), job);
  const Reply reaching = call("POST", at("/jobs"), job);
  const Reply warned = call("POST", at("/jobs:batch"), batch);
  const Reply refused = call("POST", at("/jobs"), job);
  const Reply refused_whole = call("POST", at("/jobs:batch"), batch);

  EXPECT_EQ(calm.head.find("Sluice-Pressure"), std::string::npos);
  EXPECT_EQ(reaching.head.find("Sluice-Pressure"), std::string::npos);
  EXPECT_EQ(warned.status, 202);
  EXPECT_NE(warned.head.find("Sluice-Pressure: Throttle\r\n"), std::string::npos) << warned.head;
  EXPECT_NE(warned.head.find("Retry-After: "), std::string::npos);
  for (const Reply& reply : {refused, refused_whole}) {
    EXPECT_EQ(reply.status, 429);
    EXPECT_TRUE(reply.has("errors#queue-full")) << reply.body;
    EXPECT_TRUE(reply.has(R"("retryAfterSeconds":30)")) << reply.body;
    EXPECT_NE(reply.head.find("Retry-After: 30\r\n"), std::string::npos) << reply.head;
  }
  EXPECT_TRUE(call("GET", kQueue).has(R"("pressure":"Reject")"));
}

TEST_F(ServerTest, WakesAWaitingClaimWhenAJobComes) {
  make_queue();
  Socket worker(server_->port());
  worker.write(request("POST", at("/jobs:claim"), R"({"worker":"w","waitSeconds":20})"));
  const std::string id = enqueue();
  EXPECT_EQ(worker.read_reply().member("id"), id);
}

TEST_F(ServerTest, ForgetsAWaitingClaimWhoseSocketCloses) {
  make_queue();
  {
    Socket gone(server_->port());
    gone.write(request("POST", at("/jobs:claim"), R"({"worker":"gone","waitSeconds":60})"));
    // Its worker is known once it waits.
    while (!call("GET", kQueue).has(R"("name":"gone")")) {
    }
  }
  // The close may reach the broker after the job; then the grant is handed back uncounted.
  const std::string id = enqueue();
  const Reply claimed = call("POST", at("/jobs:claim"), R"({"worker":"w","waitSeconds":20})");
  EXPECT_EQ(claimed.member("id"), id) << claimed.body;
  EXPECT_TRUE(claimed.has(R"("attempt":1)"));
}

TEST_F(ServerTest, WakesAWaitingClaimToDrain) {
  make_queue();
  Socket worker(server_->port());
  worker.write(request("POST", at("/jobs:claim"), R"({"worker":"w","waitSeconds":20})"));
  while (!call("GET", kQueue).has(R"("name":"w")")) {
  }
  EXPECT_EQ(call("POST", at("/workers/w:drain")).status, 200);
  const Reply reply = worker.read_reply();
  EXPECT_TRUE(reply.has(R"({"jobs":[],"drain":true})")) << reply.body;
}

TEST_F(ServerTest, AnswersAWaitForAJobWhenItEnds) {
  make_queue();
  const std::string id = enqueue();
  Socket waiting(server_->port());
  waiting.write(request("GET", at("/jobs/" + id + "?waitSeconds=20")));
  EXPECT_EQ(call("DELETE", at("/jobs/" + id)).status, 200);
  EXPECT_EQ(waiting.read_reply().member("state"), "Cancelled");
}

TEST_F(ServerTest, AnswersAWaitForOutcomesWhenOneComes) {
  make_queue();
  Socket waiting(server_->port());
  waiting.write(request("GET", "/v1/outcomes?waitSeconds=20"));
  const Reply enqueued =
      call("POST", at("/jobs"), R"({"payload":1,"source":{"kind":"Job","uid":"u1","name":"n1"}})");
  const Reply reply = waiting.read_reply();
  EXPECT_EQ(reply.member("id"), enqueued.member("id")) << reply.body;
  EXPECT_TRUE(reply.has(R"("source":{"kind":"Job","uid":"u1","name":"n1"})")) << reply.body;
}

TEST_F(ServerTest, StreamsSignalsOfEverythingFirst) {
  make_queue();
  Socket stream(server_->port());
  stream.write(request("GET", "/v1/signals"));
  EXPECT_NE(stream.read_until("\r\n\r\n").find("application/x-ndjson"), std::string::npos);
  const std::string first = stream.read_until("\"workers\"");
  EXPECT_NE(first.find(R"("queue":"mail")"), std::string::npos) << first;
}

TEST_F(ServerTest, AnswersLongPollsEmptyWhenItStops) {
  make_queue();
  Socket worker(server_->port());
  worker.write(request("POST", at("/jobs:claim"), R"({"worker":"w","waitSeconds":60})"));
  while (!call("GET", kQueue).has(R"("name":"w")")) {
  }
  server_->stop();
  const Reply reply = worker.read_reply();
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.has(R"({"jobs":[],"drain":false})")) << reply.body;
}

}  // namespace
}  // namespace sluice::broker
