#pragma once

// Many clients of one server in one thread: some read a stream each, some have asked once and keep
// their connection.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace glint {

struct Arrival {
  std::chrono::steady_clock::time_point time;
  size_t position = 0;  // of the last token in the event
};

// One stream of chat, or one short answer. Its request says "seed": its number.
struct Visit {
  bool done = false;    // the answer has come wholly, with status 200
  bool failed = false;  // another status, or a connection that broke
  std::string text;
  std::vector<Arrival> arrivals;  // of events with text, in order
};

class StreamCrowd {
 public:
  explicit StreamCrowd(uint16_t port);
  ~StreamCrowd();

  // A connection that sends `body` to /v1/chat/completions; the answer is read as it comes. The
  // Visit lives as long as this.
  Visit& visit(const std::string& body);
  // Another connection, of which nothing is read; the system takes at most `receive_bytes` for it.
  void visit_without_reading(const std::string& body, int receive_bytes);
  // Reads what there is of it; true if the server's end is gone then.
  bool unread_was_cut();

  // Runs until all visits are done or have failed, or `seconds` are over.
  void run(double seconds);
  // Runs for `seconds`.
  void run_for(double seconds);
  void close_all();

 private:
  class Visitor;
  boost::asio::io_context io_{1};
  const boost::asio::ip::tcp::endpoint endpoint_;
  std::vector<std::shared_ptr<Visitor>> visitors_;
  size_t num_open_ = 0;  // visits neither done nor failed
  boost::asio::ip::tcp::socket unread_{io_};
};

}  // namespace glint
