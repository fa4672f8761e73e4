#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

namespace glint {

// Many producers, one consumer. Unbounded: what goes in is bounded by its callers (the request
// queue limit, one event per step and sequence). It takes nothing after close(), so that whoever
// closes and drains it has seen everything.
template <typename T>
class Queue {
 public:
  // False, and `item` untouched, after close().
  bool push(T&& item) {
    {
      std::lock_guard lock(mutex_);
      if (closed_) return false;
      items_.push_back(std::move(item));
    }
    ready_.notify_one();
    return true;
  }

  // Everything that is there now, without waiting.
  std::vector<T> drain() {
    std::lock_guard lock(mutex_);
    return std::exchange(items_, {});
  }

  // Sleeps until there is an item, or close().
  void wait() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [&] { return !items_.empty() || closed_; });
  }

  // Waits until there is an item or close() was called; empty only after close().
  std::vector<T> wait_and_drain() {
    wait();
    return drain();
  }

  void close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    ready_.notify_all();
  }

  bool closed() const {
    std::lock_guard lock(mutex_);
    return closed_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<T> items_;
  bool closed_ = false;
};

}  // namespace glint
