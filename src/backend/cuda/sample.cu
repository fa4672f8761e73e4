// The sample op (backend/sample.h): a cluster of eight blocks for the rows of a slot, which depend
// on each other (each row's id is counted before the next row is drawn).
//
// A row lies in the cluster's shared memory from its only read to its id, an eighth in each block:
// 77 KB of the 620 that 154,880 logits are. What remains is the way between blocks, so a row takes
// as few exchanges as it can (SampleCluster):
//
//   survey     largest logit, whether all are finite     one exchange; greedy rows end here
//   change     bias, penalties, masks                    one more, for the largest again
//   weigh      exp of the distance to the largest        one
//   filter     top_k, top_p: a radix search each         one to five, and one for what is left
//   draw       the part, then the id in it               none
//   log-probabilities: the sum of all weights, then the likeliest by a radix search
//
// Numbers as on the CPU, up to the rounding of exp: biases and penalties are the same FP32
// operations; weights are FP32, their sums exact integers (sample_filter.cuh) where the CPU's are
// doubles; top_p's bound and the draw's target are doubles.

#include <cfloat>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/sample_cluster.cuh"
#include "backend/cuda/sample_filter.cuh"

namespace glint {
namespace cuda {
namespace {

// What a row's slot asks for. Read once: one block may note the row's token while others are not
// through with it, and all must take the same way.
struct RowRequest {
  SampleSlot slot;
  SampleConstraint constraint;
  bool masks_stop_ids, changes_logits;
};

// Behind it, for the ids of a block, their numbers and a bit each.
struct Shared {
  Exchange exchange;
  Histogram histogram;
  RowRequest request;
  uint64_t likeliest[kTableSize];  // of the block's ids, ranked()
  int num_likeliest;
};
constexpr size_t kSharedBytes = (sizeof(Shared) + 15) / 16 * 16;

constexpr int ids_of_block(int n) { return kSampleWarps * ids_of_part(n); }
constexpr size_t shared_bytes(int n) {
  return kSharedBytes + ids_of_block(n) * sizeof(float) + ids_of_block(n) / 8 + 4;
}
constexpr size_t kHalfOfShared = 113 * 1024;  // of a multiprocessor's memory, less what it takes
static_assert(shared_bytes(154'880) <= kHalfOfShared, "two rows' blocks side by side");
static_assert(shared_bytes(kMostSampleIds) <= 2 * kHalfOfShared);

constexpr TokenId kElsewhere = -1;             // another thread has the id
constexpr uint64_t kNotFinite = ~uint64_t{0};  // instead of a rank
constexpr float kLowest = -FLT_MAX;

// A block's parts of a weighed row.
struct alignas(16) Weighed {
  uint64_t mass = 0;
  uint32_t count = 0;     // of weights above 0
  uint32_t heaviest = 0;  // the largest, as bits
};

// A thread's part in the rows of a slot.
struct RowSampler {
  const SampleArgs& args;
  Shared& shared;
  SampleCluster& cluster;
  int n;  // ids with a token
  float* numbers = reinterpret_cast<float*>(reinterpret_cast<char*>(&shared) + kSharedBytes);
  RowPart part{numbers, n, cluster.part()};

  __device__ void sample(int row) {
    const float* const logits = args.logits + int64_t{row} * args.vocab_size;
    SampleSlot& slot = args.slots[args.row_slots[row]];
    const bool in_chunks =
        args.vocab_size % 4 == 0 && reinterpret_cast<uintptr_t>(logits) % sizeof(float4) == 0;
    part.start_loading(logits, n, in_chunks);
    if (warp_index() == 0) read_request(slot);
    part.finish_loading();
    part.fill_up(n, kLowest);
    const uint64_t* const ranks = survey(/*all_finite=*/true);  // now the request is there, too
    part.fill_up(n, -INFINITY);
    const uint64_t largest = combine_parts(ranks, Max{});
    const bool is_bad = largest == kNotFinite;
    const bool has_logprobs = shared.request.slot.num_logprobs >= 0 && !is_bad;
    const float normalizer = has_logprobs ? write_logprobs(row, logits, largest, ranks) : 0;
    const TokenId id = is_bad ? at_first_thread(0) : choose(largest);
    if (id == kElsewhere) return;
    if (!has_token(id)) __trap();  // a forced id without a token: the CPU's CHECK
    args.ids[row] = id;
    args.bad_numbers[row] = is_bad;
    if (has_logprobs) args.logprobs[row] = logits[id] - normalizer;
    SampleSlot noted = shared.request.slot;  // a copy: others may not be through with it
    note_token(noted, id);
    slot = noted;
  }

  // ---- the row and its request

  // By one warp.
  __device__ void read_request(const SampleSlot& of_row) {
    RowRequest& request = shared.request;
    const SampleSlot& slot = request.slot;
    for (int i = lane_index(); i < static_cast<int>(sizeof slot / sizeof(uint32_t)); i += kWarp)
      reinterpret_cast<uint32_t*>(&request.slot)[i] = reinterpret_cast<const uint32_t*>(&of_row)[i];
    __syncwarp();
    if (lane_index() > 0) return;
    request.constraint = next_constraint(slot);
    request.masks_stop_ids = slot.stop_ids.size > 0 && slot.masks_stop_ids();
    request.changes_logits = slot.num_biases > 0 || slot.counts != nullptr ||
                             request.constraint.allowed.size > 0 || request.masks_stop_ids;
  }

  __device__ TokenId at_first_thread(TokenId id) const {
    return cluster.is_first_thread() ? id : kElsewhere;
  }
  // Where a request may name any id of the vocabulary, those without a token are passed over.
  __device__ bool has_token(TokenId id) const { return id >= 0 && id < n; }
  // The place of an id among the block's, -1 if it is none of them.
  __device__ int place_of(TokenId id) const {
    const int place = id - cluster.block * ids_of_block(n);
    return has_token(id) && place >= 0 && place < ids_of_block(n) ? place : -1;
  }

  // Each part's largest number, ranked(); kNotFinite where one that is to be finite is not.
  __device__ const uint64_t* survey(bool all_finite) {
    const int begin = 4 * lane_index();
    float largest = -INFINITY, zero = 0;
    int chunk = begin;  // the first one with the largest
#pragma unroll 2
    for (int i = begin; i < part.size; i += 4 * kWarp) {
      const float4 four = *reinterpret_cast<const float4*>(part.x + i);
      const float largest_here = fmaxf(fmaxf(four.x, four.y), fmaxf(four.z, four.w));
      if (largest_here > largest) largest = largest_here, chunk = i;
      // NaN from the first one on that is not finite.
      zero = fmaf(four.x, 0.0f, fmaf(four.y, 0.0f, fmaf(four.z, 0.0f, fmaf(four.w, 0.0f, zero))));
    }
    uint64_t rank = 0;
    for (int i = chunk; i < min(chunk + 4, part.size); ++i)
      if (part.x[i] == largest) rank = Max{}(rank, ranked(largest, part.first + i));
    if (all_finite && isnan(zero)) rank = kNotFinite;
    return cluster.share(Max{}.of_warp(rank));
  }

  // ---- bias, penalties and masks

  // All have read them as they came: the last exchange shows it.
  __device__ void change_logits() {
    const RowRequest& request = shared.request;
    if (warp_index() == 0) add_biases(request.slot);
    __syncthreads();
    if (request.slot.counts != nullptr) apply_penalties(request.slot);
    __syncthreads();
    if (request.constraint.allowed.size > 0)
      keep_only(request.constraint.allowed);
    else if (request.masks_stop_ids)
      mask(request.slot.stop_ids);
    __syncthreads();
  }

  // By one warp. An id that is listed twice gets both, in the list's order.
  __device__ void add_biases(const SampleSlot& slot) {
    for (int first = 0; first < slot.num_biases; first += kWarp) {
      const int i = first + lane_index();
      const SampleBias bias = i < slot.num_biases ? slot.biases[i] : SampleBias{-1, 0};
      const int place = place_of(bias.id);
      const unsigned same = __match_any_sync(~0u, place);
      const int earlier = place < 0 ? -1 : __popc(same & ((1u << lane_index()) - 1));
      for (int turn = 0; __any_sync(~0u, turn <= earlier); ++turn) {
        if (turn == earlier) numbers[place] += bias.bias;
        __syncwarp();
      }
    }
  }

  __device__ void apply_penalties(const SampleSlot& slot) {
    constexpr int kAhead = 8;  // counts on their way at once
    for (int first = lane_index(); first < part.size; first += kAhead * kWarp) {
      int counts[kAhead];
#pragma unroll
      for (int j = 0; j < kAhead; ++j) {
        const int i = first + j * kWarp;
        counts[j] = i < part.size && part.first + i < n ? slot.counts[part.first + i] : 0;
      }
#pragma unroll
      for (int j = 0; j < kAhead; ++j) {
        if (counts[j] == 0) continue;
        float& x = part.x[first + j * kWarp];
        x = x > 0 ? x / slot.repetition_penalty : x * slot.repetition_penalty;
        const float frequency = __fmul_rn(static_cast<float>(counts[j]), slot.frequency_penalty);
        x = __fsub_rn(x, __fadd_rn(frequency, slot.presence_penalty));
      }
    }
  }

  // A trigger's allowed ids are obeyed whatever else is masked.
  __device__ void keep_only(TokenIds allowed) {
    uint32_t* const bits = reinterpret_cast<uint32_t*>(numbers + ids_of_block(n));
    for (int i = static_cast<int>(threadIdx.x); i <= ids_of_block(n) / 32; i += kSampleThreads)
      bits[i] = 0;
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < allowed.size; i += kSampleThreads) {
      const int place = place_of(allowed.data[i]);
      if (place >= 0) atomicOr(&bits[place / 32], 1u << place % 32);
    }
    __syncthreads();
    part.change([&](int id, float x) {
      const int place = id - cluster.block * ids_of_block(n);
      return (bits[place / 32] >> place % 32 & 1) != 0 ? x : -INFINITY;
    });
  }

  __device__ void mask(TokenIds ids) {
    for (int i = static_cast<int>(threadIdx.x); i < ids.size; i += kSampleThreads) {
      const int place = place_of(ids.data[i]);
      if (place >= 0) numbers[place] = -INFINITY;
    }
  }

  // ---- the choice: its id in one thread, kElsewhere in all others

  __device__ TokenId choose(uint64_t largest) {
    const RowRequest& request = shared.request;
    if (request.constraint.forced >= 0) return at_first_thread(request.constraint.forced);
    if (request.changes_logits) {
      change_logits();
      largest = combine_parts(survey(/*all_finite=*/false), Max{});
    }
    if (request.slot.temperature < kGreedyTemperature) return at_first_thread(id_of(largest));
    return draw(request.slot, largest);
  }

  __device__ TokenId draw(const SampleSlot& slot, uint64_t largest) {
    const Weighed* weighed = cluster.share(weigh(slot, number_of(largest)));
    const auto mass_of_part = [&](int i) { return weighed[i].mass; };
    uint64_t mass = combine_parts(mass_of_part, Plus{});
    // All masked: nothing to draw from. As greedy, the lowest id.
    if (mass == 0) return at_first_thread(id_of(largest));
    Cut cut;
    const auto keep = [&](const Cut& kept) {
      cut = kept;
      weighed = cluster.share(weigh_kept(cut));
      mass = combine_parts(mass_of_part, Plus{});
    };
    if (is_cut_by_top_k(slot, weighed)) keep(cut_of_top_k(slot, cut, weighed));
    if (slot.top_p < 1.0f) keep(cut_of_top_p(slot, cut, mass));

    const double u = sample_uniform(slot.seed, slot.choice, slot.num_output, /*draw=*/0);
    auto target = static_cast<uint64_t>(u * static_cast<double>(mass));
    if (find_exceeding(kSampleParts, target, mass_of_part) != cluster.part()) return kElsewhere;
    const int i = find_exceeding(part.size, target, [&](int j) -> uint64_t {
      return cut.keeps(__float_as_uint(part.x[j]), part.first + j) ? mass_of(part.x[j]) : 0;
    });
    return lane_index() == 0 ? part.first + i : kElsewhere;
  }

  // Numbers become weights relative to the largest, exp((x - max) / temperature), 0 where min_p is
  // not reached.
  __device__ Weighed weigh(const SampleSlot& slot, float max) {
    const float temperature = slot.temperature, min_p = slot.min_p;
    Weighed mine;
    part.change([&](int, float x) {
      const float distance = x - max;
      // A division is as long as exp, and it is mostly by 1.
      float weight = expf(temperature == 1.0f ? distance : distance / temperature);
      if (!(weight > kNoMass && weight >= min_p)) return 0.0f;
      weight = fminf(weight, 1.0f);
      mine.mass += mass_of(weight);
      ++mine.count;
      mine.heaviest = ::max(mine.heaviest, __float_as_uint(weight));
      return weight;
    });
    return {Plus{}.of_warp(mine.mass), __reduce_add_sync(~0u, mine.count),
            __reduce_max_sync(~0u, mine.heaviest)};
  }
  __device__ Weighed weigh_kept(const Cut& cut) {
    uint64_t mass = 0;
    part.visit([&](int id, float weight) {
      if (cut.keeps(__float_as_uint(weight), id)) mass += mass_of(weight);
    });
    return {.mass = Plus{}.of_warp(mass)};
  }

  __device__ bool is_cut_by_top_k(const SampleSlot& slot, const Weighed* weighed) {
    if (slot.top_k < 1) return false;
    const auto count_of_part = [&](int i) { return weighed[i].count; };
    return static_cast<uint64_t>(slot.top_k) < combine_parts(count_of_part, Plus{});
  }
  __device__ Cut cut_of_top_k(const SampleSlot& slot, const Cut& kept, const Weighed* weighed) {
    const auto heaviest_of_part = [&](int i) { return weighed[i].heaviest; };
    const uint64_t least = combine_parts(heaviest_of_part, Min{});
    // As many numbers as there are parts are at least that heavy.
    const uint32_t lowest = slot.top_k <= kSampleParts ? static_cast<uint32_t>(least) : 0;
    return keep_first<CountOfWeights>(cluster, shared.histogram, part, kept,
                                      static_cast<uint64_t>(slot.top_k), lowest, kLargestWeight);
  }
  __device__ Cut cut_of_top_p(const SampleSlot& slot, const Cut& kept, uint64_t kept_mass) {
    const double mass = static_cast<double>(kept_mass), share = ceil(slot.top_p * mass);
    const uint64_t wanted = share < 1 ? 1 : min(static_cast<uint64_t>(share), kept_mass);
    // If all were below this, they would be less than what may be left out.
    const double negligible = (1.0 - slot.top_p) * mass * 0x1p-44 / n / 2;
    return keep_first<MassOfWeights>(cluster, shared.histogram, part, kept, wanted,
                                     __float_as_uint(static_cast<float>(negligible)),
                                     kLargestWeight);
  }

  // ---- log-probabilities, of the logits as they came

  // All but the chosen id's, for which it returns what is to be subtracted. `ranks` are the parts'
  // largest.
  __device__ float write_logprobs(int row, const float* logits, uint64_t largest,
                                  const uint64_t* ranks) {
    const SampleSlot& slot = shared.request.slot;
    const int k = min(slot.num_logprobs, n);
    const uint32_t least_key = k > 0 ? key_of(combine_parts(ranks, Min{})) : 0;
    const float max = number_of(largest);
    uint64_t mass = 0;
    part.visit([&](int, float logit) { mass += mass_of(expf(logit - max)); });
    const double sum = static_cast<double>(cluster.combine(mass, Plus{})) * 0x1p-44;
    const float normalizer = max + static_cast<float>(log(sum));
    write_id_logprobs(row, slot.logprob_ids, logits, normalizer);
    // As many numbers as there are parts have that key or a larger one.
    static_assert(kTableSize <= kSampleParts);
    if (k > 0) write_likeliest(row, k, least_key, key_of(largest), normalizer);
    return normalizer;
  }

  __device__ void write_id_logprobs(int row, TokenIds ids, const float* logits, float normalizer) {
    float* const out = args.id_logprobs + int64_t{row} * args.max_logprob_ids;
    for (int i = cluster.block * kSampleThreads + static_cast<int>(threadIdx.x); i < ids.size;
         i += kSampleBlocks * kSampleThreads) {
      const TokenId id = ids.data[i];
      out[i] = has_token(id) ? logits[id] - normalizer : -INFINITY;
    }
  }

  // The first block puts the k likeliest of all blocks in order.
  __device__ void write_likeliest(int row, int k, uint32_t lowest_key, uint32_t largest_key,
                                  float normalizer) {
    const Cut cut = keep_first<CountOfLogits>(cluster, shared.histogram, part, Cut{.key = 0},
                                              static_cast<uint64_t>(k), lowest_key, largest_key);
    if (threadIdx.x == 0) shared.num_likeliest = 0;
    __syncthreads();
    part.visit([&](int id, float logit) {
      if (cut.keeps(ordered_bits(logit), id))
        shared.likeliest[atomicAdd(&shared.num_likeliest, 1)] = ranked(logit, id);
    });
    __syncthreads();
    const Exchange::Table* const ranks = cluster.share_table(
        [&](int i) { return i < shared.num_likeliest ? shared.likeliest[i] : 0; });
    if (cluster.block != 0) return;
    const int64_t first = int64_t{row} * args.max_logprobs;
    for (int i = static_cast<int>(threadIdx.x); i < kSampleBlocks * kTableSize;
         i += kSampleThreads) {
      const uint64_t rank = ranks[i / kTableSize][i % kTableSize];
      if (rank == 0) continue;
      int likelier = 0;
      for (int block = 0; block < kSampleBlocks; ++block)
        for (int j = 0; j < kTableSize && ranks[block][j] != 0; ++j)
          likelier += ranks[block][j] > rank;
      args.top_ids[first + likelier] = id_of(rank);
      args.top_logprobs[first + likelier] = number_of(rank) - normalizer;
    }
  }
};

// A cluster for each row that is the first of its slot, for the others behind it too.
__global__ void __launch_bounds__(kSampleThreads, 2) sample_kernel(const SampleArgs args) {
  extern __shared__ uint4 memory[];
  let_next_start();
  auto& shared = *reinterpret_cast<Shared*>(memory);
  if (threadIdx.x == 0) shared.exchange.init();
  __syncwarp();
  arrive_at_cluster_with_barriers();
  int row = static_cast<int>(blockIdx.x) / kSampleBlocks;
  const bool is_first = row == 0 || args.row_slots[row] != args.row_slots[row - 1];
  wait_for_previous();
  wait_for_cluster();
  if (!is_first) return;
  SampleCluster cluster{shared.exchange};
  for (;;) {
    int n = args.num_valid_tokens;
    asm volatile("" : "+r"(n));  // or else what follows from it takes registers from row to row
    RowSampler{args, shared, cluster, n}.sample(row);
    if (++row == args.num_rows || args.row_slots[row] != args.row_slots[row - 1]) return;
    __syncwarp();
    sync_cluster();  // the token is noted, and its row done with
  }
}

}  // namespace
}  // namespace cuda

void CudaBackend::sample(const SampleArgs& args) {
  CHECK(args.num_valid_tokens >= 1 && args.num_valid_tokens <= args.vocab_size,
        args.num_valid_tokens, " tokens in a vocabulary of ", args.vocab_size);
  CHECK(args.vocab_size <= cuda::kMostSampleIds, "a vocabulary of ", args.vocab_size,
        ", the kernel takes ", cuda::kMostSampleIds);
  CHECK(args.max_logprobs <= cuda::kTableSize, args.max_logprobs,
        " likeliest ids, the kernel finds ", cuda::kTableSize);
  const auto num_rows = static_cast<unsigned>(args.num_rows);
  cuda::launch_clusters_early(stream_, cuda::kSampleBlocks, num_rows * cuda::kSampleBlocks,
                              cuda::kSampleThreads, cuda::shared_bytes(args.num_valid_tokens),
                              cuda::sample_kernel, args);
}

}  // namespace glint
