#include "client/http_client.h"

#include <array>

#include "client/refusal.h"
#include "client/response_parser.h"
#include "client/url.h"

namespace glint {
namespace {

bool is_event_stream(const HttpResponse& response) {
  return response.status < 400 && response.content_type.starts_with("text/event-stream");
}

std::string request_text(std::string_view method, const Url& url,
                         const HttpClient::Headers& headers, std::string_view body) {
  std::string text = cat(method, " ", url.target, " HTTP/1.1\r\nHost: ", url.authority, "\r\n");
  bool has_type = false;
  for (const auto& [name, value] : headers) {
    has_type |= equals_ignoring_case(name, "Content-Type");
    text += cat(name, ": ", value, "\r\n");
  }
  if (method == "POST") {
    if (!has_type) text += "Content-Type: application/json\r\n";
    text += cat("Content-Length: ", body.size(), "\r\n");
  }
  text += "\r\n";
  text += body;
  return text;
}

Result<void> check_headers(const HttpClient::Headers& headers) {
  for (const auto& [name, value] : headers) {
    if ((name + value).find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos) continue;
    return Error{ErrorCode::kInvalidRequest, cat("The header ", name, " has a line break in it."),
                 name};
  }
  return {};
}

}  // namespace

struct HttpClient::Call {
  Url url;
  std::string text;                                      // of the whole request
  const std::function<void(const SseEvent&)>* on_event;  // null: collect the body
};

Result<HttpResponse> HttpClient::get(std::string_view url, const Headers& headers) {
  return fetch("GET", url, headers, "", nullptr);
}

Result<HttpResponse> HttpClient::post(std::string_view url, const Headers& headers,
                                      std::string_view body) {
  return fetch("POST", url, headers, body, nullptr);
}

Result<void> HttpClient::post_stream(std::string_view url, const Headers& headers,
                                     std::string_view body,
                                     const std::function<void(const SseEvent&)>& on_event) {
  const HttpResponse response = TRY(fetch("POST", url, headers, body, &on_event));
  if (is_event_stream(response)) return {};
  const ErrorCode code = response.status < 500 ? ErrorCode::kInvalidRequest : ErrorCode::kInternal;
  if (response.status >= 400) return Error{code, refusal(url, response.status, response.body), {}};
  return Error{
      code, cat(url, " answered ", response.status, ", but with no stream of events."), {}};
}

Result<HttpResponse> HttpClient::fetch(std::string_view method, std::string_view url,
                                       const Headers& headers, std::string_view body,
                                       const std::function<void(const SseEvent&)>* on_event) {
  TRY(check_headers(headers));
  Call call{.url = TRY(parse_url(url)), .text = "", .on_event = on_event};
  call.text = request_text(method, call.url, headers, body);
  auto response = send(call);
  if (response) return response;
  stream_.reset();
  if (response.error().code == ErrorCode::kCancelled) {
    cancel_.reset();
  } else if (!response.error().message.starts_with("Cannot connect")) {
    response.error().message = cat(url, ": ", response.error().message);
  }
  return response;
}

// A kept connection may have been closed by the server in the meantime: then once more, on a new
// one.
Result<HttpResponse> HttpClient::send(const Call& call) {
  const bool kept = stream_ && connected_to_ == call.url.origin();
  if (!kept) TRY(connect(call.url));
  bool got_some = false;
  auto response = receive(call, got_some);
  const bool stale =
      kept && !response && !got_some && response.error().code != ErrorCode::kCancelled;
  if (!stale) return response;
  TRY(connect(call.url));
  return receive(call, got_some);
}

Result<void> HttpClient::connect(const Url& url) {
  stream_.reset();
  stream_.emplace(TRY(TcpStream::connect(url, options_.connect_timeout_s, cancel_)));
  connected_to_ = url.origin();
  return {};
}

// What comes of one call's answer: its events to their callback, other bodies kept.
class HttpClient::Receiver {
 public:
  Receiver(const Call& call, size_t max_bytes)
      : on_event_(call.on_event),
        max_bytes_(max_bytes),
        events_([this](const SseEvent& event) { (*on_event_)(event); }) {
    begin();
  }

  Result<void> put(std::string_view bytes) {
    unparsed_ += bytes;
    do {
      if (parser_->done()) begin();  // 100 Continue: the answer is still to come
      unparsed_.erase(0, TRY(parser_->put(unparsed_)));
    } while (is_interim() && !unparsed_.empty());
    if (body_.size() <= max_bytes_) return {};
    return Error{
        ErrorCode::kTooLarge, cat("The answer is larger than ", max_bytes_, " bytes."), {}};
  }

  Result<void> end_of_stream() { return parser_->end_of_stream(); }
  bool done() const { return parser_->done() && !is_interim(); }
  bool keep_alive() const { return parser_->keep_alive() && unparsed_.empty(); }

  HttpResponse take() {
    HttpResponse response = parser_->response();
    response.body = std::move(body_);
    return response;
  }

 private:
  bool is_interim() const { return parser_->done() && parser_->response().status < 200; }

  void begin() {
    parser_.emplace([this](std::string_view bytes) {
      const bool streamed = on_event_ != nullptr && is_event_stream(parser_->response());
      streamed ? events_.put(bytes) : void(body_ += bytes);
    });
  }

  const std::function<void(const SseEvent&)>* on_event_;
  const size_t max_bytes_;
  SseParser events_;
  std::optional<ResponseParser> parser_;
  std::string unparsed_, body_;
};

// Sends the request and reads its answer. One that comes although the server did not take the whole
// request (413) counts.
Result<HttpResponse> HttpClient::receive(const Call& call, bool& got_some) {
  const auto written = stream_->write(call.text, options_.silence_timeout_s);
  if (!written && written.error().code == ErrorCode::kCancelled) return written.error();
  Receiver receiver(call, options_.max_response_bytes);
  std::array<char, 64 << 10> buffer;
  while (!receiver.done()) {
    const size_t size = TRY(stream_->read(buffer, options_.silence_timeout_s));
    got_some |= size > 0;
    TRY(size > 0 ? receiver.put({buffer.data(), size}) : receiver.end_of_stream());
  }
  if (!receiver.keep_alive() || !written) stream_.reset();
  return receiver.take();
}

}  // namespace glint
