#pragma once

// Threads that share the parts of one op. Which thread computes a part never shows in its bits.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace glint::cpu {

class ThreadPool {
 public:
  // The caller of parallel_for is one of them.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls task(i) for i in [0, num_tasks), in any order, and returns when all are done. `cost` is
  // the multiply-adds of one task: too little work stays on this thread, as waking another takes
  // microseconds.
  template <typename Task>
  void parallel_for(int num_tasks, int64_t cost, Task&& task) {
    if (workers_.empty() || num_tasks < 2 || cost * num_tasks < kWorthWaking) {
      for (int i = 0; i < num_tasks; ++i) task(i);
      return;
    }
    run({[](void* context, int i) { (*static_cast<std::remove_reference_t<Task>*>(context))(i); },
         &task, num_tasks});
  }

 private:
  static constexpr int64_t kWorthWaking = 1 << 18;

  struct Job {
    void (*call)(void* context, int i) = nullptr;
    void* context = nullptr;
    int num_tasks = 0;
  };

  void run(Job job);
  void work(const Job& job);
  void worker_loop();

  std::mutex mutex_;
  std::condition_variable has_job_;
  std::condition_variable all_left_;
  Job job_;             // call is null: nothing to do
  int num_active_ = 0;  // workers inside job_
  bool stopping_ = false;
  std::atomic<int> next_task_ = 0;
  std::vector<std::thread> workers_;
};

}  // namespace glint::cpu
