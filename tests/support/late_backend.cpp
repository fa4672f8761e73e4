#include "tests/support/late_backend.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <utility>

namespace glint {
namespace {

constexpr size_t kMemoryBytes = size_t{1} << 28;  // address space: what is touched counts
constexpr size_t kAlignment = 256;

char* map_memory() {
  void* data = ::mmap(nullptr, kMemoryBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(data != MAP_FAILED, "no memory");
  return static_cast<char*>(data);
}

}  // namespace

class LateEvent final : public Event {
 public:
  explicit LateEvent(LateBackend& backend) : backend_(backend) {}
  void record() override { point_ = backend_.num_enqueued(); }
  void wait() override { backend_.run_until(point_); }

 private:
  LateBackend& backend_;
  uint64_t point_ = 0;
};

LateBackend::LateBackend() : memory_(map_memory()) {}

LateBackend::~LateBackend() { ::munmap(memory_, kMemoryBytes); }

void* LateBackend::allocate(size_t bytes) {
  const size_t begin = used_;
  used_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return bytes == 0 || used_ > kMemoryBytes ? nullptr : memory_ + begin;
}

void LateBackend::upload(void* to, const void* from_host, size_t bytes) {
  check_own(to, bytes);
  enqueue([=] { std::memcpy(to, from_host, bytes); });
  run_until(num_enqueued());
}

void LateBackend::download(void* to_host, const void* from, size_t bytes) {
  check_own(from, bytes);
  enqueue([=] { std::memcpy(to_host, from, bytes); });
  run_until(num_enqueued());
}

void LateBackend::zero(void* data, size_t bytes) {
  check_own(data, bytes);
  enqueue([=] { std::memset(data, 0, bytes); });
}

void LateBackend::random_normal(Matrix out, uint64_t key, int64_t begin, float sigma) {
  enqueue([=, this] { inner_->random_normal(out, key, begin, sigma); });
}

void* LateBackend::allocate_host(size_t bytes) {
  void* data = std::malloc(bytes);
  std::lock_guard lock(mutex_);
  host_blocks_[data] = bytes;
  return data;
}

void LateBackend::free_host(void* data) {
  std::lock_guard lock(mutex_);
  CHECK(host_blocks_.erase(data) == 1, "freed what was not allocated");
  std::free(data);
}

void LateBackend::upload_async(void* to, const void* from_host, size_t bytes) {
  check_own(to, bytes);
  check_host(from_host, bytes);
  enqueue([=] { std::memcpy(to, from_host, bytes); });
}

void LateBackend::download_async(void* to_host, const void* from, size_t bytes) {
  check_own(from, bytes);
  check_host(to_host, bytes);
  enqueue([=] { std::memcpy(to_host, from, bytes); });
}

// The ops are enqueued anew, with what they were called with.
class LateRecording final : public Recording {
 public:
  LateRecording(LateBackend& backend, std::vector<std::function<void()>> ops)
      : backend_(backend), ops_(std::move(ops)) {}
  void run() override {
    for (const std::function<void()>& op : ops_) backend_.enqueue(op);
  }

 private:
  LateBackend& backend_;
  std::vector<std::function<void()>> ops_;
};

std::unique_ptr<Recording> LateBackend::record(const std::function<void()>& ops) {
  std::vector<std::function<void()>> recorded;
  recording_ = &recorded;
  ops();
  recording_ = nullptr;
  return std::make_unique<LateRecording>(*this, std::move(recorded));
}

std::unique_ptr<Event> LateBackend::make_event() { return std::make_unique<LateEvent>(*this); }

void LateBackend::sample(const SampleArgs& args) {
  const std::initializer_list<const void*> pointers = {
      args.logits,      args.slots,    args.row_slots, args.ids,
      args.bad_numbers, args.logprobs, args.top_ids,   args.top_logprobs};
  for (const void* data : pointers) check_own(data, 1);
  check_own(args.id_logprobs, args.max_logprob_ids > 0 ? 1 : 0);
  enqueue([this, args] {
    for (int row = 0; row < args.num_rows; ++row) check(args.slots[args.row_slots[row]]);
    inner_->sample(args);
  });
  std::lock_guard lock(mutex_);
  ++num_samples_;
  changed_.notify_all();
}

void LateBackend::seal() {
  std::lock_guard lock(mutex_);
  num_samples_ = 0;
}

void LateBackend::wait_for_samples(int count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return num_samples_ >= count; });
}

void LateBackend::enqueue(std::function<void()> work) {
  if (recording_ != nullptr) return recording_->push_back(std::move(work));
  std::lock_guard lock(mutex_);
  queue_.push_back(std::move(work));
}

uint64_t LateBackend::num_enqueued() {
  std::lock_guard lock(mutex_);
  return num_done_ + queue_.size();
}

void LateBackend::run_until(uint64_t point) {
  std::lock_guard lock(mutex_);
  if (num_done_ >= point) return;
  CHECK(::mprotect(memory_, kMemoryBytes, PROT_READ | PROT_WRITE) == 0, "mprotect");
  for (; num_done_ < point; ++num_done_) {
    queue_.front()();
    queue_.pop_front();
  }
  CHECK(::mprotect(memory_, kMemoryBytes, PROT_NONE) == 0, "mprotect");
}

void LateBackend::check(const StepView& step) const {
  for (const int32_t* data :
       {step.token_ids, step.positions, step.token_sequence, step.page_begin, step.pages})
    check_own(data, step.num_tokens > 0 ? 1 : 0);
}

// Inside an op: reads the slot.
void LateBackend::check(const SampleSlot& slot) const {
  check_own(slot.biases, slot.num_biases > 0 ? 1 : 0);
  check_own(slot.stop_ids.data, slot.stop_ids.size > 0 ? 1 : 0);
  check_own(slot.logprob_ids.data, slot.logprob_ids.size > 0 ? 1 : 0);
  check_own(slot.triggers, slot.num_triggers > 0 ? 1 : 0);
  check_own(slot.counts, slot.has_penalties() ? 1 : 0);
  check_own(slot.trigger_ids, slot.num_triggers > 0 ? 1 : 0);
  check_own(slot.trigger_nodes, slot.num_triggers > 0 ? 1 : 0);
}

void LateBackend::check(const Routing& routing) const {
  check_own(routing.expert_ids, 1);
  check_own(routing.weights, 1);
  check_own(routing.expert_begin, 1);
  check_own(routing.expert_pairs, 1);
}

void LateBackend::check_own(const void* data, size_t bytes) const {
  const auto* begin = static_cast<const char*>(data);
  CHECK(bytes == 0 || (begin >= memory_ && begin + bytes <= memory_ + used_),
        "not the backend's memory");
}

void LateBackend::check_host(const void* data, size_t bytes) {
  if (bytes == 0) return;
  std::lock_guard lock(mutex_);
  const auto after = host_blocks_.upper_bound(data);
  CHECK(after != host_blocks_.begin(), "not memory from allocate_host()");
  const auto& [begin, size] = *std::prev(after);
  CHECK(static_cast<const char*>(data) + bytes <= static_cast<const char*>(begin) + size,
        "not memory from allocate_host()");
}

}  // namespace glint
