#include "model/weight_upload.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace glint {
namespace {

// More threads than this find the memory they read from busy (measured on shared machines: a core
// copies 3 to 6 GB/s, and all of them 20 to 40).
constexpr unsigned kMaxThreads = 8;

// to[i][j] = from[j][i].  from [cols, rows], to [rows, cols]
void transpose(const char* from, char* to, int rows, int cols, size_t number_bytes) {
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < cols; ++j) {
      std::memcpy(
          to + (static_cast<size_t>(i) * static_cast<size_t>(cols) + static_cast<size_t>(j)) *
                   number_bytes,
          from + (static_cast<size_t>(j) * static_cast<size_t>(rows) + static_cast<size_t>(i)) *
                     number_bytes,
          number_bytes);
    }
  }
}

}  // namespace

// A thread's two pieces, filled in turns.
class WeightUpload::Pieces {
 public:
  explicit Pieces(WeightUpload& upload) : upload_(upload) {
    const std::lock_guard lock(upload.backend_mutex_);
    for (size_t i = 0; i < data_.size(); ++i) {
      data_[i] = make_host_buffer(upload.backend_, kPieceBytes);
      copied_[i] = upload.backend_.make_event();
    }
  }
  ~Pieces() {
    for (const auto& event : copied_) event->wait();
    const std::lock_guard lock(upload_.backend_mutex_);
    data_ = {};
    copied_ = {};
  }
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;

  // To be filled and sent before the next call.
  char* next() {
    turn_ = 1 - turn_;
    copied_[turn_]->wait();
    return static_cast<char*>(data_[turn_].get());
  }
  void send(void* to, size_t bytes) {
    const std::lock_guard lock(upload_.backend_mutex_);
    upload_.backend_.upload_async(to, data_[turn_].get(), bytes);
    copied_[turn_]->record();
  }

 private:
  WeightUpload& upload_;
  std::array<HostBuffer, 2> data_;
  std::array<std::unique_ptr<Event>, 2> copied_;
  size_t turn_ = 0;
};

WeightUpload::WeightUpload(Backend& backend, const WeightSource& source)
    : backend_(backend), source_(source) {
  const unsigned count = std::clamp(std::thread::hardware_concurrency(), 1u, kMaxThreads);
  for (unsigned i = 0; i < count; ++i) threads_.emplace_back([this] { work(); });
}

WeightUpload::~WeightUpload() {
  finish({});
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WeightUpload::put(Matrix to, std::string name, int64_t begin) {
  add({.to = to, .name = std::move(name), .begin = begin});
}

void WeightUpload::put_transposed(Matrix to, std::string name, int64_t begin) {
  const int64_t bytes = int64_t{to.rows} * to.cols * bytes_per_number(to.type);
  CHECK(bytes <= static_cast<int64_t>(kPieceBytes), bytes, " bytes to transpose");
  add({.to = to, .name = std::move(name), .begin = begin, .transposed = true});
}

void WeightUpload::add(Job job) {
  CHECK(job.to.stride == job.to.cols, "weights with gaps between their rows");
  const std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(job));
  ++num_open_;
  changed_.notify_all();
}

void WeightUpload::finish(const std::function<void(int64_t done_bytes)>& progress) {
  std::unique_lock lock(mutex_);
  while (num_open_ > 0) {
    changed_.wait(lock);
    if (!progress) continue;
    const int64_t done_bytes = done_bytes_;
    lock.unlock();
    progress(done_bytes);
    lock.lock();
  }
}

void WeightUpload::work() {
  Pieces pieces(*this);
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return !jobs_.empty() || stopping_; });
    if (jobs_.empty()) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    carry(job, pieces);
    lock.lock();
    --num_open_;
    done_bytes_ += int64_t{job.to.rows} * job.to.cols * bytes_per_number(job.to.type);
    changed_.notify_all();
  }
}

void WeightUpload::carry(const Job& job, Pieces& pieces) {
  const int64_t count = int64_t{job.to.rows} * job.to.cols;
  const int64_t size = bytes_per_number(job.to.type);
  if (job.transposed) {
    std::vector<char> rows(static_cast<size_t>(count * size));
    source_.read(job.name, job.begin, count, job.to.type, rows.data());
    transpose(rows.data(), pieces.next(), job.to.rows, job.to.cols, static_cast<size_t>(size));
    pieces.send(job.to.data, rows.size());
    return;
  }
  const int64_t most = static_cast<int64_t>(kPieceBytes) / size;
  for (int64_t done = 0; done < count; done += most) {
    const int64_t now = std::min(most, count - done);
    source_.read(job.name, job.begin + done, now, job.to.type, pieces.next());
    pieces.send(static_cast<char*>(job.to.data) + done * size, static_cast<size_t>(now * size));
  }
}

}  // namespace glint
