#include "http/connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/planted_bug.h"
#include "http/exchange.h"

namespace glint {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// Requests that a client sends ahead, behind the one being answered. While this is full we do not
// read, and notice a vanished client only when a write fails.
constexpr size_t kMaxReadAheadBytes = 64 << 10;
// After the last answer: so long may the client take to read it and close. Closing at once, with
// its bytes unread, would make TCP reset the connection, and the answer with it.
constexpr double kLingerSeconds = 2;

TimePoint later(TimePoint start, double seconds) {
  const std::chrono::duration<double> length(std::clamp(seconds, 0.0, 1e9));
  return start + std::chrono::duration_cast<TimePoint::duration>(length);
}

std::string address_of(const Socket& socket) {
  error_code ec;
  const auto endpoint = socket.remote_endpoint(ec);
  if (ec) return "unknown";
  const std::string address = endpoint.address().to_string();
  return endpoint.address().is_v6() ? cat("[", address, "]:", endpoint.port())
                                    : cat(address, ":", endpoint.port());
}

}  // namespace

void ServerCore::set_router(Router router) {
  routers.push_back(std::make_unique<const Router>(std::move(router)));
  router_in_force = routers.back().get();
}

Connection::Connection(std::shared_ptr<ServerCore> core, Socket socket, const TlsContext* tls,
                       bool overloaded)
    : core_(std::move(core)),
      transport_(std::move(socket), tls),
      timer_(transport_.socket().get_executor()),
      work_timer_(transport_.socket().get_executor()),
      peer_(address_of(transport_.socket())),
      overloaded_(overloaded),
      phase_since_(std::chrono::steady_clock::now()),
      parser_(core_->limits),
      output_(core_->limits.max_unsent_bytes) {}

void Connection::start() {
  asio::post(transport_.socket().get_executor(),
             [self = shared_from_this()] { self->on_event([] {}); });
}

void Connection::post(std::function<void()> work) {
  std::shared_lock lock(core_->ending);
  if (core_->ended) return;
  asio::post(transport_.socket().get_executor(),
             [self = shared_from_this(), work = std::move(work)] {
               self->on_event([&] { self->run(work); });
             });
}

void Connection::drain() {
  asio::post(transport_.socket().get_executor(), [self = shared_from_this()] {
    self->on_event([&] {
      if (self->phase_ >= Phase::kAnswering) return;
      if (self->output_.unsent() > 0) return self->set_phase(Phase::kClosing);
      if (self->phase_ == Phase::kIdle && self->exchange_id_ > 0) return self->cut();
      self->end_wait();
    });
  });
}

void Connection::stop() {
  asio::post(transport_.socket().get_executor(), [self = shared_from_this()] { self->cut(); });
}

template <typename Event>
void Connection::on_event(Event event) {
  try {
    event();
    settle();
  } catch (const std::exception& e) {  // out of memory, most likely: this client's loss alone
    log_error("connection failed", {{"peer", peer_}, {"error", e.what()}});
    cut();
  }
}

// Code of a handler: what it throws is answered.
template <typename Work>
void Connection::run(Work work) {
  try {
    work();
  } catch (const std::exception& e) {
    handler_failed(e.what());
  } catch (...) {
    handler_failed("unknown exception");
  }
}

void Connection::settle() {
  if (!closed_ && phase_ == Phase::kHandshake) shake_hands();
  while (!closed_) {
    const bool held = advance();
    if (!closed_) flush();
    if (!held || !writable()) break;
  }
  if (!closed_) finish_if_done();
  if (closed_) return;
  tell_writable();
  watch_slow_reader();
  if (wants_input()) wait_readable();
  arm_timer();
}

void Connection::set_phase(Phase phase) {
  if (phase == phase_) return;
  phase_ = phase;
  phase_since_ = std::chrono::steady_clock::now();
}

void Connection::finish_if_done() {
  if (output_.unsent() > 0) return;
  if (peer_closed_ && phase_ != Phase::kAnswering) return cut();
  if (phase_ != Phase::kClosing) return;
  transport_.shut_sending();
  set_phase(Phase::kLingering);
}

void Connection::cut() {
  if (closed_) return;
  closed_ = true;
  transport_.close();
  timer_.cancel();
  work_timer_.cancel();
  leave_core();
  const auto exchange = exchange_.lock();
  exchange_.reset();
  if (exchange) run([&] { exchange->client_gone(); });
}

// Of the server, for this connection's answer.
void Connection::end_wait() {
  std::lock_guard lock(core_->mutex);
  if (core_->awaited.erase(this) > 0 && core_->awaited.empty()) core_->none_awaited.notify_all();
}

void Connection::leave_core() {
  end_wait();
  std::lock_guard lock(core_->mutex);
  core_->connections.erase(this);
  if (overloaded_) --core_->num_overloaded;
}

void Connection::shake_hands() {
  switch (transport_.handshake()) {
    case IoState::kDone:
      return set_phase(Phase::kIdle);
    case IoState::kWantsRead:
      return;  // settle() waits for it
    case IoState::kWantsWrite:
      if (!waits_write_) wait_writable();
      return;
    case IoState::kEnd:
    case IoState::kFailed:
      return handshake_failed();
  }
}

void Connection::handshake_failed() {
  log_debug("TLS handshake failed", {{"peer", peer_}, {"reason", transport_.failure()}});
  if (!transport_.fall_back_to_plain()) return cut();
  refuse(400, "This port speaks HTTPS: begin the URL with https://.");
}

// ---- input

bool Connection::wants_input() const {
  if (waits_read_ || peer_closed_ || read_waits_for_write_) return false;
  if (phase_ == Phase::kAnswering) return in_.size() < kMaxReadAheadBytes;
  return writable();
}

void Connection::wait_readable() {
  waits_read_ = true;
  transport_.socket().async_wait(Socket::wait_read, [self = shared_from_this()](error_code ec) {
    self->waits_read_ = false;
    self->on_event([&] {
      if (!ec && !self->closed_ && self->phase_ != Phase::kHandshake) self->read();
    });
  });
}

void Connection::read() {
  thread_local std::array<char, 64 << 10> buffer;  // idle connections hold none
  const IoResult result = transport_.read(buffer);
  switch (result.state) {
    case IoState::kDone:
      if (reads_requests() || phase_ == Phase::kAnswering) in_.append(buffer.data(), result.size);
      return;
    case IoState::kWantsRead:
      return;
    case IoState::kWantsWrite:
      read_waits_for_write_ = true;
      if (!waits_write_) wait_writable();
      return;
    case IoState::kEnd:
      if (phase_ == Phase::kAnswering) return cut();
      peer_closed_ = true;
      return;
    case IoState::kFailed:
      return cut();
  }
}

// Parses what was read and starts handlers, one request after the other. True if requests were left
// because the client does not take the answers to earlier ones.
bool Connection::advance() {
  size_t taken = 0;
  while (!closed_ && reads_requests() && writable() && taken < in_.size()) {
    if (phase_ == Phase::kIdle) set_phase(Phase::kHeader);
    taken += parser_.put(std::string_view(in_).substr(taken));
    if (const auto& failure = parser_.failure()) {
      refuse(failure->status, failure->message);
    } else if (parser_.header_done() && !header_seen_) {
      header_complete();
    }
    if (!reads_requests() || !parser_.done()) break;
    start_exchange();
  }
  if (planted(PlantedBug::kSentAheadDropped)) taken = in_.size();
  taken == in_.size() ? clear(in_) : void(in_.erase(0, taken));
  return reads_requests() && !in_.empty() && !writable();
}

void Connection::header_complete() {
  header_seen_ = true;
  set_phase(Phase::kBody);
  http_1_0_ = parser_.is_http_1_0();
  keep_alive_ = parser_.keep_alive();
  if (overloaded_) {
    refuse(503, "The server has as many connections as it takes; try again later.");
  } else if (!refused_before_body() && parser_.expects_continue() && !parser_.done()) {
    output_.bytes() += "HTTP/1.1 100 Continue\r\n\r\n";
  }
}

// A body that is for nothing is not waited for: who may not ask cannot fill our memory.
bool Connection::refused_before_body() {
  if (parser_.done()) return false;
  auto refusal = core_->router().refusal(parser_.request());
  if (refusal) refuse(*std::move(refusal));
  return refusal.has_value();
}

void Connection::start_exchange() {
  HttpRequest request = parser_.take();
  request.peer = peer_;
  request.received_s = SteadyClock().now_s();
  parser_ = RequestParser(core_->limits);
  header_seen_ = false;
  set_phase(Phase::kAnswering);
  const auto exchange = std::make_shared<ConnectionExchange>(shared_from_this(), std::move(request),
                                                             ++exchange_id_, http_1_0_);
  exchange_ = exchange;
  run([&] { core_->router().route(exchange); });
}

void Connection::answered() {
  work_timer_.cancel();
  exchange_.reset();
  set_phase(may_keep_alive() ? Phase::kIdle : Phase::kClosing);
}

// A timer that has already fired cannot be cancelled: by the ids its work is known to be neither
// replaced nor left over from an earlier exchange.
void Connection::after(double seconds, std::function<void()> work) {
  work_timer_.expires_at(later(std::chrono::steady_clock::now(), seconds));
  work_timer_.async_wait([self = shared_from_this(), id = ++work_id_, exchange = exchange_id_,
                          work = std::move(work)](error_code ec) {
    if (ec || self->closed_ || self->work_id_ != id) return;
    if (self->exchange_id_ != exchange || self->exchange_.expired()) return;
    self->on_event([&] { self->run(work); });
  });
}

// Answers what is no request that a handler could see, and ends the connection.
void Connection::refuse(int status, const std::string& message) {
  refuse(core_->router().error(parser_.request(), status, message));
}

void Connection::refuse(HttpResponse response) {
  const HttpRequest& read = parser_.request();
  const HttpRequest request{.method = read.method,
                            .path = read.path,
                            .query = {},
                            .headers = read.headers,
                            .body = {},
                            .peer = peer_};
  for (auto& field : core_->router().answer_fields(request)) response.headers.push_back(field);
  append_response(output_.bytes(), response, {.keep_alive = false}, true);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - phase_since_;
  core_->router().ended(request, {.status = response.status,
                                  .body_bytes = response.body.size(),
                                  .seconds = taken.count(),
                                  .complete = true});
  set_phase(Phase::kClosing);
}

void Connection::handler_failed(std::string_view what) {
  const auto exchange = exchange_.lock();
  log_error("handler failed",
            {{"path", exchange ? exchange->request().path : ""}, {"peer", peer_}, {"error", what}});
  if (exchange) exchange->handler_failed();
}

void Connection::abandoned(uint64_t exchange_id, bool begun) {
  if (closed_ || phase_ != Phase::kAnswering || exchange_id != exchange_id_) return;
  log_error("request dropped unanswered", {{"peer", peer_}});
  if (begun) return cut();
  refuse(500, "The server dropped this request; see its log.");
}

// ---- output

// Sends what the socket takes. Bytes that handlers write while it takes no more gather in output_.
void Connection::flush() {
  output_.pause_if_full();
  while (output_.unsent() > 0 && !waits_write_) {
    const auto [state, size] = transport_.write(output_.next());
    if (state == IoState::kWantsWrite) return wait_writable();
    if (state != IoState::kDone) return cut();
    output_.sent(size);
  }
}

void Connection::wait_writable() {
  waits_write_ = true;
  transport_.socket().async_wait(Socket::wait_write, [self = shared_from_this()](error_code) {
    self->waits_write_ = false;
    const bool read = std::exchange(self->read_waits_for_write_, false);
    self->on_event([&] {
      if (read && !self->closed_) self->read();
    });  // which flushes
  });
}

void Connection::tell_writable() {
  if (!output_.resumes() || phase_ != Phase::kAnswering) return;
  post([weak = exchange_] {
    if (const auto exchange = weak.lock()) exchange->became_writable();
  });
}

// A reader is slow while it holds the handler up, or holds only the connection, its answer being
// complete. It has to take max_unsent_bytes in each slow_reader_timeout_s.
void Connection::watch_slow_reader() {
  output_.watch(!writable() || (output_.unsent() > 0 && phase_ != Phase::kAnswering));
}

// ---- deadlines

TimePoint Connection::deadline() const {
  const HttpLimits& limits = core_->limits;
  TimePoint at = TimePoint::max();
  switch (phase_) {
    case Phase::kHandshake:
      at = later(phase_since_, limits.handshake_timeout_s);
      break;
    case Phase::kIdle:
      at = later(phase_since_, limits.idle_timeout_s);
      break;
    case Phase::kHeader:
      at = later(phase_since_, limits.header_timeout_s);
      break;
    case Phase::kBody:
      at = later(phase_since_, limits.body_timeout_s);
      break;
    case Phase::kLingering:
      at = later(phase_since_, kLingerSeconds);
      break;
    case Phase::kAnswering:
    case Phase::kClosing:
      break;
  }
  const auto slow_since = output_.slow_since();
  return slow_since ? std::min(at, later(*slow_since, limits.slow_reader_timeout_s)) : at;
}

// A deadline that moves away leaves the timer as it is: it looks again when it fires. So a busy
// connection arms it once in many requests.
void Connection::arm_timer() {
  const TimePoint at = deadline();
  if (at >= armed_until_) return;
  armed_until_ = at;
  timer_.expires_at(at);
  timer_.async_wait([self = shared_from_this()](error_code ec) {
    if (!ec) self->on_event([&] { self->timer_fired(); });
  });
}

void Connection::timer_fired() {
  armed_until_ = TimePoint::max();
  if (!closed_ && std::chrono::steady_clock::now() >= deadline()) expire();
}

void Connection::expire() {
  if (phase_ == Phase::kHeader || phase_ == Phase::kBody) {
    if (!output_.slow_since()) return refuse(408, "The request did not arrive in time.");
  }
  if (output_.slow_since()) {
    log_info("slow reader cut", {{"peer", peer_}, {"unsent_bytes", output_.unsent()}});
    transport_.reset();  // megabytes may wait in the system, and it reads them slowly
  }
  cut();
}

}  // namespace glint
