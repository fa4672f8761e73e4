// What a step's tokens take from the sampling state of their sequences.

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/kernel.cuh"

namespace glint {
namespace {

constexpr int kThreads = 256;

// One thread a token.
__global__ void resolve_kernel(StepView step, const SampleSlot* slots, TokenId* token_ids) {
  cuda::let_next_start();
  cuda::wait_for_previous();
  const int t = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (t >= step.num_tokens || token_ids[t] >= 0 || step.token_sequence[t] < 0) return;
  token_ids[t] = slots[step.sequence_slot[step.token_sequence[t]]].last_id;
}

}  // namespace

void CudaBackend::resolve_sampled_ids(const StepView& step, const SampleSlot* slots,
                                      TokenId* token_ids) {
  cuda::launch_early(stream_, cuda::blocks_for(step.num_tokens, kThreads), kThreads, 0,
                     resolve_kernel, step, slots, token_ids);
}

}  // namespace glint
