#pragma once

// What a connection has still to send, and whether its client takes it. Internal to http/; used on
// the connection's strand.

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace glint {

using TimePoint = std::chrono::steady_clock::time_point;

// Empties `buffer`. A large one is given back: most connections of a server are idle, and what they
// keep is its memory.
void clear(std::string& buffer);

class OutputBuffer {
 public:
  explicit OutputBuffer(size_t max_unsent_bytes) : max_unsent_bytes_(max_unsent_bytes) {}

  // To append to.
  std::string& bytes() { return bytes_; }
  size_t unsent() const { return bytes_.size() - num_sent_; }
  bool writable() const { return unsent() <= max_unsent_bytes_; }

  // What is to be sent next; sent() forgets the first `size` bytes of it.
  std::string_view next() const { return std::string_view(bytes_).substr(num_sent_); }
  void sent(size_t size);

  // Whoever writes has to wait if it is not writable now; resumes() is true once when that is over.
  void pause_if_full() { paused_ |= !writable(); }
  bool resumes();

  // `waited_for`: the client holds somebody up by not reading. slow_since() is when that began, or
  // when the client had last taken max_unsent_bytes more; nothing: it holds nobody up.
  void watch(bool waited_for);
  std::optional<TimePoint> slow_since() const { return slow_since_; }

 private:
  const size_t max_unsent_bytes_;
  std::string bytes_;
  size_t num_sent_ = 0;    // of bytes_
  bool paused_ = false;    // writable() was false
  size_t total_sent_ = 0;  // since the connection began
  std::optional<TimePoint> slow_since_;
  size_t slow_mark_ = 0;  // total_sent_ then
};

}  // namespace glint
