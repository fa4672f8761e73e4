#pragma once

// The way of weights into a backend's memory: threads read and convert them piece by piece into
// pinned memory, and each fills one piece while the copy out of its other one is under way.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "backend/backend.h"
#include "model/weight_source.h"

namespace glint {

class WeightUpload {
 public:
  // Both outlive this. The source is read by several threads at once.
  WeightUpload(Backend& backend, const WeightSource& source);
  ~WeightUpload();  // finishes
  WeightUpload(const WeightUpload&) = delete;
  WeightUpload& operator=(const WeightUpload&) = delete;

  // Fills `to`, whose rows have no gaps, with the tensor's elements from `begin` on. Returns before
  // that is done.
  void put(Matrix to, std::string name, int64_t begin);
  // The same with the transpose of the [to.cols, to.rows] elements from `begin` on. For matrices of
  // at most kPieceBytes.
  void put_transposed(Matrix to, std::string name, int64_t begin);

  // Returns when all is in place. `progress` gets the bytes done so far, in this thread.
  void finish(const std::function<void(int64_t done_bytes)>& progress);

  static constexpr size_t kPieceBytes = size_t{8} << 20;

 private:
  struct Job {
    Matrix to;
    std::string name;
    int64_t begin = 0;
    bool transposed = false;
  };
  class Pieces;

  void add(Job job);
  void work();
  void carry(const Job& job, Pieces& pieces);

  Backend& backend_;
  const WeightSource& source_;
  std::mutex backend_mutex_;  // a backend takes one call at a time

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  int num_open_ = 0;  // jobs waiting or under way
  int64_t done_bytes_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace glint
