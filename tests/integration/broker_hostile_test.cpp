// Clients that lie, shout, stall or come in thousands (SURVIVAL 27), over real sockets.
#include <sys/resource.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "tests/integration/broker_fixture.h"
#include "tests/support/byte_stream.h"
#include "tests/support/eventually.h"
#include "tests/support/http_text.h"

namespace sluice::testing {
namespace {

constexpr int kCrowd = 4'000;
constexpr std::size_t kIdleBytesMax = 20 * 1024;

struct Answer {
  int status = 0;  // 0: closed without one
  std::map<std::string, std::string> headers;
  std::string body;
  bool closed = false;  // by the broker, after the answer
};

class BrokerHostile : public BrokerTest {
 protected:
  int port() const { return std::stoi(broker_.url().substr(broker_.url().rfind(':') + 1)); }

  std::unique_ptr<ByteStream> connect() const {
    auto stream = ByteStream::connect("127.0.0.1", port(), nullptr);
    CHECK(stream != nullptr);
    return stream;
  }

  // Says `text` and hears the broker out, until it closes.
  Answer say(std::string_view text) const {
    const auto stream = connect();
    stream->write(text);
    Answer answer = hear(*stream);
    std::string rest;
    answer.closed = !stream->read_some(rest);
    return answer;
  }
  static Answer hear(ByteStream& stream) {
    AnswerReader reader(stream);
    Answer answer;
    const auto start = reader.read_start();
    if (!start) return answer;
    answer.status = start->status;
    answer.headers = start->headers;
    while (reader.read_body(answer.body) == AnswerReader::Piece::kBytes) {
    }
    return answer;
  }

  std::string post(std::string_view below, std::string_view headers, std::string_view rest) const {
    return "POST " + api_.queue_path() + std::string(below) + " HTTP/1.1\r\nHost: localhost\r\n" +
           "Content-Type: application/json\r\n" + std::string(headers) + "\r\n" + std::string(rest);
  }
  std::string chunked(std::string_view rest) const {
    return post("/jobs", "Transfer-Encoding: chunked\r\n", rest);
  }
  std::string sized(std::string_view below, const std::string& body) const {
    return post(below,
                "Connection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n",
                body);
  }

  static void expect_problem(const Answer& answer, int status) {
    ASSERT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(answer.headers.at("content-type"), "application/problem+json");
    const Json problem = Json::parse(answer.body, nullptr, false);
    ASSERT_TRUE(problem.is_object()) << answer.body;
    EXPECT_EQ(problem.value("status", 0), status);
    EXPECT_TRUE(problem.value("type", "").starts_with("https://sluice.dev/errors#"));
    EXPECT_FALSE(problem.value("title", "").empty());
    EXPECT_FALSE(problem.value("detail", "").empty());
  }
};

struct Case {
  const char* name;
  std::string text;
  int want = 400;
};

TEST_F(BrokerHostile, DoubtfulFramingIsRefusedAndTheConnectionClosed) {
  const std::string smuggled = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const Case cases[] = {
      {"two lengths and an encoding",
       post("/jobs", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
            "0\r\n\r\n" + smuggled)},
      {"an encoding and a length",
       post("/jobs", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            "0\r\n\r\n" + smuggled)},
      {"two equal lengths", post("/jobs", "Content-Length: 2\r\nContent-Length: 2\r\n", "{}")},
      {"a list of lengths", post("/jobs", "Content-Length: 2, 2\r\n", "{}")},
      {"a length below zero", post("/jobs", "Content-Length: -1\r\n", "{}")},
      {"a length with a sign", post("/jobs", "Content-Length: +2\r\n", "{}")},
      {"a length in hexadecimal", post("/jobs", "Content-Length: 0x2\r\n", "{}")},
      {"a length over 64 bits", post("/jobs", "Content-Length: 18446744073709551618\r\n", "{}")},
      {"a length of 64 bits", post("/jobs", "Content-Length: 18446744073709551615\r\n", "{}"), 413},
      {"chunked twice", post("/jobs", "Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n")},
      {"chunked and more", post("/jobs", "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")},
      {"chunked with a tab", post("/jobs",
                                  "Transfer-Encoding: \x0b"
                                  "chunked\r\n",
                                  "0\r\n\r\n")},
      {"a chunk size of -1", chunked("-1\r\n{}\r\n0\r\n\r\n")},
      {"a chunk size with 0x", chunked("0x2\r\n{}\r\n0\r\n\r\n")},
      {"no chunk size", chunked("\r\n{}\r\n0\r\n\r\n")},
      {"a chunk size over 64 bits", chunked("10000000000000002\r\n{}\r\n0\r\n\r\n")},
      {"a chunk size of 64 bits", chunked("FFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n"), 413},
      {"a chunk longer than its size", chunked("1\r\n{}\r\n0\r\n\r\n")},
      {"an endless chunk head", chunked("2;" + std::string(200'000, 'x'))},
      {"a space before the colon", post("/jobs", "Content-Length : 2\r\n", "{}")},
      {"a NUL in a header",
       post("/jobs", std::string("X: a\0b\r\nContent-Length: 2\r\n", 28), "{}")},
      {"no Host", "GET /healthz HTTP/1.1\r\n\r\n"},
      {"two Hosts", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"},
      {"a target that is a URL",
       "GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"another version", "GET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n"},
      {"no HTTP", "\x16\x03\x01\x02\x01\x01\r\n\r\n"},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Answer answer = say(c.text);
    expect_problem(answer, c.want);
    EXPECT_TRUE(answer.closed);
  }
  EXPECT_EQ(api_.get("/healthz").status, 200);
}

TEST_F(BrokerHostile, HeaderFloodsAre431) {
  std::string many;
  for (int i = 0; i < 50'000; ++i) many += "X-" + std::to_string(i) + ": y\r\n";
  const Case cases[] = {
      {"many headers", post("/jobs", many, "")},
      {"one long header", post("/jobs", "X: " + std::string(1'000'000, 'x') + "\r\n", "")},
      {"one long name", post("/jobs", std::string(1'000'000, 'x') + ": y\r\n", "")},
      {"a long target", "GET /" + std::string(1'000'000, 'x') + " HTTP/1.1\r\n"},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Answer answer = say(c.text);
    expect_problem(answer, 431);
    EXPECT_TRUE(answer.closed);
  }
  EXPECT_EQ(api_.get("/healthz").status, 200);
}

TEST_F(BrokerHostile, HostileJsonIsRefusedByEveryCall) {
  const std::pair<const char*, std::string> values[] = {
      {"deep arrays", std::string(100'000, '[')},
      {"deep objects",
       [] {
         std::string text;
         for (int i = 0; i < 20'000; ++i) text += R"({"a":)";
         return text;
       }()},
      {"a lone high surrogate", R"("\ud800")"},
      {"a lone low surrogate", R"("\udc00 ")"},
      {"surrogates in the wrong order", R"("\udc00\ud800")"},
      {"a surrogate in UTF-8", "\"\xed\xa0\x80\""},
      {"an overlong form", "\"\xc0\xaf\""},
      {"a control character", "\"a\nb\""},
      {"1e400", "1e400"},
      {"an integer over 64 bits", "36893488147419103232"},
      {"an integer below 64 bits", "-9223372036854775809"},
      {"NaN", "NaN"},
      {"a leading zero", "01"},
      {"a comment", "/**/1"},
      {"a trailing comma", "[1,]"},
      {"a second document", "1}{"},
  };
  const std::pair<const char*, const char*> calls[] = {
      {"/jobs", "payload"},       {"/jobs:batch", "jobs"},         {"/jobs:claim", "worker"},
      {"/jobs:extend", "leases"}, {"/jobs:settle", "settlements"}, {":pause", "enqueue"}};

  for (const auto& [below, member] : calls) {
    for (const auto& [name, value] : values) {
      SCOPED_TRACE(std::string(below) + ": " + name);
      expect_problem(say(sized(below, "{\"" + std::string(member) + "\":" + value + "}")), 400);
    }
    SCOPED_TRACE(std::string(below) + ": a member given twice");
    const std::string twice = "{\"" + std::string(member) + "\":null,\"" + member + "\":null}";
    expect_problem(say(sized(below, twice)), 400);
  }
}

TEST_F(BrokerHostile, HugeBatchesAreRefusedWhole) {
  std::string jobs = R"({"jobs":[{"payload":1})";
  for (int i = 0; i < 1'000; ++i) jobs += R"(,{"payload":1})";
  const std::string over_bytes = R"({"jobs":[{"payload":")" + std::string(17 << 20, 'x') + "\"}]}";
  std::string endless;
  for (int i = 0; i < 300; ++i) endless += "10000\r\n" + std::string(0x10000, ' ') + "\r\n";

  expect_problem(say(sized("/jobs:batch", jobs + "]}")), 400);
  expect_problem(say(sized("/jobs:batch", over_bytes)), 413);
  expect_problem(say(post("/jobs:batch", "Transfer-Encoding: chunked\r\n", endless)), 413);
  EXPECT_EQ(api_.figures()["ready"], 0);
}

// --- crowds ------------------------------------------------------------------------------------

class BrokerCrowd : public BrokerHostile {
 protected:
  void SetUp() override {
    BrokerHostile::SetUp();
    rlimit files{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_max < kCrowd + 1'000) GTEST_SKIP() << "too few files may be open";
  }

  std::size_t resident_bytes() {
    std::ifstream status("/proc/" + std::to_string(broker_.process().pid()) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6)) * 1'024;
    }
    ADD_FAILURE() << "no VmRSS";
    return 0;
  }
  double metric(const std::string& name) {
    std::istringstream lines(api_.get("/metrics").text);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(name + " ")) return std::stod(line.substr(name.size() + 1));
    }
    return NAN;
  }
  void expect_small(const char* what, std::size_t before) {
    const std::size_t after = resident_bytes();
    const std::size_t each = after > before ? (after - before) / kCrowd : 0;
    std::cout << "[ MEMORY   ] " << kCrowd << " " << what << ": " << each << " bytes each\n";
    // Under a sanitizer memory is not what it is without.
    EXPECT_TRUE(kSanitized || each < kIdleBytesMax) << each;
  }
};

TEST_F(BrokerCrowd, ThousandsOfIdleConnectionsAreServedAndSmall) {
  std::vector<std::unique_ptr<ByteStream>> crowd;
  const std::string request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const std::size_t before = resident_bytes();
  for (int i = 0; i < kCrowd; ++i) {
    crowd.push_back(connect());
    crowd.back()->write(request);
    ASSERT_EQ(hear(*crowd.back()).status, 200);
  }

  expect_small("idle connections", before);

  for (const auto& stream : crowd) {
    stream->write(request);
    ASSERT_EQ(hear(*stream).status, 200);
  }
}

TEST_F(BrokerCrowd, ThousandsOfIdleLongPollsAreWokenAndSmall) {
  std::vector<std::unique_ptr<ByteStream>> crowd;
  const std::string claim = sized("/jobs:claim", R"({"worker":"w","max":1,"waitSeconds":60})");
  const std::size_t before = resident_bytes();
  const double commands = metric("sluice_engine_commands_total");
  for (int i = 0; i < kCrowd; ++i) {
    crowd.push_back(connect());
    crowd.back()->write(claim);
  }
  ASSERT_TRUE(
      eventually([&] { return metric("sluice_engine_commands_total") >= commands + kCrowd; }));

  expect_small("idle long polls", before);

  std::string jobs = R"({"jobs":[{"payload":1})";
  for (int i = 1; i < 1'000; ++i) jobs += R"(,{"payload":1})";
  for (int i = 0; i < kCrowd; i += 1'000)
    ASSERT_EQ(api_.post("/jobs:batch", jobs + "]}").status, 202);
  for (const auto& stream : crowd) {
    const Answer answer = hear(*stream);
    ASSERT_EQ(answer.status, 200);
    EXPECT_EQ(Json::parse(answer.body)["jobs"].size(), 1u);
  }
}

}  // namespace
}  // namespace sluice::testing
