#pragma once

// A blocking TCP connection, with TLS for https, whose every wait has a timeout and can be
// cancelled.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "client/url.h"
#include "http/tls_session.h"

namespace glint {

// Once cancelled, every wait that looks at it ends at once, until reset() is called.
class CancelSignal {
 public:
  CancelSignal();
  ~CancelSignal();
  CancelSignal(const CancelSignal&) = delete;
  CancelSignal& operator=(const CancelSignal&) = delete;

  void cancel();  // any thread
  void reset();
  int descriptor() const { return event_fd_; }  // readable when cancelled

 private:
  int event_fd_;
};

class TcpStream {
 public:
  // Tries each of the host's addresses. `cancel` must outlive the stream. Of an https server the
  // certificate must be one that this machine trusts (http/tls_context.h).
  static Result<TcpStream> connect(const Url& url, double timeout_s, const CancelSignal& cancel);
  ~TcpStream();
  TcpStream(TcpStream&& other) noexcept;
  TcpStream& operator=(TcpStream&& other) noexcept;

  Result<void> write(std::string_view bytes, double timeout_s);
  // Waits for some bytes; 0 at the end of the stream.
  Result<size_t> read(std::span<char> buffer, double timeout_s);

 private:
  TcpStream(int fd, const CancelSignal& cancel) : fd_(fd), cancel_(&cancel) {}
  Result<void> start_tls(const Url& url, double timeout_s);
  Result<void> wait_as(IoState state, double timeout_s);

  int fd_ = -1;
  std::optional<TlsSession> tls_;
  const CancelSignal* cancel_;
};

}  // namespace glint
