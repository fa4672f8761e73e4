#include "backend/cpu/cpu_backend.h"

#include <sched.h>

#include <cstdlib>
#include <cstring>

#include "backend/cpu/sample.h"
#include "backend/random_normal.h"

namespace glint {
namespace {

constexpr size_t kAlignment = 256;

// Of this process, which may be confined to some of the machine's.
int num_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

// Every op is done when it returns.
class CpuEvent final : public Event {
 public:
  void record() override {}
  void wait() override {}
};

}  // namespace

CpuBackend::CpuBackend(int num_threads, const cpu::Kernels& kernels)
    : pool_(num_threads), kernels_(kernels) {}

std::string CpuBackend::description() const {
  return cat("cpu, ", kernels_.name, ", ", pool_.num_threads(),
             pool_.num_threads() == 1 ? " thread" : " threads");
}

void* CpuBackend::allocate(size_t bytes) {
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return bytes == 0 ? nullptr : std::aligned_alloc(kAlignment, rounded);
}

void CpuBackend::free(void* data) { std::free(data); }

void CpuBackend::upload(void* to, const void* from_host, size_t bytes) {
  if (bytes > 0) std::memcpy(to, from_host, bytes);
}

void CpuBackend::download(void* to_host, const void* from, size_t bytes) {
  if (bytes > 0) std::memcpy(to_host, from, bytes);
}

void CpuBackend::zero(void* data, size_t bytes) {
  if (bytes > 0) std::memset(data, 0, bytes);
}

void CpuBackend::random_normal(Matrix out, uint64_t key, int64_t begin, float sigma) {
  constexpr int64_t kNormalCost = 50;  // multiply-adds that take as long as one number
  pool_.parallel_for(out.rows, kNormalCost * out.cols, [&](int row) {
    const int64_t first = begin + int64_t{row} * out.cols;
    for (int col = 0; col < out.cols; ++col) {
      const float x = sigma * glint::random_normal(key, first + col);
      if (out.type == NumberType::kF32)
        *static_cast<float*>(out.at(row, col)) = x;
      else
        *static_cast<bf16*>(out.at(row, col)) = to_bf16(x);
    }
  });
}

std::unique_ptr<Event> CpuBackend::make_event() { return std::make_unique<CpuEvent>(); }

void CpuBackend::resolve_sampled_ids(const StepView& step, const SampleSlot* slots,
                                     TokenId* token_ids) {
  for (int t = 0; t < step.num_tokens; ++t)
    if (token_ids[t] < 0 && step.token_sequence[t] >= 0)
      token_ids[t] = slots[step.sequence_slot[step.token_sequence[t]]].last_id;
}

void CpuBackend::sample(const SampleArgs& args) {
  std::vector<int> begins;  // of slots: the rows of one depend on each other
  for (int i = 0; i < args.num_rows; ++i)
    if (i == 0 || args.row_slots[i] != args.row_slots[i - 1]) begins.push_back(i);
  begins.push_back(args.num_rows);
  const int64_t cost = int64_t{16} * args.vocab_size;  // some passes over the logits, an exp each
  pool_.parallel_for(static_cast<int>(begins.size()) - 1, cost, [&](int i) {
    const auto slot = static_cast<size_t>(i);
    cpu_sample_rows(args, begins[slot], begins[slot + 1]);
  });
}

std::unique_ptr<Backend> make_cpu_backend(int num_threads) {
  return std::make_unique<CpuBackend>(num_threads > 0 ? num_threads : num_cores(),
                                      *cpu::available_kernels().front());
}

}  // namespace glint
