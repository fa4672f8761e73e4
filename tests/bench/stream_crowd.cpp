#include "stream_crowd.h"

#include <sys/socket.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "client/response_parser.h"
#include "http/sse.h"

namespace glint {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

std::string request_text(const std::string& body) {
  return cat("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n",
             "Content-Type: application/json\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
}

std::string text_of(const SseEvent& event) {
  const auto chunk = nlohmann::json::parse(event.data);
  if (chunk["choices"].empty()) return "";
  const auto& delta = chunk["choices"][0]["delta"];
  return delta.contains("content") && delta["content"].is_string() ? delta["content"] : "";
}

}  // namespace

class StreamCrowd::Visitor : public std::enable_shared_from_this<Visitor> {
 public:
  Visitor(StreamCrowd& crowd, const std::string& body)
      : crowd_(crowd), socket_(crowd.io_), request_(request_text(body)) {}

  void start() {
    socket_.async_connect(crowd_.endpoint_, [self = shared_from_this()](error_code ec) {
      if (ec) return self->end(false);
      asio::async_write(self->socket_, asio::buffer(self->request_),
                        [self](error_code failed, size_t) {
                          if (failed) return self->end(false);
                          self->wait_readable();
                        });
    });
  }
  void close() {
    error_code ignored;
    socket_.close(ignored);
  }

  Visit visit;

 private:
  // Waits without a buffer: idle visitors have none.
  void wait_readable() {
    socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code ec) {
      ec ? self->end(false) : self->read();
    });
  }

  void read() {
    static std::array<char, 64 << 10> buffer;
    error_code ec;
    const size_t size = socket_.read_some(asio::buffer(buffer), ec);
    if (ec || visit.done) return end(false);
    now_ = std::chrono::steady_clock::now();
    unparsed_.append(buffer.data(), size);
    const auto used = parser_.put(unparsed_);
    if (!used) return end(false);
    unparsed_.erase(0, *used);
    if (parser_.done()) end(parser_.response().status == 200 && unparsed_.empty());
    if (!visit.failed) wait_readable();  // also when done: the server may close
  }

  void take(const SseEvent& event) {
    if (event.data == "[DONE]") return;
    const std::string text = text_of(event);
    if (text.empty()) return;
    visit.text += text;
    visit.arrivals.push_back({now_, visit.text.size() - 1});
  }

  void end(bool well) {
    if (!visit.done && !visit.failed) --crowd_.num_open_;
    (well ? visit.done : visit.failed) = true;
  }

  StreamCrowd& crowd_;
  tcp::socket socket_;
  const std::string request_;
  std::chrono::steady_clock::time_point now_;  // of what is being parsed
  SseParser events_{[this](const SseEvent& event) { take(event); }};
  ResponseParser parser_{[this](std::string_view body) {
    if (parser_.response().content_type.starts_with("text/event-stream")) events_.put(body);
  }};
  std::string unparsed_;
};

StreamCrowd::StreamCrowd(uint16_t port) : endpoint_(asio::ip::address_v4::loopback(), port) {}
StreamCrowd::~StreamCrowd() = default;

Visit& StreamCrowd::visit(const std::string& body) {
  visitors_.push_back(std::make_shared<Visitor>(*this, body));
  ++num_open_;
  visitors_.back()->start();
  return visitors_.back()->visit;
}

void StreamCrowd::visit_without_reading(const std::string& body, int receive_bytes) {
  unread_ = tcp::socket(io_);
  unread_.open(tcp::v4());
  unread_.set_option(tcp::socket::receive_buffer_size(receive_bytes));
  unread_.connect(endpoint_);
  asio::write(unread_, asio::buffer(request_text(body)));
}

// A reset shows at once; an end would stand behind all that the server's system holds for us, which
// so small a window takes in minutes.
bool StreamCrowd::unread_was_cut() {
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  setsockopt(unread_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  std::array<char, 64 << 10> buffer;
  ssize_t size = 0;
  do {
    size = recv(unread_.native_handle(), buffer.data(), buffer.size(), 0);
  } while (size > 0);
  return size < 0 && errno == ECONNRESET;
}

void StreamCrowd::run(double seconds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  io_.restart();
  while (num_open_ > 0 && std::chrono::steady_clock::now() < deadline)
    io_.run_one_for(std::chrono::milliseconds(100));
}

void StreamCrowd::run_for(double seconds) {
  io_.restart();
  io_.run_for(std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::duration<double>(seconds)));
}

void StreamCrowd::close_all() {
  for (const auto& visitor : visitors_) visitor->close();
  io_.restart();
  io_.poll();
  error_code ignored;
  unread_.close(ignored);
}

}  // namespace glint
