#include "client/tcp_stream.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

namespace glint {
namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Error network_error(std::string message) { return {ErrorCode::kInternal, std::move(message), {}}; }

std::string error_text(int error) { return std::strerror(error); }

Result<AddressList> resolve(const Url& url) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(url.host.c_str(), url.port.c_str(), &hints, &found);
  if (error != 0) {
    return network_error(cat("The host ", url.host, " is not known: ", gai_strerror(error), "."));
  }
  return AddressList(found, &freeaddrinfo);
}

// Waits until `fd` is ready for `events` (poll's), or the time is over, or it is cancelled.
Result<void> wait_for(int fd, short events, double timeout_s, const CancelSignal& cancel) {
  std::array<pollfd, 2> polled{{{fd, events, 0}, {cancel.descriptor(), POLLIN, 0}}};
  const int timeout_ms = static_cast<int>(std::ceil(std::clamp(timeout_s, 0.0, 2e6) * 1000));
  int ready = 0;
  do {
    ready = poll(polled.data(), polled.size(), timeout_ms);
  } while (ready < 0 && errno == EINTR);
  if (polled[1].revents != 0) return Error{ErrorCode::kCancelled, "Cancelled.", {}};
  if (ready == 0) return network_error(cat("Nothing came from the server for ", timeout_s, " s."));
  return {};
}

Result<void> finish_connect(int fd, double timeout_s, const CancelSignal& cancel) {
  TRY(wait_for(fd, POLLOUT, timeout_s, cancel));
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return network_error(error_text(error));
  return {};
}

Result<void> connect_to(int fd, const addrinfo& address, double timeout_s,
                        const CancelSignal& cancel) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (::connect(fd, address.ai_addr, address.ai_addrlen) == 0) return {};
  if (errno != EINPROGRESS) return network_error(error_text(errno));
  return finish_connect(fd, timeout_s, cancel);
}

Error cannot_connect(const Url& url, const Error& last) {
  if (last.code == ErrorCode::kCancelled) return last;
  return network_error(cat("Cannot connect to ", url.origin(), ": ", last.message,
                           ". Is the server running there? `glint serve` starts one."));
}

// Read once a process: some hundred certificates.
Result<std::shared_ptr<const TlsContext>> trusted_by_this_machine() {
  static const auto context = TlsContext::for_client("");
  return context;
}

Error cannot_trust(const Url& url, const std::string& why) {
  return network_error(cat("Cannot connect to ", url.origin(), ": no TLS connection: ", why,
                           ". If the server's certificate is your own, set SSL_CERT_FILE to the "
                           "PEM file of the authority that signed it."));
}

}  // namespace

CancelSignal::CancelSignal() : event_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  CHECK(event_fd_ >= 0, "eventfd: ", error_text(errno));
}

CancelSignal::~CancelSignal() { close(event_fd_); }

void CancelSignal::cancel() { eventfd_write(event_fd_, 1); }

void CancelSignal::reset() {
  eventfd_t ignored = 0;
  eventfd_read(event_fd_, &ignored);
}

Result<TcpStream> TcpStream::connect(const Url& url, double timeout_s, const CancelSignal& cancel) {
  const AddressList addresses = TRY(resolve(url));
  Error last = network_error("the host has no address");
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
    const int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return network_error(cat("Cannot make a socket: ", error_text(errno), "."));
    TcpStream stream(fd, cancel);
    const auto connected = connect_to(fd, *at, timeout_s, cancel);
    if (connected && url.tls) TRY(stream.start_tls(url, timeout_s));
    if (connected) return stream;
    last = connected.error();
    if (last.code == ErrorCode::kCancelled) break;
  }
  return cannot_connect(url, last);
}

Result<void> TcpStream::start_tls(const Url& url, double timeout_s) {
  const auto context = TRY(trusted_by_this_machine());
  tls_.emplace(TlsSession::connect(*context, fd_, url.host));
  IoState state = tls_->handshake();
  while (state == IoState::kWantsRead || state == IoState::kWantsWrite) {
    TRY(wait_as(state, timeout_s));
    state = tls_->handshake();
  }
  if (state == IoState::kDone) return {};
  return cannot_trust(url, tls_->failure());
}

// As long as the other side lets us wait; its end and a failure are Errors.
Result<void> TcpStream::wait_as(IoState state, double timeout_s) {
  if (state == IoState::kWantsRead) return wait_for(fd_, POLLIN, timeout_s, *cancel_);
  if (state == IoState::kWantsWrite) return wait_for(fd_, POLLOUT, timeout_s, *cancel_);
  return network_error(cat("The connection broke: ", tls_->failure(), "."));
}

TcpStream::~TcpStream() {
  if (tls_) tls_->shut_sending();
  if (fd_ >= 0) close(fd_);
}

TcpStream::TcpStream(TcpStream&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      tls_(std::exchange(other.tls_, std::nullopt)),
      cancel_(other.cancel_) {}

TcpStream& TcpStream::operator=(TcpStream&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(tls_, other.tls_);
  std::swap(cancel_, other.cancel_);
  return *this;
}

Result<void> TcpStream::write(std::string_view bytes, double timeout_s) {
  while (tls_ && !bytes.empty()) {
    const auto [state, size] = tls_->write(bytes);
    bytes.remove_prefix(size);
    if (state != IoState::kDone) TRY(wait_as(state, timeout_s));
  }
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      TRY(wait_for(fd_, POLLOUT, timeout_s, *cancel_));
    } else if (errno != EINTR) {
      return network_error(cat("The connection broke: ", error_text(errno), "."));
    }
  }
  return {};
}

Result<size_t> TcpStream::read(std::span<char> buffer, double timeout_s) {
  while (tls_) {
    const auto [state, size] = tls_->read(buffer);
    if (state == IoState::kDone) return size;
    if (state == IoState::kEnd) return size_t{0};
    TRY(wait_as(state, timeout_s));
  }
  while (true) {
    TRY(wait_for(fd_, POLLIN, timeout_s, *cancel_));
    const ssize_t size = recv(fd_, buffer.data(), buffer.size(), 0);
    if (size >= 0) return static_cast<size_t>(size);
    if (errno != EAGAIN && errno != EINTR) {
      return network_error(cat("The connection broke: ", error_text(errno), "."));
    }
  }
}

}  // namespace glint
