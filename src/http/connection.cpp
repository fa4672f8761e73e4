#include "http/connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <exception>

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
// Buffers larger than this are given back when they are empty: most connections of a server are
// idle, and what they keep is its memory.
constexpr size_t kMaxKeptBytes = 2 << 10;

bool would_block(error_code ec) {
  return ec == asio::error::would_block || ec == asio::error::try_again;
}

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

void clear(std::string& buffer) {
  buffer.clear();
  if (buffer.capacity() > kMaxKeptBytes) buffer.shrink_to_fit();
}

}  // namespace

Connection::Connection(std::shared_ptr<ServerCore> core, Socket socket, bool overloaded)
    : core_(std::move(core)),
      socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      work_timer_(socket_.get_executor()),
      overloaded_(overloaded),
      phase_since_(std::chrono::steady_clock::now()),
      parser_(core_->limits) {}

void Connection::start() {
  error_code ignored;  // a socket that is broken already shows it at the first read
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  peer_ = address_of(socket_);
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->on_event([] {}); });
}

void Connection::post(std::function<void()> work) {
  std::shared_lock lock(core_->ending);
  if (core_->ended) return;
  asio::post(socket_.get_executor(), [self = shared_from_this(), work = std::move(work)] {
    self->on_event([&] { self->run(work); });
  });
}

void Connection::drain() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->on_event([&] {
      self->draining_ = true;
      if (!self->reads_requests()) return;
      if (self->unsent() == 0) return self->cut();
      self->set_phase(Phase::kClosing);
    });
  });
}

void Connection::stop() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->cut(); });
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
  if (unsent() > 0) return;
  if (peer_closed_ && phase_ != Phase::kAnswering) return cut();
  if (phase_ != Phase::kClosing) return;
  error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  set_phase(Phase::kLingering);
}

void Connection::cut() {
  if (closed_) return;
  closed_ = true;
  error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
  work_timer_.cancel();
  leave_core();
  const auto exchange = exchange_.lock();
  exchange_.reset();
  if (exchange) run([&] { exchange->client_gone(); });
}

void Connection::leave_core() {
  std::lock_guard lock(core_->mutex);
  core_->connections.erase(this);
  if (overloaded_) --core_->num_overloaded;
  if (core_->connections.empty()) core_->all_gone.notify_all();
}

// ---- input

bool Connection::wants_input() const {
  if (waits_read_ || peer_closed_) return false;
  if (phase_ == Phase::kAnswering) return in_.size() < kMaxReadAheadBytes;
  return writable();
}

void Connection::wait_readable() {
  waits_read_ = true;
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](error_code ec) {
    self->waits_read_ = false;
    self->on_event([&] {
      if (!ec && !self->closed_) self->read();
    });
  });
}

void Connection::read() {
  thread_local std::array<char, 64 << 10> buffer;  // idle connections hold none
  error_code ec;
  const size_t size = socket_.read_some(asio::buffer(buffer), ec);
  if (would_block(ec)) return;
  if (ec == asio::error::eof && phase_ != Phase::kAnswering) {
    peer_closed_ = true;
  } else if (ec) {
    cut();
  } else if (reads_requests() || phase_ == Phase::kAnswering) {
    in_.append(buffer.data(), size);
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
  } else if (parser_.expects_continue() && !parser_.done()) {
    out_ += "HTTP/1.1 100 Continue\r\n\r\n";
  }
}

void Connection::start_exchange() {
  HttpRequest request = parser_.take();
  request.peer = peer_;
  parser_ = RequestParser(core_->limits);
  header_seen_ = false;
  set_phase(Phase::kAnswering);
  const auto exchange = std::make_shared<ConnectionExchange>(shared_from_this(), std::move(request),
                                                             ++exchange_id_, http_1_0_);
  exchange_ = exchange;
  run([&] { core_->router.route(exchange); });
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
  append_response(out_, core_->router.error(status, message), {.keep_alive = false}, true);
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

// Sends what the socket takes. Bytes that handlers write while it takes no more gather in out_.
void Connection::flush() {
  paused_ |= !writable();
  while (unsent() > 0 && !waits_write_) {
    error_code ec;
    const size_t size = socket_.write_some(asio::buffer(out_.data() + num_sent_, unsent()), ec);
    if (would_block(ec)) return wait_writable();
    if (ec) return cut();
    num_sent_ += size;
    total_sent_ += size;
    forget_sent();
  }
}

void Connection::forget_sent() {
  if (unsent() == 0) {
    clear(out_);
    num_sent_ = 0;
  } else if (num_sent_ >= out_.size() / 2) {  // each byte is moved once, on average
    out_.erase(0, num_sent_);
    num_sent_ = 0;
  }
}

void Connection::wait_writable() {
  waits_write_ = true;
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](error_code) {
    self->waits_write_ = false;
    self->on_event([] {});  // which flushes
  });
}

void Connection::tell_writable() {
  if (!paused_ || !writable()) return;
  paused_ = false;
  if (phase_ != Phase::kAnswering) return;
  post([weak = exchange_] {
    if (const auto exchange = weak.lock()) exchange->became_writable();
  });
}

// A reader is slow while it holds the handler up, or holds only the connection, its answer being
// complete. It has to take max_unsent_bytes in each slow_reader_timeout_s.
void Connection::watch_slow_reader() {
  const bool waited_for = !writable() || (unsent() > 0 && phase_ != Phase::kAnswering);
  if (!waited_for) return slow_since_.reset();
  if (slow_since_ && total_sent_ - slow_mark_ < core_->limits.max_unsent_bytes) return;
  slow_since_ = std::chrono::steady_clock::now();
  slow_mark_ = total_sent_;
}

// ---- deadlines

TimePoint Connection::deadline() const {
  const HttpLimits& limits = core_->limits;
  TimePoint at = TimePoint::max();
  switch (phase_) {
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
  return slow_since_ ? std::min(at, later(*slow_since_, limits.slow_reader_timeout_s)) : at;
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
    if (!slow_since_) return refuse(408, "The request did not arrive in time.");
  }
  if (slow_since_) log_info("slow reader cut", {{"peer", peer_}, {"unsent_bytes", unsent()}});
  cut();
}

}  // namespace glint
