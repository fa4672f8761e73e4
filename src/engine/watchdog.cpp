#include "engine/watchdog.h"

#include <chrono>
#include <utility>

#include "engine/engine.h"

namespace glint {

bool StuckTurn::look(uint64_t turn) {
  if (turn == 0 || turn != std::exchange(turn_, turn)) num_looks_ = 0;
  return turn != 0 && num_looks_++ == kLooks;
}

Watchdog::Watchdog(const Engine& engine, double timeout_s, std::function<void()> bark)
    : engine_(engine), interval_s_(timeout_s / StuckTurn::kLooks), bark_(std::move(bark)) {
  if (timeout_s > 0) thread_ = std::thread([this] { watch(); });
}

Watchdog::~Watchdog() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Watchdog::watch() {
  StuckTurn stuck;
  std::unique_lock lock(mutex_);
  const std::chrono::duration<double> interval(interval_s_);
  while (!changed_.wait_for(lock, interval, [this] { return stopping_; }))
    if (stuck.look(engine_.turn_under_way())) bark_();
}

}  // namespace glint
