#pragma once

// A blocking HTTP/1.1 client: one request at a time, its connection kept for the next.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "client/tcp_stream.h"
#include "http/http.h"
#include "http/sse.h"

namespace glint {

struct HttpClientOptions {
  double connect_timeout_s = 10;
  double silence_timeout_s = 600;                 // without a byte, while an answer is awaited
  size_t max_response_bytes = size_t{256} << 20;  // of an answer that is not streamed
};

class HttpClient {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  explicit HttpClient(HttpClientOptions options = {}) : options_(options) {}

  // Any status is a response; an Error means that there was none, and names the URL.
  Result<HttpResponse> get(std::string_view url, const Headers& headers = {});
  Result<HttpResponse> post(std::string_view url, const Headers& headers, std::string_view body);
  // `on_event` gets each server-sent event as it comes. A status of 400 or more is an Error with
  // the server's message, as client/refusal.h has it.
  Result<void> post_stream(std::string_view url, const Headers& headers, std::string_view body,
                           const std::function<void(const SseEvent&)>& on_event);

  // Any thread: closes the connection; the call under way, or else the next one, returns a
  // kCancelled Error.
  void cancel() { cancel_.cancel(); }

 private:
  struct Call;
  class Receiver;
  Result<HttpResponse> fetch(std::string_view method, std::string_view url, const Headers& headers,
                             std::string_view body,
                             const std::function<void(const SseEvent&)>* on_event);
  Result<HttpResponse> send(const Call& call);
  Result<HttpResponse> receive(const Call& call, bool& got_some);
  Result<void> connect(const Url& url);

  const HttpClientOptions options_;
  CancelSignal cancel_;
  std::optional<TcpStream> stream_;
  std::string connected_to_;  // the origin that stream_ leads to
};

}  // namespace glint
