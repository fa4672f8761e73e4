#pragma once

// One TLS connection over a non-blocking socket.

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "http/tls_context.h"

struct ssl_st;

namespace glint {

enum class IoState {
  kDone,
  kWantsRead,   // again when the socket is readable
  kWantsWrite,  // again when it is writable
  kEnd,         // the other side has ended its sending
  kFailed,
};

struct IoResult {
  IoState state = IoState::kFailed;
  size_t size = 0;  // of kDone: the bytes that were moved, more than none
};

// The calls are those of a non-blocking socket; they never block and raise no signal. Not for two
// threads at once.
class TlsSession {
 public:
  // The socket stays the caller's.
  static TlsSession accept(const TlsContext& context, int socket);
  // `host` is whom the server's certificate must name, a name or an address.
  static TlsSession connect(const TlsContext& context, int socket, const std::string& host);

  IoState handshake();
  IoResult read(std::span<char> buffer);
  // After kWants… it must be called again with the same bytes in front.
  IoResult write(std::string_view bytes);
  // Says that no more will be sent, if the socket takes that now.
  void shut_sending();

  // Why the last call gave kFailed, as the end of a sentence.
  std::string failure() const { return failure_; }
  // After a failed handshake: the other side spoke HTTP without TLS.
  bool met_plain_http() const { return met_plain_http_; }

 private:
  TlsSession(const TlsContext& context, int socket);
  IoState outcome(int returned);

  std::unique_ptr<ssl_st, void (*)(ssl_st*)> session_;
  bool broken_ = false;  // OpenSSL takes no further call
  bool met_plain_http_ = false;
  std::string failure_;
};

}  // namespace glint
