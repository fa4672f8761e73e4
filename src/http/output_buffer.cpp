#include "http/output_buffer.h"

namespace glint {
namespace {

constexpr size_t kMaxKeptBytes = 2 << 10;

}  // namespace

void clear(std::string& buffer) {
  buffer.clear();
  if (buffer.capacity() > kMaxKeptBytes) buffer.shrink_to_fit();
}

void OutputBuffer::sent(size_t size) {
  num_sent_ += size;
  total_sent_ += size;
  if (unsent() == 0) {
    clear(bytes_);
    num_sent_ = 0;
  } else if (num_sent_ >= bytes_.size() / 2) {  // each byte is moved once, on average
    bytes_.erase(0, num_sent_);
    num_sent_ = 0;
  }
}

bool OutputBuffer::resumes() {
  if (!paused_ || !writable()) return false;
  paused_ = false;
  return true;
}

void OutputBuffer::watch(bool waited_for) {
  if (!waited_for) return slow_since_.reset();
  if (slow_since_ && total_sent_ - slow_mark_ < max_unsent_bytes_) return;
  slow_since_ = std::chrono::steady_clock::now();
  slow_mark_ = total_sent_;
}

}  // namespace glint
