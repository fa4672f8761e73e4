#include "client/load_client.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <optional>

#include "client/refusal.h"
#include "client/response_parser.h"
#include "http/sse.h"
#include "http/tls_session.h"

namespace glint {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

Error network_error(std::string message) { return {ErrorCode::kInternal, std::move(message), {}}; }

}  // namespace

struct LoadClient::State {
  Url server;
  const Clock& clock;
  std::shared_ptr<const TlsContext> tls{};  // null: plain HTTP
  asio::io_context io{1};
  std::vector<tcp::endpoint> endpoints{};
  // Shared by all answers: a read is handled before the next begins.
  std::array<char, 256 << 10> buffer{};
};

// One request and its answer. It lives as long as its handlers do.
class LoadClient::Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(State& state, std::string head, std::string_view body, Answer answer)
      : state_(state),
        socket_(state.io),
        head_(std::move(head)),
        body_(body),
        answer_(std::move(answer)),
        events_([this](const SseEvent& event) { answer_.on_event(event.data, now_s_); }),
        parser_([this](std::string_view bytes) { take_body(bytes); }) {}

  void connect(size_t endpoint) {
    socket_.async_connect(
        state_.endpoints[endpoint], [self = shared_from_this(), endpoint](error_code ec) {
          if (!ec) return self->state_.tls ? self->start_tls() : self->send();
          self->socket_.close();
          if (endpoint + 1 < self->state_.endpoints.size()) return self->connect(endpoint + 1);
          self->end(network_error(
              cat("Cannot connect to ", self->state_.server.origin(), ": ", ec.message(), ".")));
        });
  }

 private:
  void send() {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    const std::array<asio::const_buffer, 2> request{asio::buffer(head_),
                                                    asio::buffer(body_.data(), body_.size())};
    // A server may refuse before it has read everything: its answer counts.
    asio::async_write(socket_, request, [self = shared_from_this()](error_code, size_t) {});
    wait();
  }

  void start_tls() {
    socket_.non_blocking(true);
    tls_.emplace(TlsSession::connect(*state_.tls, socket_.native_handle(), state_.server.host));
    unsent_ = head_ + std::string(body_);
    continue_tls();
  }

  // Shakes hands, then sends; again whenever the socket is ready for what was wanted.
  void continue_tls() {
    IoState state = shaken_ ? IoState::kDone : tls_->handshake();
    shaken_ |= state == IoState::kDone;
    while (state == IoState::kDone && num_sent_ < unsent_.size()) {
      const IoResult result = tls_->write(std::string_view(unsent_).substr(num_sent_));
      state = result.state;
      num_sent_ += result.size;
    }
    if (state == IoState::kDone) return wait();
    if (!when_ready(state, &Exchange::continue_tls))
      end(network_error(
          cat("No TLS connection to ", state_.server.origin(), ": ", tls_->failure(), ".")));
  }

  bool when_ready(IoState state, void (Exchange::*next)()) {
    if (state != IoState::kWantsRead && state != IoState::kWantsWrite) return false;
    const auto what =
        state == IoState::kWantsRead ? tcp::socket::wait_read : tcp::socket::wait_write;
    socket_.async_wait(what, [self = shared_from_this(), next](error_code ec) {
      ec ? self->end(network_error(ec.message())) : ((*self).*next)();
    });
    return true;
  }

  void read_tls() {
    const auto [state, size] = tls_->read(state_.buffer);
    now_s_ = state_.clock.now_s();
    if (when_ready(state, &Exchange::read_tls)) return;
    if (state == IoState::kEnd) return finish(parser_.end_of_stream());
    if (state == IoState::kFailed)
      return end(network_error(cat("The connection broke: ", tls_->failure(), ".")));
    take(size);
  }

  // Waits without a buffer, so that a thousand open answers need only one.
  void wait() {
    socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code ec) {
      ec ? self->end(network_error(ec.message())) : self->read();
    });
  }

  void read() {
    if (tls_) return read_tls();
    error_code ec;
    const size_t size = socket_.read_some(asio::buffer(state_.buffer), ec);
    now_s_ = state_.clock.now_s();
    if (ec == asio::error::eof) return finish(parser_.end_of_stream());
    if (ec) return end(network_error(cat("The connection broke: ", ec.message(), ".")));
    take(size);
  }

  void take(size_t size) {
    const Result<void> taken = put({state_.buffer.data(), size});
    if (!taken) return end(taken.error());
    parser_.done() ? finish({}) : wait();
  }

  Result<void> put(std::string_view bytes) {
    if (unparsed_.empty()) {
      const size_t used = TRY(parser_.put(bytes));
      unparsed_ = bytes.substr(used);
    } else {
      unparsed_ += bytes;
      unparsed_.erase(0, TRY(parser_.put(unparsed_)));
    }
    return {};
  }

  void take_body(std::string_view bytes) {
    const HttpResponse& response = parser_.response();
    const bool is_stream =
        response.status < 400 && response.content_type.starts_with("text/event-stream");
    is_stream ? events_.put(bytes) : void(whole_body_ += bytes);
  }

  void finish(Result<void> received) {
    if (!received) return end(std::move(received));
    const int status = parser_.response().status;
    if (status >= 400)
      return end(network_error(cat("status ", status, ": ", server_message(whole_body_))));
    if (!whole_body_.empty()) answer_.on_event(whole_body_, now_s_);
    end({});
  }

  void end(Result<void> result) {
    error_code ignored;
    socket_.close(ignored);
    answer_.on_end(std::move(result), state_.clock.now_s());
  }

  State& state_;
  tcp::socket socket_;
  std::optional<TlsSession> tls_;
  bool shaken_ = false;  // TLS's handshake is done
  std::string unsent_;   // with TLS: the request
  size_t num_sent_ = 0;  // of it
  const std::string head_;
  const std::string_view body_;
  Answer answer_;
  double now_s_ = 0;  // of the last read
  SseParser events_;
  ResponseParser parser_;
  std::string unparsed_, whole_body_;
};

LoadClient::LoadClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
LoadClient::~LoadClient() = default;

Result<std::unique_ptr<LoadClient>> LoadClient::create(const Url& server, const Clock& clock) {
  auto state = std::make_unique<State>(server, clock);
  if (server.tls) state->tls = TRY(TlsContext::for_client(""));
  error_code ec;
  for (const auto& found : tcp::resolver(state->io).resolve(server.host, server.port, ec))
    state->endpoints.push_back(found.endpoint());
  if (ec) return network_error(cat("The host ", server.host, " is not known: ", ec.message(), "."));
  return std::unique_ptr<LoadClient>(new LoadClient(std::move(state)));
}

void LoadClient::post(const std::string& target, const Headers& headers, std::string_view body,
                      Answer answer) {
  std::string head = cat("POST ", target, " HTTP/1.1\r\nHost: ", state_->server.authority,
                         "\r\nContent-Type: application/json\r\nContent-Length: ", body.size(),
                         "\r\nConnection: close\r\n");
  for (const auto& [name, value] : headers) head += cat(name, ": ", value, "\r\n");
  head += "\r\n";
  std::make_shared<Exchange>(*state_, std::move(head), body, std::move(answer))->connect(0);
}

void LoadClient::after(double seconds, std::function<void()> work) {
  const auto timer = std::make_shared<asio::steady_timer>(
      state_->io, std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                      std::chrono::duration<double>(seconds)));
  timer->async_wait([timer, work = std::move(work)](error_code) { work(); });
}

void LoadClient::run() {
  state_->io.restart();
  state_->io.run();
}

void LoadClient::stop() { state_->io.stop(); }

}  // namespace glint
