// The sample op (backend/sample.h), one block for the rows of a slot, which depend on each other.
//
// A row of 154,880 logits stays in L2 (620 KB); a pass over it by one SM takes about 6 us. Greedy
// rows without penalties take one pass; a draw four or five; top_k and top_p some more, until what
// the search has still to decide fits shared memory.
//
// Numbers as on the CPU, up to the rounding of exp: biases and penalties are the same FP32
// operations; weights are FP32, their sums exact integers (sample_block.cuh) where the CPU's are
// doubles; top_p's bound and the draw's target are doubles.

#include <climits>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/sample_block.cuh"

namespace glint {
namespace {

using cuda::block_combine;
using cuda::Max;
using cuda::Plus;
using cuda::Tally;
using cuda::visit_all;

// ---- logits with bias, penalties and masks

__device__ bool changes_logits(const SampleSlot& slot, const SampleConstraint& constraint) {
  return slot.num_biases > 0 || slot.counts != nullptr || constraint.allowed.size > 0 ||
         (slot.stop_ids.size > 0 && slot.masks_stop_ids());
}

// Where a request may name any id of the vocabulary, those without a token are passed over.
__device__ bool has_token(TokenId id, int n) { return id >= 0 && id < n; }

// By one warp. An id that is listed twice gets both, in the list's order.
__device__ void add_biases(const SampleSlot& slot, float* x, int n) {
  const int lane = cuda::lane_index();
  for (int first = 0; first < slot.num_biases; first += cuda::kWarp) {
    const SampleBias bias =
        first + lane < slot.num_biases ? slot.biases[first + lane] : SampleBias{-1, 0};
    const unsigned same = __match_any_sync(~0u, bias.id);
    const int earlier = __popc(same & ((1u << lane) - 1));
    for (int turn = 0; __any_sync(~0u, turn <= earlier); ++turn) {
      if (turn == earlier && has_token(bias.id, n)) x[bias.id] += bias.bias;
      __syncwarp();
    }
  }
}

__device__ void apply_penalties(const SampleSlot& slot, float* x, int n) {
  visit_all(x, n, [&](int i, float value) {
    const int count = slot.counts[i];
    if (count == 0) return;
    value = value > 0 ? value / slot.repetition_penalty : value * slot.repetition_penalty;
    const float frequency = __fmul_rn(static_cast<float>(count), slot.frequency_penalty);
    x[i] = __fsub_rn(value, __fadd_rn(frequency, slot.presence_penalty));
  });
}

// A trigger's allowed ids are obeyed whatever else is masked.
__device__ void keep_only(TokenIds allowed, float* x, int n) {
  uint32_t* const bits = cuda::block_list<uint32_t>().items;  // one for each id
  __syncthreads();                                            // it may still be read as a list
  for (int i = static_cast<int>(threadIdx.x); i <= n / 32; i += cuda::kSampleThreads) bits[i] = 0;
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < allowed.size; i += cuda::kSampleThreads) {
    const TokenId id = allowed.data[i];
    if (has_token(id, n)) atomicOr(&bits[id / 32], 1u << id % 32);
  }
  __syncthreads();
  visit_all(x, n, [&](int i, float) {
    if ((bits[i / 32] >> i % 32 & 1) == 0) x[i] = -INFINITY;
  });
}

__device__ void mask_stop_ids(const SampleSlot& slot, float* x, int n) {
  if (!slot.masks_stop_ids()) return;
  for (int i = static_cast<int>(threadIdx.x); i < slot.stop_ids.size; i += cuda::kSampleThreads)
    if (has_token(slot.stop_ids.data[i], n)) x[slot.stop_ids.data[i]] = -INFINITY;
}

__device__ void change_logits(const SampleSlot& slot, const SampleConstraint& constraint,
                              const float* logits, float* x, int n) {
  __syncthreads();  // the row before may still be read
  visit_all(logits, n, [&](int i, float logit) { x[i] = logit; });
  __syncthreads();
  if (cuda::warp_index() == 0) add_biases(slot, x, n);
  __syncthreads();
  if (slot.counts != nullptr) apply_penalties(slot, x, n);
  __syncthreads();
  if (constraint.allowed.size > 0)
    keep_only(constraint.allowed, x, n);
  else
    mask_stop_ids(slot, x, n);
  __syncthreads();
}

// ---- what may be drawn

// Keeps the heavier ones, of those at the bound the lower ids: an order without equals. Positive
// floats are ordered as their bits are.
struct Cut {
  uint32_t bits = 1;  // weights of 0 are out
  int last_id = INT_MAX;
  __device__ bool keeps(uint32_t weight_bits, int id) const {
    return weight_bits > bits || (weight_bits == bits && id <= last_id);
  }
};

struct Kept {
  Cut cut;
  Tally tally;  // of what it keeps
};

enum class Measure { kCount, kMass };

__device__ uint64_t measured(const Tally& tally, Measure measure) {
  return measure == Measure::kCount ? tally.count : tally.mass;
}

// Of what `cut` keeps, those of at least `low`.
__device__ Tally tally_row(const float* weights, int n, const Cut& cut, uint32_t low) {
  Tally tally{};
  visit_all(weights, n, [&](int i, float weight) {
    const uint32_t bits = __float_as_uint(weight);
    if (bits >= low && cut.keeps(bits, i)) tally = tally + cuda::tally_of(weight);
  });
  return block_combine(tally, Plus{});
}

__device__ Tally tally_list(const cuda::BlockList<float>& list, int size, uint32_t low) {
  Tally tally{};
  for (int i = static_cast<int>(threadIdx.x); i < size; i += cuda::kSampleThreads)
    if (__float_as_uint(list.items[i]) >= low) tally = tally + cuda::tally_of(list.items[i]);
  return block_combine(tally, Plus{});
}

// Of what `cut` keeps, those in [low, high).
__device__ void collect(const float* weights, int n, const Cut& cut, uint32_t low, uint32_t high,
                        const cuda::BlockList<float>& list) {
  list.clear();
  visit_all(weights, n, [&](int i, float weight) {
    const uint32_t bits = __float_as_uint(weight);
    if (bits >= low && bits < high && cut.keeps(bits, i)) list.append(weight);
  });
  __syncthreads();
}

// The first of `kept` in the cut's order that have `wanted` of the measure: 1 ... what kept has.
// `guess` is a bound that the last of them is thought to reach. Halves the range of the bound.
__device__ Kept keep_first(const float* weights, int n, const Kept& kept, Measure measure,
                           uint64_t wanted, uint32_t guess) {
  uint32_t low = kept.cut.bits, high = __float_as_uint(1.0f) + 1;
  Tally at_low = kept.tally, at_high{};  // of what is at least low, high
  if (guess > low) {
    const Tally tally = tally_row(weights, n, kept.cut, guess);
    if (measured(tally, measure) >= wanted) low = guess, at_low = tally;
  }
  const auto list = cuda::block_list<float>();
  Tally above_list{};
  int list_size = -1;  // not made yet
  while (high - low > 1) {
    const uint64_t undecided = at_low.count - at_high.count;
    if (list_size < 0 && undecided <= list.kCapacity) {
      collect(weights, n, kept.cut, low, high, list);
      above_list = at_high;
      list_size = static_cast<int>(undecided);
    }
    const uint32_t middle = low + (high - low) / 2;
    const Tally at_middle = list_size < 0 ? tally_row(weights, n, kept.cut, middle)
                                          : above_list + tally_list(list, list_size, middle);
    if (measured(at_middle, measure) >= wanted)
      low = middle, at_low = at_middle;
    else
      high = middle, at_high = at_middle;
  }
  // All those of weight `low` are alike: some of them make up the rest.
  const Tally each = cuda::tally_of(__uint_as_float(low));
  const uint64_t rest = wanted - measured(at_high, measure);
  const uint64_t ties = (rest + measured(each, measure) - 1) / measured(each, measure);
  Cut cut{low, low == kept.cut.bits ? kept.cut.last_id : INT_MAX};
  if (ties < at_low.count - at_high.count) {
    cut.last_id = cuda::find_exceeding(weights, n, ties - 1, [&](int i, float weight) -> uint64_t {
      return __float_as_uint(weight) == low && cut.keeps(low, i) ? 1 : 0;
    });
  }
  return {cut, {at_high.mass + ties * each.mass, at_high.count + ties}};
}

// The weights relative to the largest, exp((x - max) / temperature), 0 where min_p is not reached.
// `heaviest` is the thread's own largest one.
__device__ Kept weigh(const SampleSlot& slot, const float* x, float max, int n, float* weights,
                      uint32_t& heaviest) {
  Tally tally{};
  heaviest = 0;
  visit_all(x, n, [&](int i, float number) {
    float weight = expf((number - max) / slot.temperature);
    weight = weight > 0 && weight >= slot.min_p ? fminf(weight, 1.0f) : 0.0f;
    weights[i] = weight;
    if (weight > 0) tally = tally + cuda::tally_of(weight);
    heaviest = ::max(heaviest, __float_as_uint(weight));
  });
  return {{}, block_combine(tally, Plus{})};
}

__device__ Kept keep_top_k(const SampleSlot& slot, const float* weights, int n, const Kept& kept,
                           uint32_t heaviest) {
  if (slot.top_k < 1 || static_cast<uint64_t>(slot.top_k) >= kept.tally.count) return kept;
  return keep_first(weights, n, kept, Measure::kCount, static_cast<uint64_t>(slot.top_k),
                    cuda::reached_by(heaviest, slot.top_k));
}

__device__ Kept keep_top_p(const SampleSlot& slot, const float* weights, int n, const Kept& kept) {
  if (slot.top_p >= 1.0f) return kept;
  const double mass = static_cast<double>(kept.tally.mass);
  const double share = ceil(slot.top_p * mass);
  const uint64_t wanted = share < 1 ? 1 : min(static_cast<uint64_t>(share), kept.tally.mass);
  // If all were below this, they would be less than what may be left out.
  const double negligible = (1.0 - slot.top_p) * mass * 0x1p-44 / n / 2;
  return keep_first(weights, n, kept, Measure::kMass, wanted,
                    __float_as_uint(static_cast<float>(negligible)));
}

__device__ TokenId draw(const SampleSlot& slot, const float* weights, int n, const Kept& kept) {
  const double u = sample_uniform(slot.seed, slot.choice, slot.num_output, /*draw=*/0);
  const auto target = static_cast<uint64_t>(u * static_cast<double>(kept.tally.mass));
  return cuda::find_exceeding(weights, n, target, [&](int i, float weight) -> uint64_t {
    return kept.cut.keeps(__float_as_uint(weight), i) ? cuda::mass_of(weight) : 0;
  });
}

__device__ uint64_t largest_of(const float* x, int n) {
  uint64_t largest = 0;
  visit_all(x, n, [&](int i, float number) { largest = Max{}(largest, cuda::ranked(number, i)); });
  return block_combine(largest, Max{});
}

// `largest` of the logits; `scratch` has room for n.
__device__ TokenId choose(const SampleSlot& slot, const float* logits, uint64_t largest, int n,
                          float* scratch) {
  const SampleConstraint constraint = next_constraint(slot);
  if (constraint.forced >= 0) return constraint.forced;
  const float* x = logits;
  if (changes_logits(slot, constraint)) {
    change_logits(slot, constraint, logits, scratch, n);
    x = scratch;
    largest = largest_of(x, n);
  }
  if (slot.temperature < kGreedyTemperature) return cuda::id_of(largest);
  uint32_t heaviest;
  __syncthreads();  // the row before may still be read
  Kept kept = weigh(slot, x, cuda::number_of(largest), n, scratch, heaviest);
  // All masked: nothing to draw from. As greedy, the lowest id.
  if (kept.tally.count == 0) return cuda::id_of(largest);
  kept = keep_top_k(slot, scratch, n, kept, heaviest);
  kept = keep_top_p(slot, scratch, n, kept);
  return draw(slot, scratch, n, kept);
}

// ---- log-probabilities

// The k largest, one after another, of those few that can be among them or else of all.
__device__ void write_top(const SampleArgs& args, int row, const float* logits, int k,
                          uint32_t bound, float normalizer) {
  const int n = args.num_valid_tokens;
  const auto list = cuda::block_list<uint64_t>();
  list.clear();
  visit_all(logits, n, [&](int i, float logit) {
    if (cuda::ordered_bits(logit) >= bound) list.append(cuda::ranked(logit, i));
  });
  __syncthreads();
  const int size = *list.size;
  const int64_t first = int64_t{row} * args.max_logprobs;
  uint64_t last = ~uint64_t{0};
  for (int j = 0; j < k; ++j) {
    uint64_t next = 0;
    const auto offer = [&](uint64_t rank) {
      if (rank < last) next = Max{}(next, rank);
    };
    if (size <= list.kCapacity)
      for (int i = static_cast<int>(threadIdx.x); i < size; i += cuda::kSampleThreads)
        offer(list.items[i]);
    else
      visit_all(logits, n, [&](int i, float logit) { offer(cuda::ranked(logit, i)); });
    last = block_combine(next, Max{});
    if (threadIdx.x != 0) continue;
    args.top_ids[first + j] = cuda::id_of(last);
    args.top_logprobs[first + j] = logits[cuda::id_of(last)] - normalizer;
  }
}

__device__ void write_id_logprobs(const SampleArgs& args, int row, const SampleSlot& slot,
                                  const float* logits, float normalizer) {
  float* const out = args.id_logprobs + int64_t{row} * args.max_logprob_ids;
  for (int i = static_cast<int>(threadIdx.x); i < slot.logprob_ids.size;
       i += cuda::kSampleThreads) {
    const TokenId id = slot.logprob_ids.data[i];
    out[i] = has_token(id, args.num_valid_tokens) ? logits[id] - normalizer : -INFINITY;
  }
}

__device__ void write_logprobs(const SampleArgs& args, int row, const SampleSlot& slot,
                               const float* logits, uint64_t largest, TokenId id) {
  const int n = args.num_valid_tokens;
  const float max = cuda::number_of(largest);
  uint64_t mass = 0;
  uint32_t my_largest = 0;
  visit_all(logits, n, [&](int, float logit) {
    mass += cuda::mass_of(expf(logit - max));
    my_largest = ::max(my_largest, cuda::ordered_bits(logit));
  });
  const double sum = static_cast<double>(block_combine(mass, Plus{})) * 0x1p-44;
  const float normalizer = max + static_cast<float>(log(sum));
  if (threadIdx.x == 0) args.logprobs[row] = logits[id] - normalizer;
  write_id_logprobs(args, row, slot, logits, normalizer);
  const int k = min(slot.num_logprobs, n);
  if (k > 0) write_top(args, row, logits, k, cuda::reached_by(my_largest, k), normalizer);
}

// ----

// The largest logit as ranked() has it, and whether all are finite: one pass.
__device__ uint64_t survey(const float* logits, int n, bool& is_bad) {
  uint64_t largest = 0;
  bool has_bad = false;
  visit_all(logits, n, [&](int i, float logit) {
    has_bad |= !isfinite(logit);
    largest = Max{}(largest, cuda::ranked(logit, i));
  });
  is_bad = __syncthreads_or(has_bad) != 0;
  return block_combine(largest, Max{});
}

__device__ void sample_row(const SampleArgs& args, int row, float* scratch) {
  const int n = args.num_valid_tokens;
  const float* logits = args.logits + int64_t{row} * args.vocab_size;
  SampleSlot& slot = args.slots[args.row_slots[row]];
  bool is_bad;
  const uint64_t largest = survey(logits, n, is_bad);
  const TokenId id = is_bad ? 0 : choose(slot, logits, largest, n, scratch);
  if (!has_token(id, n)) __trap();  // a forced id without a token: the CPU's CHECK
  if (slot.num_logprobs >= 0 && !is_bad) write_logprobs(args, row, slot, logits, largest, id);
  __syncthreads();  // the slot was read
  if (threadIdx.x == 0) {
    args.ids[row] = id;
    args.bad_numbers[row] = is_bad;
    note_token(slot, id);
  }
  __syncthreads();
}

// Blocks take the slots' first rows in turn, each with `vocab_size` numbers of scratch.
__global__ void __launch_bounds__(cuda::kSampleThreads)
    sample_kernel(SampleArgs args, float* all_scratch) {
  float* const scratch = all_scratch + int64_t{blockIdx.x} * args.vocab_size;
  for (int first = static_cast<int>(blockIdx.x); first < args.num_rows;
       first += static_cast<int>(gridDim.x)) {
    const int32_t slot = args.row_slots[first];
    if (first > 0 && args.row_slots[first - 1] == slot) continue;
    for (int row = first; row < args.num_rows && args.row_slots[row] == slot; ++row)
      sample_row(args, row, scratch);
  }
}

}  // namespace

void CudaBackend::sample(const SampleArgs& args) {
  CHECK(args.num_valid_tokens >= 1 && args.num_valid_tokens <= args.vocab_size,
        args.num_valid_tokens, " tokens in a vocabulary of ", args.vocab_size);
  CHECK(args.vocab_size <= cuda::kMostSampleIds, "a vocabulary of ", args.vocab_size,
        ", the kernel takes ", cuda::kMostSampleIds);
  const int num_blocks = args.num_rows < num_sms_ ? args.num_rows : num_sms_;
  const size_t count = static_cast<size_t>(num_blocks) * static_cast<size_t>(args.vocab_size);
  if (num_blocks == 0) return;
  float* scratch = sample_scratch_.at_least<float>(count, sealed_);
  cuda::launch(stream_, static_cast<unsigned>(num_blocks), cuda::kSampleThreads, cuda::kListBytes,
               sample_kernel, args, scratch);
}

}  // namespace glint
