#pragma once

// Notices an engine whose turn does not end: a GPU or a driver that hangs.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace glint {

class Engine;

// Counts looks at the same turn rather than seconds: a process that was stopped for a while, and
// all of it, must not look stuck when it goes on.
class StuckTurn {
 public:
  static constexpr int kLooks = 10;
  // `turn` as Engine::turn_under_way(). True at the look that makes it kLooks after the first at
  // this turn.
  bool look(uint64_t turn);

 private:
  uint64_t turn_ = 0;
  int num_looks_ = 0;
};

// While it lives, calls `bark` on a thread of its own for every turn that lasts for `timeout_s` (a
// tenth more or less), once. 0: never.
class Watchdog {
 public:
  Watchdog(const Engine& engine, double timeout_s, std::function<void()> bark);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void watch();

  const Engine& engine_;
  const double interval_s_;
  const std::function<void()> bark_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;     // last: it uses all of the above
};

}  // namespace glint
