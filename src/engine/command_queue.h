#pragma once

// What other threads ask of the engine thread.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "engine/event.h"
#include "engine/request.h"

namespace glint {

struct SubmitCommand {
  RequestId id = 0;
  GenerateRequest request;  // max_tokens as admitted
  EventSink sink;
};
struct CancelCommand {
  RequestId id = 0;
};
struct FlushCommand {
  std::function<void(Result<void>)> done;
};
using Command = std::variant<SubmitCommand, CancelCommand, FlushCommand>;

// Many producers, one consumer. Unlike base/queue.h it takes nothing after close(), so that no
// request is left without its last event.
class CommandQueue {
 public:
  // False, and `command` untouched, after close().
  bool push(Command&& command) {
    {
      std::lock_guard lock(mutex_);
      if (closed_) return false;
      commands_.push_back(std::move(command));
    }
    ready_.notify_one();
    return true;
  }

  std::vector<Command> drain() {
    std::lock_guard lock(mutex_);
    return std::exchange(commands_, {});
  }

  // Sleeps until there is a command, or close().
  void wait() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [&] { return !commands_.empty() || closed_; });
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
  std::vector<Command> commands_;
  bool closed_ = false;
};

}  // namespace glint
