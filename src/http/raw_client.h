#pragma once

// A socket for tests that need to send what no proper client would. Its reads give up after 20 s:
// a test that would hang fails.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

namespace glint {

// What comes from a server, piece by piece.
class TextReader {
 public:
  virtual ~TextReader() = default;

  // Everything up to and with `end`; what there was, if the stream ends before.
  std::string read_until(std::string_view end) {
    size_t at = received_.find(end);
    while (at == std::string::npos && receive()) at = received_.find(end);
    return take(at == std::string::npos ? received_.size() : at + end.size());
  }
  std::string read_size(size_t size) {
    while (received_.size() < size && receive()) continue;
    return take(std::min(size, received_.size()));
  }
  std::string read_to_end() {
    while (receive()) continue;
    return take(received_.size());
  }
  // One response with Content-Length or without a body: its head and body.
  std::string read_response() {
    std::string head = read_until("\r\n\r\n");
    const size_t length = head.find("Content-Length: ");
    if (length == std::string::npos) return head;
    return head + read_size(std::strtoull(head.c_str() + length + 16, nullptr, 10));
  }

 protected:
  TextReader() = default;
  TextReader(TextReader&&) = default;

  // Appends what comes next to received_. False if nothing more does.
  virtual bool receive() = 0;

  std::string received_;

 private:
  std::string take(size_t size) {
    std::string taken = received_.substr(0, size);
    received_.erase(0, size);
    return taken;
  }
};

class RawClient final : public TextReader {
 public:
  RawClient() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  explicit RawClient(uint16_t port) : RawClient() { connect(port); }
  ~RawClient() override { close(); }
  RawClient(RawClient&& other) noexcept
      : TextReader(std::move(other)), fd_(std::exchange(other.fd_, -1)) {}
  RawClient& operator=(RawClient&&) = delete;

  void connect(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }

  // A small window, so that a server soon has bytes it cannot send. Before connect().
  void take_little() {
    const int size = 4096;
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
  }

  // False when the server has closed the connection.
  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent < 0) return false;
      text.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  void shut_sending() { shutdown(fd_, SHUT_WR); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  // Reads to the end, which is true if the server cut the connection off, not merely closed it.
  bool was_reset() {
    while (receive()) {
    }
    return errno == ECONNRESET;
  }
  void reset() {  // RST instead of FIN
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close();
  }

 private:
  bool receive() override {
    std::array<char, 64 << 10> buffer;
    errno = 0;
    const ssize_t size = recv(fd_, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EAGAIN) ADD_FAILURE() << "nothing came for 20 s after: " << received_;
    if (size > 0) received_.append(buffer.data(), static_cast<size_t>(size));
    return size > 0;
  }

  int fd_;
};

}  // namespace glint
