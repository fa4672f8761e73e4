#include "load_generator.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "client/response_parser.h"
#include "http/sse.h"

namespace glint {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

// One connection. It lives as long as its handlers do: until `deadline` has passed.
class Visitor : public std::enable_shared_from_this<Visitor> {
 public:
  Visitor(asio::io_context& io, const std::string& request, Clock::time_point deadline,
          LoadResult& result)
      : socket_(io), request_(request), deadline_(deadline), result_(result) {}

  void start(const tcp::endpoint& endpoint) {
    socket_.async_connect(endpoint, [self = shared_from_this()](error_code ec) {
      if (ec) return self->fail();
      self->socket_.set_option(tcp::no_delay(true));
      self->ask();
    });
  }

 private:
  void ask() {
    if (Clock::now() >= deadline_) return;
    events_.emplace([this](const SseEvent& event) { num_events_ += event.data != "[DONE]"; });
    parser_.emplace([this](std::string_view bytes) { events_->put(bytes); });
    num_events_ = 0;
    asio::async_write(
        socket_, asio::buffer(request_),
        [self = shared_from_this()](error_code ec, size_t) { ec ? self->fail() : self->read(); });
  }

  void read() {
    socket_.async_read_some(asio::buffer(buffer_),
                            [self = shared_from_this()](error_code ec, size_t size) {
                              ec ? self->fail() : self->take(size);
                            });
  }

  void take(size_t size) {
    unparsed_.append(buffer_.data(), size);
    const auto used = parser_->put(unparsed_);
    if (!used) return fail();
    unparsed_.erase(0, *used);
    if (!parser_->done()) return read();
    if (parser_->response().status != 200 || !parser_->keep_alive()) return fail();
    if (Clock::now() < deadline_) {
      ++result_.num_requests;
      result_.num_events += num_events_;
    }
    ask();
  }

  void fail() { ++result_.num_failed; }

  tcp::socket socket_;
  const std::string& request_;
  const Clock::time_point deadline_;
  LoadResult& result_;
  std::optional<SseParser> events_;
  std::optional<ResponseParser> parser_;
  int64_t num_events_ = 0;  // of the answer being read
  std::string unparsed_;
  std::array<char, 16 << 10> buffer_{};
};

std::string request_text(const Load& load) {
  return cat("POST ", load.url.target, " HTTP/1.1\r\nHost: ", load.url.authority,
             "\r\nContent-Type: application/json\r\nContent-Length: ", load.body.size(), "\r\n\r\n",
             load.body);
}

Result<tcp::endpoint> resolve(const Url& url) {
  asio::io_context io;
  error_code ec;
  const auto found = tcp::resolver(io).resolve(url.host, url.port, ec);
  if (ec) return Error{ErrorCode::kStartup, cat(url.host, ": ", ec.message()), {}};
  return found.begin()->endpoint();
}

}  // namespace

Result<LoadResult> run_load(const Load& load) {
  const tcp::endpoint endpoint = TRY(resolve(load.url));
  const std::string request = request_text(load);
  const auto deadline =
      Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(load.seconds * 1000));
  std::vector<LoadResult> results(static_cast<size_t>(load.num_threads));
  std::vector<std::thread> threads;
  for (int t = 0; t < load.num_threads; ++t) {
    threads.emplace_back([&, t] {
      asio::io_context io(1);
      for (int i = t; i < load.num_connections; i += load.num_threads) {
        std::make_shared<Visitor>(io, request, deadline, results[static_cast<size_t>(t)])
            ->start(endpoint);
      }
      io.run();
    });
  }
  for (std::thread& thread : threads) thread.join();
  LoadResult sum{.seconds = load.seconds};
  for (const LoadResult& result : results) {
    sum.num_requests += result.num_requests;
    sum.num_events += result.num_events;
    sum.num_failed += result.num_failed;
  }
  return sum;
}

}  // namespace glint
