// Attention of prompts over expanded keys and values. The latent rows of the prompts' contexts
// become one contiguous block in scratch, two products make keys and values of all heads beside
// them, and one kernel attends (attention_prefill_kernel.cu).

#include <algorithm>
#include <functional>
#include <numbers>
#include <vector>

#include "backend/cuda/attention_prefill.cuh"
#include "backend/cuda/attention_prefill.h"
#include "backend/cuda/attention_prefill_kernel.cuh"

namespace glint::cuda {
namespace {

using namespace prefill;

// A warp copies one latent row out of its page: latents once, the rotated part to every head's key.
// Rows past the context become zeros.
constexpr int kGatherThreads = 256;
__global__ void __launch_bounds__(kGatherThreads)
    gather_context(const __grid_constant__ Launch launch, const int32_t* pages, const Bf16* kv,
                   int page_size) {
  let_next_start();
  wait_for_previous();
  const Block& block = launch.block;
  const int warps = kGatherThreads / kWarp, lane = static_cast<int>(threadIdx.x) % kWarp;
  const int row = static_cast<int>(blockIdx.x) * warps + static_cast<int>(threadIdx.x) / kWarp;
  if (row >= block.num_rows) return;
  const Prompt& prompt = launch.prompts[prompt_of_key(launch, row)];
  const int position = block.begin + row - prompt.key_begin;
  const bool exists = position < min(prompt.end_position(), block.end);
  const Bf16* from = kv;
  if (exists) {
    const int64_t page = pages[prompt.page_begin + position / page_size];
    from += (page * page_size + position % page_size) * kRow;
  }
  const auto piece = [&](int i) {
    return exists ? reinterpret_cast<const uint4*>(from)[i] : make_uint4(0, 0, 0, 0);
  };
  Bf16* keys = block.data + row * block.stride();
  auto* latents = reinterpret_cast<uint4*>(keys + 2 * block.num_heads * kHead);
  for (int i = lane; i < kLatent / 8; i += kWarp) latents[i] = piece(i);
  const uint4 rotated = piece(kLatent / 8 + lane % 8);
  for (int head = lane / 8; head < block.num_heads; head += kWarp / 8)
    reinterpret_cast<uint4*>(keys + head * kHead + kNope)[lane % 8] = rotated;
}

int padded(int rows) { return (rows + kKeys - 1) / kKeys * kKeys; }
int tiles_of(int rows) { return (rows + kQueries - 1) / kQueries; }
// Context rows of a block, where no context is longer than `longest`: whole tiles.
int most_block_rows(int block_rows, int64_t longest) {
  const int64_t tiles = std::min<int64_t>(block_rows / kKeys, (longest + kKeys - 1) / kKeys);
  return static_cast<int>(std::max<int64_t>(tiles, 1)) * kKeys;
}
int64_t block_stride(int num_heads) { return Block{nullptr, 0, num_heads, 0, 0}.stride(); }
size_t state_numbers(int num_rows, int num_heads) {
  return static_cast<size_t>(tiles_of(num_rows)) * static_cast<size_t>(num_heads) * kConsumers *
         kWarpgroup * kStateNumbers;
}

class Prefill {
 public:
  Prefill(cudaStream_t stream, int num_sms, TensorMaps& maps, const PrefillMemory& memory,
          const PrefillInputs& inputs)
      : stream_(stream), num_sms_(num_sms), maps_(maps), memory_(memory), inputs_(inputs) {}

  // Takes what the longest prompts could need, so that a first step serves all later ones.
  void attend_all() {
    const int64_t longest = int64_t{inputs_.kv.num_pages} * inputs_.kv.page_size;
    const int most_rows = most_block_rows(memory_.block_rows, longest);
    const int heads = inputs_.num_heads();
    keys_values_ = memory_.keys_values.at_least<Bf16>(
        static_cast<size_t>(most_rows * block_stride(heads)), memory_.sealed);
    if (longest > most_rows)
      states_ =
          memory_.states.at_least<float>(state_numbers(inputs_.q.rows, heads), memory_.sealed);
    for (const PromptRows& prompt : longest_first()) {
      const int rows = padded(prompt.cached_len + prompt.num_rows);
      if (rows > most_rows) {
        attend_in_blocks(prompt, most_rows);
        continue;
      }
      if (launch_.num_prompts == kMaxPrompts || key_rows_ + rows > most_rows) attend_batch();
      add(prompt, rows);
    }
    attend_batch();
  }

 private:
  // So that the blocks of a launch with most to do start first.
  std::vector<PromptRows> longest_first() const {
    const auto& all = inputs_.step.prompts;
    std::vector<PromptRows> prompts(all.data, all.data + all.size);
    std::ranges::stable_sort(prompts, std::greater{}, [](const PromptRows& prompt) {
      return prompt.cached_len + prompt.num_rows;
    });
    return prompts;
  }

  void add(const PromptRows& prompt, int key_rows) {
    launch_.prompts[launch_.num_prompts++] = {.row_begin = prompt.row_begin,
                                              .num_rows = prompt.num_rows,
                                              .first_position = prompt.cached_len,
                                              .page_begin = prompt.page_begin,
                                              .key_begin = key_rows_,
                                              .tile_begin = tiles_};
    key_rows_ += key_rows;
    tiles_ += tiles_of(prompt.num_rows);
  }

  // The prompts added so far, with all of their contexts at once.
  void attend_batch() {
    attend(0, INT_MAX, {nullptr, true, true});
    clear();
  }

  void attend_in_blocks(const PromptRows& prompt, int most_rows) {
    attend_batch();
    const int end = prompt.cached_len + prompt.num_rows;
    for (int begin = 0; begin < end; begin += most_rows) {
      const int rows = std::min(most_rows, end - begin);
      add(prompt, padded(rows));
      attend(begin, begin + rows, {states_, begin == 0, begin + rows == end});
      clear();
    }
  }

  void clear() { launch_.num_prompts = key_rows_ = tiles_ = 0; }

  // Positions [begin, end) of the prompts added.
  void attend(int begin, int end, const State& state) {
    if (launch_.num_prompts == 0) return;
    const int heads = inputs_.num_heads();
    const int64_t stride = block_stride(heads);
    launch_.block = {keys_values_, key_rows_, heads, begin, end};
    const Matrix block{keys_values_, NumberType::kBf16, key_rows_, static_cast<int>(stride),
                       stride};
    expand(block);
    const Matrix& o = inputs_.o;
    const Output output{static_cast<Bf16*>(o.data), o.stride,
                        is_aligned(o.data) && o.stride % 8 == 0};
    const dim3 grid(static_cast<unsigned>(heads), static_cast<unsigned>(tiles_));
    prefill::attend(stream_, grid, launch_, map_of_rows(inputs_.q, kQueries),
                    map_of_rows(block, kKeys), inputs_.scale * std::numbers::log2e_v<float>, state,
                    output);
  }

  // Latents, then keys and values made of them.
  void expand(const Matrix& block) {
    const int heads = inputs_.num_heads(), columns = heads * kHead;
    launch_early(stream_, blocks_for(key_rows_, kGatherThreads / kWarp), kGatherThreads, 0,
                 gather_context, launch_, inputs_.step.pages,
                 static_cast<const Bf16*>(inputs_.kv.data), inputs_.kv.page_size);
    const Matrix latents = block.columns(2 * columns, kLatent);
    gemm_wgmma(stream_, num_sms_, maps_,
               {.x = latents,
                .w = inputs_.w_uk,
                .w_is_transposed = true,
                .out = block.columns(0, columns),
                .out_group_columns = kHead,
                .max_rows = key_rows_});
    gemm_wgmma(stream_, num_sms_, maps_,
               {.x = latents,
                .w = inputs_.w_uv,
                .out = block.columns(columns, columns),
                .out_group_columns = kHead,
                .max_rows = key_rows_});
  }

  cudaStream_t stream_;
  int num_sms_;
  TensorMaps& maps_;
  const PrefillMemory& memory_;
  const PrefillInputs& inputs_;
  Bf16* keys_values_ = nullptr;
  float* states_ = nullptr;
  Launch launch_{};
  int key_rows_ = 0, tiles_ = 0;  // of the prompts added
};

}  // namespace

bool is_for_attend_prefill(const PrefillInputs& inputs) {
  const auto& [step, q, w_uk, w_uv, kv, scale, o] = inputs;
  for (const NumberType type : {q.type, w_uk.type, w_uv.type, kv.type, o.type})
    if (type != NumberType::kBf16) return false;
  const bool fits = w_uk.rows == kLatent && w_uk.cols == kNope && w_uv.rows == kHead &&
                    w_uv.cols == kLatent && kv.row_size == kRow && w_uk.count <= kMaxHeads &&
                    q.cols == w_uk.count * kHead && scale > 0;
  return fits && q.stride % 8 == 0 && is_aligned(q.data) && is_aligned(kv.data) &&
         is_aligned(w_uk.data) && is_aligned(w_uv.data);
}

void attend_prefill(cudaStream_t stream, int num_sms, TensorMaps& maps, const PrefillMemory& memory,
                    const PrefillInputs& inputs) {
  Prefill(stream, num_sms, maps, memory, inputs).attend_all();
}

size_t prefill_scratch_bytes(const PrefillLimits& limits) {
  const int rows = most_block_rows(limits.block_rows, limits.max_context);
  size_t bytes = static_cast<size_t>(rows * block_stride(limits.num_heads)) * sizeof(Bf16);
  if (limits.max_context > rows)
    bytes += state_numbers(limits.max_rows, limits.num_heads) * sizeof(float);
  return bytes;
}

}  // namespace glint::cuda
