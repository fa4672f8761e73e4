#include "tests/fuzz/connection_client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/strand.hpp>

#include "base/check.h"

namespace glint {

ConnectionClient::ConnectionClient(std::shared_ptr<ServerCore> core, Engine& engine)
    : core_(std::move(core)), engine_(engine) {
  std::array<int, 2> ends{};
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0, "no pair of sockets");
  socket_ = ends[0];
  Socket socket(boost::asio::make_strand(core_->io), boost::asio::ip::tcp::v4(), ends[1]);
  const auto connection = std::make_shared<Connection>(core_, std::move(socket), /*tls=*/nullptr,
                                                       /*overloaded=*/false);
  connection_ = connection;
  connection->start();
  settle();
}

ConnectionClient::~ConnectionClient() { close(); }

// The server may have closed its end: what it has not read then is lost, as on a network.
void ConnectionClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::send(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size > 0) bytes.remove_prefix(static_cast<size_t>(size));
    settle();
    if (size < 0 && errno != EAGAIN) return;
  }
}

void ConnectionClient::close() {
  if (socket_ < 0) return;
  shutdown(socket_, SHUT_WR);
  settle();
  ::close(socket_);
  socket_ = -1;
  settle();
}

// Until neither side has anything left to do.
void ConnectionClient::settle() {
  bool busy = true;
  while (busy) {
    core_->io.restart();
    busy = core_->io.poll() > 0;
    busy |= engine_.step();
    busy |= receive();
  }
}

bool ConnectionClient::receive() {
  if (socket_ < 0) return false;
  std::array<char, 64 << 10> buffer;
  const ssize_t size = recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size <= 0) return false;
  received_.append(buffer.data(), static_cast<size_t>(size));
  return true;
}

}  // namespace glint
