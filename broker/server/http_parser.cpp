#include "broker/server/http_parser.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <limits>
#include <optional>

#include "broker/server/limits.h"

namespace sluice::broker {
namespace {

namespace http = boost::beast::http;
using boost::beast::iequals;
using BeastError = boost::beast::error_code;
using BeastView = boost::beast::string_view;

// How much memory each string of a request keeps for the next one.
constexpr std::size_t kKeptBytes = 1024;

std::string to_std(BeastView view) {
  return {view.data(), view.size()};
}

bool is_number(BeastView text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Method to_method(http::verb verb) {
  switch (verb) {
    case http::verb::get:
      return Method::kGet;
    case http::verb::post:
      return Method::kPost;
    case http::verb::put:
      return Method::kPut;
    case http::verb::delete_:
      return Method::kDelete;
    default:
      return Method::kOther;
  }
}

// Fills a Request as Beast recognizes its parts.
class Reader final : public http::basic_parser<true> {
 public:
  explicit Reader(Request& request) : request_(request) {
    header_limit(limits::kHeaderBytesMax);
    // Held below, where the route is known. (Beast 1.74 takes `none` for a limit of nothing.)
    body_limit(std::numeric_limits<std::uint64_t>::max());
    eager(false);
  }

  std::size_t body_bytes_max = 0;

 private:
  void on_request_impl(http::verb verb, BeastView, BeastView target, int version,
                       BeastError& ec) override {
    request_.method = to_method(verb);
    request_.target.assign(target.data(), target.size());
    request_.http_1_0 = version < 11;
    if (target.empty() || target.front() != '/') ec = http::error::bad_target;
  }

  void on_response_impl(int, BeastView, int, BeastError&) override {}

  void on_field_impl(http::field name, BeastView name_text, BeastView value,
                     BeastError& ec) override {
    if (is_header_done()) return;  // a trailer says nothing we act upon
    switch (name) {
      case http::field::host:
        if (host_seen_) ec = http::error::bad_field;
        host_seen_ = true;
        request_.host.assign(value.data(), value.size());
        return;
      case http::field::content_length:
        // One number: Beast would take a list of equal ones.
        if (length_seen_ || transfer_seen_ || !is_number(value)) {
          ec = http::error::bad_content_length;
        }
        length_seen_ = true;
        return;
      case http::field::transfer_encoding:
        if (length_seen_ || transfer_seen_ || request_.http_1_0 || !iequals(value, "chunked")) {
          ec = http::error::bad_transfer_encoding;
        }
        transfer_seen_ = true;
        return;
      case http::field::content_type:
        request_.content_type.assign(value.data(), value.size());
        return;
      case http::field::authorization:
        if (!request_.authorization.empty()) ec = http::error::bad_field;
        request_.authorization = to_std(value);
        return;
      case http::field::expect:
        request_.expects_continue = iequals(value, "100-continue");
        return;
      default:
        break;
    }
    if (iequals(name_text, "idempotency-key")) {
      if (request_.idempotency_key) ec = http::error::bad_field;
      request_.idempotency_key = to_std(value);
    } else if (iequals(name_text, "traceparent")) {
      request_.traceparent = to_std(value);
    } else if (name_text.size() > 3 && iequals(name_text.substr(0, 3), "ce-")) {
      add_event_header(name_text.substr(3), value, ec);
    } else if (iequals(name_text, "sluice-protocol")) {
      request_.protocol_1 = value == "1";
    }
  }

  void on_header_impl(BeastError& ec) override {
    if (!host_seen_) ec = http::error::bad_field;
    request_.has_body = transfer_seen_;
    request_.keep_alive = keep_alive();
  }

  void on_body_init_impl(const boost::optional<std::uint64_t>& length, BeastError&) override {
    // With room for the JSON validator's read-ahead.
    if (length) request_.body.reserve(*length + 64);
  }

  std::size_t on_body_impl(BeastView bytes, BeastError& ec) override { return keep(bytes, ec); }

  void on_chunk_header_impl(std::uint64_t size, BeastView, BeastError& ec) override {
    if (size > body_bytes_max) ec = http::error::body_limit;
  }

  std::size_t on_chunk_body_impl(std::uint64_t, BeastView bytes, BeastError& ec) override {
    return keep(bytes, ec);
  }

  void on_finish_impl(BeastError&) override {}

  void add_event_header(BeastView name, BeastView value, BeastError& ec) {
    std::string lower = to_std(name);
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    for (const auto& [seen, text] : request_.event_headers) {
      if (seen == lower) ec = http::error::bad_field;
    }
    request_.event_headers.emplace_back(std::move(lower), to_std(value));
  }

  std::size_t keep(BeastView bytes, BeastError& ec) {
    if (bytes.size() > body_bytes_max - request_.body.size()) {
      ec = http::error::body_limit;
      return 0;
    }
    request_.body.append(bytes.data(), bytes.size());
    return bytes.size();
  }

  Request& request_;
  bool host_seen_ = false;
  bool length_seen_ = false;
  bool transfer_seen_ = false;
};

}  // namespace

class HttpParser::Machine {
 public:
  Machine() { reset(); }

  void reset() {
    Request next;
    for (const auto member :
         {&Request::target, &Request::host, &Request::content_type, &Request::body}) {
      std::string& memory = request.*member;
      if (memory.capacity() > kKeptBytes) continue;
      memory.clear();
      (next.*member).swap(memory);
    }
    request = std::move(next);
    reader_.emplace(request);
    header_told_ = false;
  }

  Progress feed(std::string_view bytes, std::size_t& consumed) {
    consumed = 0;
    while (!reader_->is_done()) {
      const auto rest = bytes.substr(consumed);
      if (rest.empty() || may_be_cut_last_chunk(rest)) return Progress::kNeedMore;
      BeastError ec;
      consumed += reader_->put(boost::asio::const_buffer(rest.data(), rest.size()), ec);
      if (ec == http::error::need_more) return Progress::kNeedMore;
      if (ec == http::error::body_limit) return Progress::kTooLarge;
      if (ec == http::error::header_limit) return Progress::kHeaderTooLarge;
      if (ec) return Progress::kBroken;
      if (reader_->is_header_done() && !header_told_) return header_done();
    }
    if (!header_told_) return header_done();
    return Progress::kDone;
  }

  void set_body_limit(std::size_t bytes) { reader_->body_bytes_max = bytes; }
  bool got_some() const { return reader_->got_some(); }

  Request request;

 private:
  // Beast 1.74 asserts that a last chunk it has seen the first line of is followed by its end, so
  // it gets neither until both may be there. Nothing is held up: a chunked body never ends in fewer
  // bytes.
  bool may_be_cut_last_chunk(std::string_view rest) const {
    return header_told_ && reader_->chunked() && rest.size() < kLastChunk.size() &&
           rest.front() == '0';
  }

  Progress header_done() {
    header_told_ = true;
    if (const auto length = reader_->content_length()) {
      request.content_length = static_cast<std::size_t>(*length);
      request.has_body = request.has_body || *length > 0;
    }
    return Progress::kHeader;
  }

  std::optional<Reader> reader_;
  bool header_told_ = false;
};

HttpParser::HttpParser() : machine_(std::make_unique<Machine>()) {}
HttpParser::~HttpParser() = default;

void HttpParser::reset() {
  machine_->reset();
}

HttpParser::Progress HttpParser::feed(std::string_view bytes, std::size_t& consumed) {
  return machine_->feed(bytes, consumed);
}

void HttpParser::set_body_limit(std::size_t bytes) {
  machine_->set_body_limit(bytes);
}
Request& HttpParser::request() {
  return machine_->request;
}
bool HttpParser::got_some() const {
  return machine_->got_some();
}

}  // namespace sluice::broker
