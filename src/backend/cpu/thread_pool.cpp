#include "backend/cpu/thread_pool.h"

namespace glint::cpu {

ThreadPool::ThreadPool(int num_threads) {
  for (int i = 1; i < num_threads; ++i) workers_.emplace_back([this] { worker_loop(); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  has_job_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(Job job) {
  {
    std::lock_guard lock(mutex_);
    next_task_.store(0, std::memory_order_relaxed);
    job_ = job;
  }
  has_job_.notify_all();
  work(job);
  // A worker that wakes too late finds no job: nobody waits for it.
  std::unique_lock lock(mutex_);
  job_ = {};
  all_left_.wait(lock, [&] { return num_active_ == 0; });
}

void ThreadPool::work(const Job& job) {
  for (int i = next_task_.fetch_add(1); i < job.num_tasks; i = next_task_.fetch_add(1))
    job.call(job.context, i);
}

void ThreadPool::worker_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    has_job_.wait(lock, [&] {
      return stopping_ || (job_.call != nullptr && next_task_.load() < job_.num_tasks);
    });
    if (stopping_) return;
    const Job job = job_;
    ++num_active_;
    lock.unlock();
    work(job);
    lock.lock();
    if (--num_active_ == 0) all_left_.notify_one();
  }
}

}  // namespace glint::cpu
