#pragma once

// The bytes of one connection: as they are, or through TLS. Internal to http/.

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/tls_session.h"

namespace glint {

using Strand = boost::asio::strand<boost::asio::io_context::executor_type>;
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Strand>;

class Transport {
 public:
  // Without `tls` there is no handshake: it is done at once.
  Transport(Socket socket, const TlsContext* tls);

  // To wait with. Reads and writes go through the functions below; none blocks.
  Socket& socket() { return socket_; }

  IoState handshake() { return tls_ ? tls_->handshake() : IoState::kDone; }
  IoResult read(std::span<char> buffer);
  IoResult write(std::string_view bytes);
  void shut_sending();
  void close();
  // Drops what the system still holds for the client, which sees a reset.
  void reset();

  // Of a failed handshake.
  std::string failure() const { return tls_ ? tls_->failure() : ""; }
  // The client spoke HTTP without TLS: from now on so do we, to tell it. False if it did not.
  bool fall_back_to_plain();

 private:
  Socket socket_;
  std::optional<TlsSession> tls_;
};

}  // namespace glint
