#include "client/response_parser.h"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <utility>

namespace glint {
namespace {

namespace beast_http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

constexpr uint32_t kMaxHeaderBytes = 64 << 10;

class Collector final : public beast_http::basic_parser<false> {
 public:
  explicit Collector(std::function<void(std::string_view)> body_sink)
      : on_body(std::move(body_sink)) {
    header_limit(kMaxHeaderBytes);
    body_limit(boost::none);  // the caller's: it may stream without an end
  }

  HttpResponse response{.content_type = "", .body = "", .headers = {}};
  std::function<void(std::string_view)> on_body;

 private:
  void on_request_impl(beast_http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int status, string_view, int, error_code&) override {
    response.status = status;
  }
  void on_field_impl(beast_http::field field, string_view name, string_view value,
                     error_code&) override {
    if (is_header_done()) return;  // a trailer
    std::string text(value.data(), value.size());
    if (field == beast_http::field::content_type) response.content_type = text;
    response.headers.emplace_back(std::string(name.data(), name.size()), std::move(text));
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<uint64_t>&, error_code&) override {}
  size_t on_body_impl(string_view bytes, error_code&) override {
    on_body({bytes.data(), bytes.size()});
    return bytes.size();
  }
  void on_chunk_header_impl(uint64_t, string_view, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, string_view bytes, error_code& ec) override {
    return on_body_impl(bytes, ec);
  }
  void on_finish_impl(error_code&) override {}
};

Error bad_response(error_code ec) {
  return {
      ErrorCode::kInternal, cat("The server's answer is not HTTP/1.1: ", ec.message(), "."), {}};
}

}  // namespace

struct ResponseParser::State {
  explicit State(std::function<void(std::string_view)> on_body) : collector(std::move(on_body)) {}

  // Beast asserts that a chunked body's end, five bytes at least, comes whole.
  bool wants(std::string_view bytes) const {
    if (collector.is_done() || bytes.empty()) return false;
    return !collector.is_header_done() || !collector.chunked() || bytes.size() >= 5;
  }

  Collector collector;
};

ResponseParser::ResponseParser(std::function<void(std::string_view)> on_body)
    : state_(std::make_unique<State>(std::move(on_body))) {}
ResponseParser::~ResponseParser() = default;

Result<size_t> ResponseParser::put(std::string_view bytes) {
  size_t used = 0;
  while (state_->wants(bytes.substr(used))) {
    error_code ec;
    used +=
        state_->collector.put(boost::asio::buffer(bytes.data() + used, bytes.size() - used), ec);
    if (ec == beast_http::error::need_more) break;
    if (ec) return bad_response(ec);
  }
  return used;
}

Result<void> ResponseParser::end_of_stream() {
  error_code ec;
  if (got_some() && !done()) state_->collector.put_eof(ec);
  if (ec || !done()) {
    return Error{ErrorCode::kInternal, "The server closed the connection within its answer.", {}};
  }
  return {};
}

bool ResponseParser::got_some() const { return state_->collector.got_some(); }
bool ResponseParser::header_done() const { return state_->collector.is_header_done(); }
bool ResponseParser::done() const { return state_->collector.is_done(); }
bool ResponseParser::keep_alive() const { return state_->collector.keep_alive(); }
const HttpResponse& ResponseParser::response() const { return state_->collector.response; }

}  // namespace glint
