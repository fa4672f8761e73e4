#pragma once

// HTTP/1.1 as the rest of glint sees it. Knows nothing of models. Beast is included only in this
// folder's .cpp files.
//
// A handler runs on one of the server's threads, on the connection's strand. It answers at once
// with respond(), or keeps the shared Exchange and answers later, from any thread, by post().

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace glint {

bool equals_ignoring_case(std::string_view a, std::string_view b);

using HttpFields = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;  // as sent: GET, POST …
  std::string path;    // decoded, without the query
  HttpFields query;    // decoded, in order
  HttpFields headers;  // as sent, in order
  std::string body;
  std::string peer;       // address:port
  double received_s = 0;  // when its last byte was there, on SteadyClock

  std::string_view header(std::string_view name) const;  // any case; empty if absent
  std::string_view query_value(std::string_view name) const;
};

// The request's X-Request-Id, which its answer repeats; empty without one, or if it is longer than
// kMaxRequestIdBytes.
inline constexpr size_t kMaxRequestIdBytes = 256;
std::string_view request_id(const HttpRequest& request);

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  HttpFields headers{};
};

// How a request ended.
struct HttpOutcome {
  int status = 0;         // 0: none was sent
  size_t body_bytes = 0;  // written by the handler
  double seconds = 0;     // from the whole request to the whole answer
  bool complete = false;  // false: the client left, or was cut
};

// One request and its answer. All functions but post() are called on the connection's strand (in a
// handler, or in what post() runs). After a disconnect they do nothing. Whoever means to answer
// keeps the Exchange: when the last holder drops it unanswered, the client gets a 500. So does one
// whose handler throws; if the stream had begun, it is cut.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const HttpRequest& request() const = 0;
  virtual void respond(HttpResponse response) = 0;

  // A streamed answer (chunked; for SSE and NDJSON): begin_stream, write…, end_stream. What is
  // written in one turn of the strand, or while the socket takes no more, is sent together.
  virtual void begin_stream(int status, std::string content_type, HttpFields headers = {}) = 0;
  virtual void write(std::string bytes) = 0;
  virtual void end_stream() = 0;

  // False while more bytes are unsent than HttpLimits::max_unsent_bytes: stop writing until
  // on_writable, which is called each time that ends. A reader that stays so for
  // HttpLimits::slow_reader_timeout_s is cut, by a reset.
  virtual bool writable() const = 0;
  virtual void on_writable(std::function<void()> callback) = 0;
  // Called once, on the strand, if the client goes away or is cut before the answer was complete;
  // soon, if that has happened already.
  virtual void on_disconnect(std::function<void()> callback) = 0;

  // Runs `work` on the strand after `seconds`, unless the answer is complete or the client gone by
  // then. One at a time: a further call replaces it.
  virtual void after(double seconds, std::function<void()> work) = 0;

  // Any thread: runs `work` on the connection's strand, soon, in order; also after a disconnect.
  // Once the server has shut down, `work` is dropped.
  virtual void post(std::function<void()> work) = 0;
};

using Handler = std::function<void(std::shared_ptr<Exchange>)>;

// One table, documented in docs/limits.md, tested at and over.
struct HttpLimits {
  size_t max_body_bytes = size_t{32} << 20;   // more: 413
  size_t max_header_bytes = 64 << 10;         // more: 431
  size_t max_unsent_bytes = size_t{1} << 20;  // per connection, before writing pauses
  double slow_reader_timeout_s = 30;          // paused this long: cut
  double handshake_timeout_s = 10;            // of TLS: from the connection to its end
  double header_timeout_s = 30;               // from the first byte of a request to its last header
  double idle_timeout_s = 120;                // keep-alive without a request
  double body_timeout_s = 120;
  int max_connections = 10000;  // more: accepted and answered 503
};

}  // namespace glint
