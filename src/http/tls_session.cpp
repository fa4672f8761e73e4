#include "http/tls_session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace glint {
namespace {

// OpenSSL's own socket BIO writes with write(), which raises SIGPIPE when the client has gone.
int socket_of(BIO* bio) { return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio))); }

int send_bytes(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t sent = send(socket_of(bio), bytes, static_cast<size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int receive_bytes(BIO* bio, char* buffer, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t received = recv(socket_of(bio), buffer, static_cast<size_t>(size), 0);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  if (received == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(received);
}

long control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  return command == BIO_CTRL_EOF ? BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 : 0;
}

int create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

BIO* make_socket_bio(int socket) {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    BIO_meth_set_write(made, send_bytes);
    BIO_meth_set_read(made, receive_bytes);
    BIO_meth_set_ctrl(made, control);
    BIO_meth_set_create(made, create);
    return made;
  }();
  BIO* bio = BIO_new(method);
  CHECK(bio != nullptr, "BIO_new failed");
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(socket)));
  return bio;
}

std::string queued_reason(int system_error) {
  const unsigned long code = ERR_peek_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  if (reason != nullptr) return reason;
  return system_error == 0 ? "the connection ended" : std::strerror(system_error);
}

bool is_address(const std::string& host) {
  ASN1_OCTET_STRING* address = a2i_IPADDRESS(host.c_str());
  ASN1_OCTET_STRING_free(address);
  return address != nullptr;
}

}  // namespace

TlsSession::TlsSession(const TlsContext& context, int socket)
    : session_(SSL_new(context.get()), &SSL_free) {
  CHECK(session_ != nullptr, "SSL_new failed");
  BIO* bio = make_socket_bio(socket);
  SSL_set_bio(session_.get(), bio, bio);
}

TlsSession TlsSession::accept(const TlsContext& context, int socket) {
  TlsSession session(context, socket);
  SSL_set_accept_state(session.session_.get());
  return session;
}

TlsSession TlsSession::connect(const TlsContext& context, int socket, const std::string& host) {
  TlsSession session(context, socket);
  SSL* ssl = session.session_.get();
  SSL_set_connect_state(ssl);
  if (is_address(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl, host.c_str());
    SSL_set1_host(ssl, host.c_str());
  }
  return session;
}

IoState TlsSession::outcome(int returned) {
  const int system_error = errno;
  switch (SSL_get_error(session_.get(), returned)) {
    case SSL_ERROR_NONE:
      return IoState::kDone;
    case SSL_ERROR_WANT_READ:
      return IoState::kWantsRead;
    case SSL_ERROR_WANT_WRITE:
      return IoState::kWantsWrite;
    case SSL_ERROR_ZERO_RETURN:
      return IoState::kEnd;
    default:
      break;
  }
  broken_ = true;
  const int reason = ERR_GET_REASON(ERR_peek_error());
  met_plain_http_ = reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST;
  failure_ = queued_reason(system_error);
  const long verdict = SSL_get_verify_result(session_.get());
  if (verdict != X509_V_OK) failure_ += cat(": ", X509_verify_cert_error_string(verdict));
  return IoState::kFailed;
}

IoState TlsSession::handshake() {
  ERR_clear_error();
  errno = 0;
  return outcome(SSL_do_handshake(session_.get()));
}

IoResult TlsSession::read(std::span<char> buffer) {
  ERR_clear_error();
  errno = 0;
  size_t size = 0;
  const int returned = SSL_read_ex(session_.get(), buffer.data(), buffer.size(), &size);
  return {outcome(returned), size};
}

IoResult TlsSession::write(std::string_view bytes) {
  ERR_clear_error();
  errno = 0;
  size_t size = 0;
  const int returned = SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &size);
  return {outcome(returned), size};
}

void TlsSession::shut_sending() {
  ERR_clear_error();
  if (!broken_ && SSL_is_init_finished(session_.get())) SSL_shutdown(session_.get());
}

}  // namespace glint
