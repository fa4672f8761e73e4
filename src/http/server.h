#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "http/http.h"
#include "http/router.h"
#include "http/tls_context.h"

namespace glint {

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 30000;  // 0: any free one, see port()
  int num_threads = 2;
  HttpLimits limits{};
  TlsFiles tls{};  // without a certfile: plain HTTP
};

class HttpServer {
 public:
  // Binds and listens. The Error names host and port, or the file, and the reason.
  static Result<std::unique_ptr<HttpServer>> listen(const HttpServerOptions& options,
                                                    Router router);
  ~HttpServer();

  uint16_t port() const;
  void start();  // starts the threads and returns
  // For the requests that come from now on. Not from two threads at once.
  void set_router(Router router);
  // Answers that are under way go on, until `grace_s` is over; then what is left is cut. Until then
  // the port stays open and who asks is answered, so that a probe can be told; but each answer is
  // its connection's last, and only those that were under way are waited for. Returns when all
  // threads have ended.
  void shutdown(double grace_s);
  int num_connections() const;
  // Reads the TLS files again, for new connections; those there are keep theirs. With an Error
  // everything stays as it was. Any thread.
  Result<void> reload_tls();

 private:
  HttpServer();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace glint
