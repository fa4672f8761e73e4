#include "http/request_parser.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <limits>

#include "http/target.h"

namespace glint {
namespace {

namespace beast_http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

// A client that announces a body is believed only this far before the bytes are there.
constexpr size_t kMaxReservedBytes = 256 << 10;

std::string to_std(string_view text) { return {text.data(), text.size()}; }

// Beast calls these with the parts in order; a trailer's fields come after the header and are
// dropped.
class Collector final : public beast_http::basic_parser<true> {
 public:
  HttpRequest request;
  std::string target;
  int version = 11;  // 10 or 11

 private:
  void on_request_impl(beast_http::verb, string_view method, string_view sent_target,
                       int sent_version, error_code&) override {
    request.method = to_std(method);
    target = to_std(sent_target);
    version = sent_version;
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(beast_http::field, string_view name, string_view value, error_code&) override {
    if (!is_header_done()) request.headers.emplace_back(to_std(name), to_std(value));
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<uint64_t>& length, error_code&) override {
    request.body.reserve(std::min<size_t>(length.value_or(0), kMaxReservedBytes));
  }
  size_t on_body_impl(string_view bytes, error_code&) override {
    request.body.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_chunk_header_impl(uint64_t, string_view, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, string_view bytes, error_code& ec) override {
    return on_body_impl(bytes, ec);
  }
  void on_finish_impl(error_code&) override {}
};

std::string in_mebibytes(size_t bytes) {
  if (bytes % (1 << 20) == 0) return cat(bytes >> 20, " MiB");
  return cat(bytes, " bytes");
}

// Why a field makes the body's end doubtful, which Beast would let pass: RFC 9112, 6.1 (a coding
// that we do not know, or any in HTTP/1.0) and 6.3 (a length that is a list).
std::optional<RequestFailure> framing_failure(std::string_view name, std::string_view value,
                                              int version) {
  if (equals_ignoring_case(name, "Content-Length") && value.find(',') != value.npos) {
    return RequestFailure{400, "Content-Length is a list; expected one number."};
  }
  if (!equals_ignoring_case(name, "Transfer-Encoding")) return std::nullopt;
  if (version == 10) return RequestFailure{400, "HTTP/1.0 has no Transfer-Encoding."};
  if (equals_ignoring_case(value, "chunked")) return std::nullopt;
  return RequestFailure{501, cat("Transfer-Encoding ", value, " is not supported; send chunked.")};
}

}  // namespace

struct RequestParser::State {
  explicit State(const HttpLimits& http_limits) : limits(http_limits) {
    collector.body_limit(limits.max_body_bytes);
    // Beast counts what a call brings, not the whole header; ours is the limit that holds.
    collector.header_limit(std::numeric_limits<uint32_t>::max());
  }

  void fail(int status, std::string message) { failure = {status, std::move(message)}; }
  void fail_as(error_code ec);
  void fail_header();
  void check_header();
  void check_unused(std::string_view unused);
  size_t put_once(std::string_view bytes);
  size_t skip_empty_lines(std::string_view bytes) const;
  bool wants(std::string_view bytes) const;

  HttpLimits limits;
  Collector collector;
  size_t header_bytes = 0;
  bool stuck = false;  // Beast has asked for more bytes
  std::optional<RequestFailure> failure;
};

void RequestParser::State::fail_as(error_code ec) {
  if (ec == beast_http::error::body_limit) {
    return fail(413, cat("The request's body is larger than the ",
                         in_mebibytes(limits.max_body_bytes), " that this server takes."));
  }
  fail(400, cat("This is not a valid HTTP/1.1 request: ", ec.message(), "."));
}

// What Beast leaves to us: that, and exactly one Host (3.2).
void RequestParser::State::check_header() {
  int num_hosts = 0;
  for (const auto& [name, value] : collector.request.headers) {
    num_hosts += equals_ignoring_case(name, "Host");
    failure = framing_failure(name, value, collector.version);
    if (failure) return;
  }
  if (num_hosts > 1 || (num_hosts == 0 && collector.version == 11)) {
    return fail(400,
                cat("An HTTP/1.1 request needs one Host header; this one has ", num_hosts, "."));
  }
  auto parsed = parse_target(collector.target);
  if (!parsed) return fail(400, parsed.error().message);
  collector.request.path = std::move(parsed->path);
  collector.request.query = std::move(parsed->query);
}

void RequestParser::State::fail_header() {
  fail(431, cat("The request's header is larger than the ", limits.max_header_bytes,
                " bytes that this server takes."));
}

// Of a start line, a field, a chunk's line and a trailer Beast wants the whole before it takes it.
// After a version of less than eight characters it would wait for more for ever.
void RequestParser::State::check_unused(std::string_view unused) {
  if (!collector.is_header_done()) {
    if (header_bytes + unused.size() >= limits.max_header_bytes) return fail_header();
    if (unused.find("\r\n\r\n") != unused.npos) fail_as(beast_http::error::bad_version);
  } else if (unused.size() > limits.max_header_bytes) {
    fail(400, "A chunk's line or trailer is too long.");
  }
}

size_t RequestParser::State::put_once(std::string_view bytes) {
  const bool in_header = !collector.is_header_done();
  error_code ec;
  const size_t used = collector.put(boost::asio::buffer(bytes.data(), bytes.size()), ec);
  stuck = ec == beast_http::error::need_more;
  if (in_header) header_bytes += used;
  if (in_header && header_bytes > limits.max_header_bytes) {
    fail_header();
  } else if (ec && !stuck) {
    fail_as(ec);
  } else if (in_header && collector.is_header_done()) {
    check_header();
  }
  return used;
}

// RFC 9112, section 2.2: empty lines before a request are ignored.
size_t RequestParser::State::skip_empty_lines(std::string_view bytes) const {
  size_t skipped = 0;
  while (!collector.got_some() && bytes.substr(skipped).starts_with("\r\n")) skipped += 2;
  return skipped;
}

// Whether Beast can do something with so few bytes. It asserts that a chunked body's end, five
// bytes at least, comes whole.
bool RequestParser::State::wants(std::string_view bytes) const {
  if (failure || collector.is_done() || bytes.empty()) return false;
  if (!collector.got_some() && bytes == "\r") return false;
  return !collector.is_header_done() || !collector.chunked() || bytes.size() >= 5;
}

RequestParser::RequestParser(const HttpLimits& limits) : state_(std::make_unique<State>(limits)) {}
RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;

size_t RequestParser::put(std::string_view bytes) {
  size_t used = state_->skip_empty_lines(bytes);
  state_->stuck = false;
  while (!state_->stuck && state_->wants(bytes.substr(used))) {
    used += state_->put_once(bytes.substr(used));
  }
  if (state_->stuck && !state_->failure) state_->check_unused(bytes.substr(used));
  return used;
}

bool RequestParser::header_done() const { return state_->collector.is_header_done(); }
bool RequestParser::done() const { return state_->collector.is_done() && !state_->failure; }
const std::optional<RequestFailure>& RequestParser::failure() const { return state_->failure; }
bool RequestParser::is_http_1_0() const { return state_->collector.version == 10; }
bool RequestParser::keep_alive() const { return state_->collector.keep_alive(); }

bool RequestParser::expects_continue() const {
  return !is_http_1_0() &&
         equals_ignoring_case(state_->collector.request.header("Expect"), "100-continue");
}

const HttpRequest& RequestParser::request() const { return state_->collector.request; }
HttpRequest RequestParser::take() { return std::move(state_->collector.request); }

}  // namespace glint
