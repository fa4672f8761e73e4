#pragma once

// One client's connection: bytes in, requests to the router, answers out. Internal to http/.
//
// Everything but post() happens on the connection's strand. Events (bytes came, the socket takes
// bytes again, a deadline passed, posted work ran) only change the state; settle() then decides
// what to do next, always in the same way.
//
// An Exchange outlives its connection, and both may outlive the server: the ServerCore goes with
// the last of them.

#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "http/http.h"
#include "http/output_buffer.h"
#include "http/request_parser.h"
#include "http/response_head.h"
#include "http/router.h"
#include "http/transport.h"

namespace glint {

class Connection;
class ConnectionExchange;

using Timer =
    boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                      boost::asio::wait_traits<std::chrono::steady_clock>, Strand>;

// What the connections of one server share.
struct ServerCore {
  ServerCore(const HttpLimits& http_limits, Router router, int num_threads)
      : limits(http_limits), io(num_threads) {
    set_router(std::move(router));
  }

  // What set_router() gave last. Earlier ones stay, too: somebody may be in them.
  const Router& router() const { return *router_in_force.load(); }
  void set_router(Router router);

  const HttpLimits limits;
  boost::asio::io_context io;

  std::vector<std::unique_ptr<const Router>> routers;  // set_router() alone
  std::atomic<const Router*> router_in_force = nullptr;

  std::atomic<bool> draining = false;  // every answer is its connection's last

  std::mutex mutex;  // of the next six
  std::unordered_map<Connection*, std::weak_ptr<Connection>> connections;
  int num_overloaded = 0;                         // of these: there only to be answered 503
  std::unordered_set<const Connection*> awaited;  // whose answers the server's end waits for
  std::condition_variable none_awaited;
  bool admits = true;                     // new connections
  std::shared_ptr<const TlsContext> tls;  // of new connections; null: they are plain

  std::shared_mutex ending;  // of the next
  bool ended = false;        // no thread runs `io` any more: nothing may be posted
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // An overloaded connection answers its first request with 503. `tls` may be null.
  Connection(std::shared_ptr<ServerCore> core, Socket socket, const TlsContext* tls,
             bool overloaded);

  // Any thread.
  void start();
  // The server is about to end. Ends it when the answer under way has been sent, and now if it is
  // between two requests. A request that is still to come will be answered, but not waited for.
  void drain();
  void stop();  // ends it now, as cut()
  void post(std::function<void()> work);

  // For the exchange, on the strand:
  std::string& output() { return output_.bytes(); }
  bool writable() const { return output_.writable(); }
  bool may_keep_alive() const { return keep_alive_ && !core_->draining && !peer_closed_; }
  const Router& router() const { return core_->router(); }
  void close_after_answer() { keep_alive_ = false; }
  void answered();
  void after(double seconds, std::function<void()> work);
  // The exchange was dropped before its answer was complete; `begun`: a part of it was sent.
  void abandoned(uint64_t exchange_id, bool begun);
  // Ends the connection now. An answer under way is lost, and its on_disconnect called.
  void cut();

 private:
  enum class Phase {
    kHandshake,  // of TLS
    kIdle,       // between requests
    kHeader,     // a request has begun
    kBody,       // its header is complete
    kAnswering,  // a handler has it
    kClosing,    // the last answer is being sent
    kLingering,  // it is sent; waits for the client to have read it
  };
  bool reads_requests() const { return phase_ >= Phase::kIdle && phase_ <= Phase::kBody; }

  template <typename Event>
  void on_event(Event event);
  template <typename Work>
  void run(Work work);
  void settle();
  void set_phase(Phase phase);
  void finish_if_done();
  void end_wait();
  void leave_core();

  void shake_hands();
  void handshake_failed();

  // Input.
  bool wants_input() const;
  void wait_readable();
  void read();
  bool advance();
  void header_complete();
  void start_exchange();
  bool refused_before_body();
  void refuse(int status, const std::string& message);
  void refuse(HttpResponse response);

  // Output.
  void flush();
  void wait_writable();
  void tell_writable();
  void watch_slow_reader();

  // Deadlines.
  TimePoint deadline() const;
  void arm_timer();
  void timer_fired();
  void expire();

  void handler_failed(std::string_view what);

  const std::shared_ptr<ServerCore> core_;
  Transport transport_;
  Timer timer_;
  Timer work_timer_;      // of after()
  uint64_t work_id_ = 0;  // of the last after()
  std::string peer_;
  const bool overloaded_;

  Phase phase_ = Phase::kHandshake;
  TimePoint phase_since_;
  bool closed_ = false;
  bool peer_closed_ = false;  // its end of file has come
  bool waits_read_ = false;   // a wait is pending in the io_context
  bool waits_write_ = false;
  bool read_waits_for_write_ = false;  // TLS has something to send before it can read on

  RequestParser parser_;
  std::string in_;            // not yet taken by the parser
  bool header_seen_ = false;  // of the request that is being read
  bool keep_alive_ = true;
  bool http_1_0_ = false;
  std::weak_ptr<ConnectionExchange> exchange_;
  uint64_t exchange_id_ = 0;

  OutputBuffer output_;

  TimePoint armed_until_ = TimePoint::max();  // when timer_ will fire
};

}  // namespace glint
