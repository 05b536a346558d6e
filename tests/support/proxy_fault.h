// What a KubeProxy may do to a request, and to which.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tests/support/byte_stream.h"

namespace sluice::testing {

struct ProxyTarget {
  std::string host;
  int port = 0;
  std::optional<TlsIdentity> tls = {};  // nothing: plain HTTP
  std::string token = {};               // replaces the client's Authorization, unless empty
};

struct Fault {
  enum class Kind {
    kPass,
    kCut,         // closes the connection; the server hears nothing
    kCutAnswer,   // the server has done it; the client gets no answer
    kStall,       // no byte, until the client closes or release()
    kAnswer,      // an answer of ours; the server hears nothing
    kDelay,       // waits, then passes
    kHold,        // waits for release(), then passes: requests overtake one another
    kHoldAnswer,  // the same, after the server has done it
    kCutLines,    // passes `lines` lines of the answer, then cuts
    kCutMidLine,  // passes `lines` lines and half of the next, then cuts
    kStallLines,  // the same, then no byte more
    kInjectLine,  // after `lines` lines puts `body` in as a line of its own, then ends the answer
    kGoDown,      // the server has done it; then as go_down()
  };
  Kind kind = Kind::kPass;
  int status = 0;
  std::string body = {};
  std::map<std::string, std::string> headers = {};
  std::chrono::milliseconds delay{0};
  int lines = 0;
  // Of kCut and kCutAnswer: called before the client can notice, on a thread of the proxy's.
  std::function<void()> then = {};

  static Fault pass() { return {}; }
  static Fault cut(std::function<void()> then = {}) {
    return {.kind = Kind::kCut, .then = std::move(then)};
  }
  static Fault cut_answer(std::function<void()> then = {}) {
    return {.kind = Kind::kCutAnswer, .then = std::move(then)};
  }
  static Fault stall() { return {.kind = Kind::kStall}; }
  static Fault answer(int status, std::string body = "{}",
                      std::map<std::string, std::string> headers = {}) {
    return {.kind = Kind::kAnswer,
            .status = status,
            .body = std::move(body),
            .headers = std::move(headers)};
  }
  // As the API server refuses: a Status object.
  static Fault refuse(int status, std::string_view reason, std::string_view message = "injected");
  static Fault too_many_requests(int retry_after_seconds);
  static Fault slow(std::chrono::milliseconds delay) {
    return {.kind = Kind::kDelay, .delay = delay};
  }
  static Fault hold() { return {.kind = Kind::kHold}; }
  static Fault hold_answer() { return {.kind = Kind::kHoldAnswer}; }
  static Fault cut_after_lines(int lines) { return {.kind = Kind::kCutLines, .lines = lines}; }
  static Fault cut_mid_line(int lines = 0) { return {.kind = Kind::kCutMidLine, .lines = lines}; }
  static Fault stall_after_lines(int lines) { return {.kind = Kind::kStallLines, .lines = lines}; }
  static Fault inject_line(std::string line, int after_lines = 0) {
    return {.kind = Kind::kInjectLine, .body = std::move(line), .lines = after_lines};
  }
  // The ERROR event of a watch whose version is too old.
  static Fault watch_expired(int after_lines = 0);
  static Fault go_down() { return {.kind = Kind::kGoDown}; }
};

struct ProxyMatch {
  static constexpr int kAlways = -1;

  std::string method = {};         // empty: any
  std::string path_contains = {};  // of path and query, as sent
  int times = 1;                   // kAlways: for ever
  int skip = 0;                    // lets that many pass first: the nth request
  std::string path_lacks = {};     // empty: anything
  bool writes = false;             // any method but GET
};

// One request that reached the proxy, in order of arrival.
struct ProxiedRequest {
  std::string method;
  std::string target;
  std::string body;
  Fault::Kind fault = Fault::Kind::kPass;
  int status = 0;  // what the client was answered; 0: nothing (yet)
};

}  // namespace sluice::testing
