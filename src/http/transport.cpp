#include "http/transport.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

namespace glint {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

bool would_block(error_code ec) {
  return ec == asio::error::would_block || ec == asio::error::try_again;
}

}  // namespace

Transport::Transport(Socket socket, const TlsContext* tls) : socket_(std::move(socket)) {
  error_code ignored;  // a socket that is broken already shows it at the first read
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  if (tls != nullptr) tls_ = TlsSession::accept(*tls, socket_.native_handle());
}

IoResult Transport::read(std::span<char> buffer) {
  if (tls_) return tls_->read(buffer);
  error_code ec;
  const size_t size = socket_.read_some(asio::buffer(buffer.data(), buffer.size()), ec);
  if (!ec) return {IoState::kDone, size};
  if (would_block(ec)) return {IoState::kWantsRead};
  return {ec == asio::error::eof ? IoState::kEnd : IoState::kFailed};
}

IoResult Transport::write(std::string_view bytes) {
  if (tls_) return tls_->write(bytes);
  error_code ec;
  const size_t size = socket_.write_some(asio::buffer(bytes.data(), bytes.size()), ec);
  if (!ec) return {IoState::kDone, size};
  return {would_block(ec) ? IoState::kWantsWrite : IoState::kFailed};
}

void Transport::shut_sending() {
  if (tls_) tls_->shut_sending();
  error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
}

void Transport::close() {
  error_code ignored;
  socket_.close(ignored);
}

void Transport::reset() {
  error_code ignored;
  socket_.set_option(Socket::linger(true, 0), ignored);
  socket_.close(ignored);
}

bool Transport::fall_back_to_plain() {
  if (!tls_ || !tls_->met_plain_http()) return false;
  tls_.reset();
  return true;
}

}  // namespace glint
