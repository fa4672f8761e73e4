#include "baseline_server.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <optional>
#include <thread>
#include <vector>

#include "http/sse.h"

namespace glint {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using beast::error_code;

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, const BaselineAnswer& answer)
      : stream_(std::move(socket)), answer_(answer), event_(sse_event(answer.body)) {
    stream_.socket().set_option(tcp::no_delay(true));
  }

  void read() {
    request_ = {};
    http::async_read(stream_, buffer_, request_,
                     beast::bind_front_handler(&Session::has_read, shared_from_this()));
  }

 private:
  void has_read(error_code ec, size_t) {
    if (ec) return;  // the client has left
    answer_.num_events > 0 ? begin_events() : respond();
  }

  void respond() {
    response_ = {http::status::ok, request_.version()};
    response_.set(http::field::content_type, "application/json");
    response_.keep_alive(request_.keep_alive());
    response_.body() = answer_.body;
    response_.prepare_payload();
    http::async_write(stream_, response_,
                      beast::bind_front_handler(&Session::has_responded, shared_from_this()));
  }

  void has_responded(error_code ec, size_t) {
    if (!ec) read();
  }

  void begin_events() {
    events_left_ = answer_.num_events;
    head_ = {http::status::ok, request_.version()};
    head_.set(http::field::content_type, "text/event-stream");
    head_.chunked(true);
    serializer_.emplace(head_);
    http::async_write_header(stream_, *serializer_,
                             beast::bind_front_handler(&Session::write_event, shared_from_this()));
  }

  void write_event(error_code ec, size_t) {
    if (ec) return;
    if (events_left_-- == 0) {
      return asio::async_write(
          stream_, http::make_chunk_last(),
          beast::bind_front_handler(&Session::has_responded, shared_from_this()));
    }
    asio::async_write(stream_, http::make_chunk(asio::buffer(event_)),
                      beast::bind_front_handler(&Session::write_event, shared_from_this()));
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  const BaselineAnswer& answer_;
  const std::string event_;
  int events_left_ = 0;
  http::request<http::string_body> request_;
  http::response<http::string_body> response_;
  http::response<http::empty_body> head_;
  std::optional<http::response_serializer<http::empty_body>> serializer_;
};

}  // namespace

struct BaselineServer::State {
  State(BaselineAnswer fixed_answer, int num_threads)
      : answer(std::move(fixed_answer)),
        io(num_threads),
        acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {}

  void accept_next() {
    acceptor.async_accept(asio::make_strand(io), [this](error_code ec, tcp::socket socket) {
      if (!ec) std::make_shared<Session>(std::move(socket), answer)->read();
      accept_next();
    });
  }

  const BaselineAnswer answer;
  asio::io_context io;
  tcp::acceptor acceptor;
  std::vector<std::thread> threads;
};

BaselineServer::BaselineServer(BaselineAnswer answer, int num_threads)
    : state_(std::make_unique<State>(std::move(answer), num_threads)) {
  state_->accept_next();
  for (int i = 0; i < num_threads; ++i) {
    state_->threads.emplace_back([this] { state_->io.run(); });
  }
}

BaselineServer::~BaselineServer() {
  state_->io.stop();
  for (std::thread& thread : state_->threads) thread.join();
}

uint16_t BaselineServer::port() const { return state_->acceptor.local_endpoint().port(); }

}  // namespace glint
