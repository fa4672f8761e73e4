// Split-KV flash decoding of the absorbed form. A block keeps one token's heads and streams pages
// of 64 KV rows through shared memory. Cached rows are the M of both products and heads their N, so
// that 20 heads fill 20 of 24 columns: S^T = K Q^T, O^T = V^T P^T.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "backend/cuda/attention_decode.cuh"
#include "backend/cuda/attention_decode_plan.cuh"
#include "backend/cuda/ptx.cuh"
#include "backend/cuda/ptx_mma.cuh"

namespace glint::cuda {
namespace {

constexpr int kLatent = kDecodeLatent, kRow = 576;
constexpr int kTile = kDecodeTile;
constexpr int kThreads = 256, kWarps = kThreads / kWarp;
constexpr int kMaxFullItems = 3072;
constexpr int kManyRowHeads = 4 * 132;  // a warp for a group is a waste from here on
// Row strides in shared memory: 4 banks from row to row, so that ldmatrix meets no conflict.
constexpr int kRowStride = kRow + 8, kWeightStride = kTile + 8;
constexpr int kScoreStride = kTile + 4;
constexpr int kKHalf = kRow / 2;                   // S^T: 4 tiles of 16 rows x 2 halves of k
constexpr int kColumnsPerWarp = kLatent / kWarps;  // O^T
constexpr int kColumnTiles = kColumnsPerWarp / 16;

using Bf16 = __nv_bfloat16;

struct DecodeArgs {
  DecodeWork work;
  const Bf16* q;
  int64_t q_stride;
  bool q_is_aligned;  // to 16 bytes, every head
  int num_heads;
  const Bf16* kv;
  float scale_log2;  // scores in powers of two
  float* sums;       // [item, num_heads, kLatent]
  PartStats* stats;  // [item, num_heads]
};

template <int kHeadTiles>
struct Shared {
  static constexpr int kHeads = 8 * kHeadTiles;
  Bf16 kv[2][kTile][kRowStride];
  Bf16 query[kHeads][kRowStride];
  float scores[2][kHeads][kScoreStride];  // of each half of k
  Bf16 weights[kHeads][kWeightStride];
  PartStats split[kHeads], group[kHeads], row[kHeads];
  float rescale[kHeads];
  MergeScales scales[kHeads];
};

// Rows past the item's last become zeros and are not read.
__device__ void load_kv(const DecodeArgs& args, const DecodeCursor& at, Bf16 (*tile)[kRowStride]) {
  constexpr int kPieces = kRow / 8;
  const int64_t page = at.pages[at.position / kTile];
  const Bf16* from = args.kv + page * kTile * kRow;
  const int num_rows = at.num_rows();
  const uint32_t to = shared_address(tile);
  for (int i = static_cast<int>(threadIdx.x); i < kTile * kPieces; i += kThreads) {
    const int row = i / kPieces, column = i % kPieces * 8;
    copy_16_bytes(to + static_cast<uint32_t>(row * kRowStride + column) * sizeof(Bf16),
                  from + row * kRow + column, row < num_rows);
  }
}

__device__ void load_query(const DecodeArgs& args, int token, Bf16 (*query)[kRowStride]) {
  const Bf16* from = args.q + token * args.q_stride;
  const int thread = static_cast<int>(threadIdx.x), count = args.num_heads * kRow;
  if (args.q_is_aligned) {
    for (int i = 8 * thread; i < count; i += 8 * kThreads)
      copy_16_bytes(shared_address(&query[i / kRow][i % kRow]), from + i, true);
  } else {
    for (int i = thread; i < count; i += kThreads) query[i / kRow][i % kRow] = from[i];
  }
}

// scores[half][head][cached row]: this warp's 16 cached rows and half of the 576 products.
template <int kHeadTiles>
__device__ void score_tile(Shared<kHeadTiles>& shared, const Bf16 (*tile)[kRowStride]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp,
            warp = static_cast<int>(threadIdx.x) / kWarp;
  const int first_row = warp % 4 * 16, half = warp / 4;
  const uint32_t a = shared_address(&tile[first_row + lane % 16][half * kKHalf + lane / 16 * 8]);
  const uint32_t b = shared_address(&shared.query[lane % 8][half * kKHalf + lane / 8 * 8]);
  float sums[kHeadTiles][4] = {};
  for (int k = 0; k < kKHalf; k += 32) {
    const uint32_t offset = static_cast<uint32_t>(k) * sizeof(Bf16);
    uint32_t a0[4], a1[4];
    load_matrices(a0, a + offset);
    load_matrices(a1, a + offset + 16 * sizeof(Bf16));
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
      uint32_t q[4];
      load_matrices(q, b + offset + static_cast<uint32_t>(n * 8 * kRowStride) * sizeof(Bf16));
      multiply_add(sums[n], a0, q[0], q[1]);
      multiply_add(sums[n], a1, q[2], q[3]);
    }
  }
#pragma unroll
  for (int n = 0; n < kHeadTiles; ++n)
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int head = 8 * n + 2 * (lane % 4) + i % 2;
      shared.scores[half][head][first_row + lane / 4 + i / 2 * 8] = sums[n][i];
    }
}

// Scores to weights, and each head's running maximum and total; a warp has every eighth head.
template <int kHeadTiles>
__device__ void softmax_tile(Shared<kHeadTiles>& shared, int num_rows, float scale_log2) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp,
            warp = static_cast<int>(threadIdx.x) / kWarp;
  for (int head = warp; head < Shared<kHeadTiles>::kHeads; head += kWarps) {
    float score[2];
    for (int i = 0; i < 2; ++i) {
      const int row = lane + i * kWarp;
      const float sum = shared.scores[0][head][row] + shared.scores[1][head][row];
      score[i] = row < num_rows ? sum * scale_log2 : -INFINITY;
    }
    const PartStats old = shared.split[head];
    const float max = fmaxf(old.max, warp_max(fmaxf(score[0], score[1])));
    const float rescale = exp2f(old.max - max);
    for (float& x : score) x = exp2f(x - max);
    const float total = warp_sum(score[0] + score[1]);
    shared.weights[head][lane] = from_f32<Bf16>(score[0]);
    shared.weights[head][lane + kWarp] = from_f32<Bf16>(score[1]);
    __syncwarp();  // all have read `old`
    if (lane == 0) {
      shared.split[head] = {max, fmaf(old.total, rescale, total)};
      shared.rescale[head] = rescale;
    }
  }
}

// O^T: of this warp's 64 columns of the latents, per head.
template <int kHeadTiles>
struct Accumulator {
  float x[kColumnTiles][kHeadTiles][4] = {};

  // f(number, head, column)
  template <typename F>
  __device__ void for_each(F&& f) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int first = static_cast<int>(threadIdx.x) / kWarp * kColumnsPerWarp + lane / 4;
#pragma unroll
    for (int m = 0; m < kColumnTiles; ++m)
#pragma unroll
      for (int n = 0; n < kHeadTiles; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i)
          f(x[m][n][i], 8 * n + 2 * (lane % 4) + i % 2, first + 16 * m + i / 2 * 8);
  }
  // Merges `part` into this and empties it.
  __device__ void take(Accumulator& part, const MergeScales* scales) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
    for (int m = 0; m < kColumnTiles; ++m)
#pragma unroll
      for (int n = 0; n < kHeadTiles; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          float& other = part.x[m][n][i];
          x[m][n][i] = merged(x[m][n][i], other, scales[8 * n + 2 * (lane % 4) + i % 2]);
          other = 0;
        }
  }
};

template <int kHeadTiles>
__device__ void add_values(Shared<kHeadTiles>& shared, const Bf16 (*tile)[kRowStride],
                           Accumulator<kHeadTiles>& out) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp,
            warp = static_cast<int>(threadIdx.x) / kWarp;
  out.for_each([&](float& sum, int head, int) { sum *= shared.rescale[head]; });
  const uint32_t a =
      shared_address(&tile[lane % 8 + lane / 16 * 8][warp * kColumnsPerWarp + lane / 8 % 2 * 8]);
  const uint32_t b = shared_address(&shared.weights[lane % 8][lane / 8 * 8]);
#pragma unroll
  for (int row = 0; row < kTile; row += 32) {
    uint32_t p[kHeadTiles][4];
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n)
      load_matrices(p[n], b + static_cast<uint32_t>(n * 8 * kWeightStride + row) * sizeof(Bf16));
#pragma unroll
    for (int m = 0; m < kColumnTiles; ++m) {
      uint32_t v0[4], v1[4];
      const uint32_t at = a + static_cast<uint32_t>(row * kRowStride + 16 * m) * sizeof(Bf16);
      load_matrices_transposed(v0, at);
      load_matrices_transposed(v1, at + 16 * kRowStride * sizeof(Bf16));
#pragma unroll
      for (int n = 0; n < kHeadTiles; ++n) {
        multiply_add(out.x[m][n], v0, p[n][0], p[n][1]);
        multiply_add(out.x[m][n], v1, p[n][2], p[n][3]);
      }
    }
  }
}

// The stats of a part are merged into those of what it belongs to, and become empty;
// shared.scales say how their sums are.
template <int kHeadTiles>
__device__ void merge_into(Shared<kHeadTiles>& shared, PartStats* whole_stats, PartStats* stats) {
  const int head = static_cast<int>(threadIdx.x);
  if (head < Shared<kHeadTiles>::kHeads) {
    shared.scales[head] = merge(whole_stats[head], stats[head]);
    stats[head] = {-INFINITY, 0};
  }
  __syncthreads();
}

// Stores an item's result, and empties it.
template <int kHeadTiles>
__device__ void store(const DecodeArgs& args, int item, Accumulator<kHeadTiles>& sums,
                      PartStats* stats) {
  const int64_t first = static_cast<int64_t>(item) * args.num_heads;
  sums.for_each([&](float& sum, int head, int column) {
    if (head < args.num_heads) args.sums[(first + head) * kLatent + column] = sum;
    sum = 0;
  });
  const int head = static_cast<int>(threadIdx.x);
  if (head < Shared<kHeadTiles>::kHeads) {
    if (head < args.num_heads) args.stats[first + head] = stats[head];
    stats[head] = {-INFINITY, 0};
  }
}

// A group's result is merged into its row's, which waits in the item's place in device memory.
template <int kHeadTiles>
__device__ void merge_into_row(const DecodeArgs& args, const DecodeCursor& at,
                               Shared<kHeadTiles>& shared, Accumulator<kHeadTiles>& group) {
  merge_into(shared, shared.row, shared.group);
  const int64_t first = static_cast<int64_t>(at.item) * args.num_heads;
  const bool is_first = at.position < kGroup;
  group.for_each([&](float& sum, int head, int column) {
    if (head < args.num_heads) {
      float& row_sum = args.sums[(first + head) * kLatent + column];
      row_sum = merged(is_first ? 0.0f : row_sum, sum, shared.scales[head]);
    }
    sum = 0;
  });
  const int head = static_cast<int>(threadIdx.x);
  if (at.ends_item() && head < Shared<kHeadTiles>::kHeads) {
    if (head < args.num_heads) args.stats[first + head] = shared.row[head];
    shared.row[head] = {-INFINITY, 0};
  }
}

template <int kHeadTiles>
__device__ void begin_block(Shared<kHeadTiles>& shared, int num_heads) {
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < Shared<kHeadTiles>::kHeads)
    shared.split[thread] = shared.group[thread] = shared.row[thread] = {-INFINITY, 0};
  // Heads that are not there stay zeros.
  for (int i = num_heads * kRow + thread; i < Shared<kHeadTiles>::kHeads * kRow; i += kThreads)
    shared.query[i / kRow][i % kRow] = from_f32<Bf16>(0);
  __syncthreads();
}

template <int kHeadTiles>
__global__ void __launch_bounds__(kThreads, 1) attend_decode_kernel(DecodeArgs args) {
  let_next_start();
  wait_for_previous();
  extern __shared__ __align__(16) unsigned char shared_memory[];
  auto& shared = *reinterpret_cast<Shared<kHeadTiles>*>(shared_memory);
  DecodeCursor now{.plan = *args.work.plan}, next{.plan = now.plan};
  now.start(args.work, static_cast<int>(blockIdx.x));
  if (now.done()) return;
  begin_block(shared, args.num_heads);
  load_kv(args, now, shared.kv[0]);
  commit_copies();
  next = now;
  next.advance(args.work);

  Accumulator<kHeadTiles> split, group;
  for (int stage = 0; !now.done(); stage ^= 1) {
    if (now.begins_item()) load_query(args, now.token, shared.query);
    commit_copies();  // an empty group too: the wait counts groups
    if (!next.done()) load_kv(args, next, shared.kv[stage ^ 1]);
    commit_copies();
    wait_copies<1>();
    __syncthreads();
    score_tile(shared, shared.kv[stage]);
    __syncthreads();
    softmax_tile(shared, now.num_rows(), args.scale_log2);
    __syncthreads();
    add_values(shared, shared.kv[stage], split);
    if (now.ends(kSplit)) {
      if (now.plan.unit == kSplit) {
        store(args, now.item, split, shared.split);
      } else {
        merge_into(shared, shared.group, shared.split);
        group.take(split, shared.scales);
        if (now.plan.unit == kGroup && now.ends_item())
          store(args, now.item, group, shared.group);
        else if (now.plan.unit == kWholeRow && now.ends(kGroup)) {
          __syncthreads();  // the splits' scales have been read
          merge_into_row(args, now, shared, group);
        }
      }
    }
    __syncthreads();  // this stage, the query and the stats are free
    now = next;
    next.advance(args.work);
  }
}

template <int kHeadTiles>
void launch_decode(cudaStream_t stream, int num_sms, const DecodeArgs& args) {
  launch_early(stream, static_cast<unsigned>(num_sms), kThreads, sizeof(Shared<kHeadTiles>),
               attend_decode_kernel<kHeadTiles>, args);
}

bool is_aligned(const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; }

}  // namespace

bool is_for_attend_decode(const Matrix& q_row, int num_heads, const KvPages& kv,
                          const Matrix& o_latent) {
  const bool is_bf16 = q_row.type == NumberType::kBf16 && kv.type == NumberType::kBf16 &&
                       o_latent.type == NumberType::kBf16;
  return is_bf16 && kv.row_size == kRow && kv.page_size == kTile && num_heads <= 32 &&
         o_latent.cols == num_heads * kLatent && is_aligned(kv.data);
}

namespace {

DecodeSequences sequences_of(const StepView& step, RowList rows) {
  return {rows.data, rows.size, step.positions, step.token_sequence, step.page_begin, step.pages};
}

// A row cannot be longer than all pages together.
int most_full_items(int num_rows, const KvPages& kv) {
  const int64_t longest = static_cast<int64_t>(kv.num_pages) * kTile;
  return static_cast<int>(std::min<int64_t>(kMaxFullItems, num_rows * (longest / kSplit + 1)));
}

// The plan, then its rows.
DecodePlan* plan_in(Scratch& scratch, bool sealed, int num_rows) {
  const size_t bytes = sizeof(DecodePlan) + (static_cast<size_t>(num_rows) + 1) * sizeof(DecodeRow);
  return reinterpret_cast<DecodePlan*>(scratch.at_least<char>(bytes, sealed));
}
DecodeRow* rows_in(DecodePlan* plan) { return reinterpret_cast<DecodeRow*>(plan + 1); }

}  // namespace

void plan_attend_decode(cudaStream_t stream, int num_sms, Scratch& plan_scratch, bool sealed,
                        const StepView& step, RowList rows, const KvPages& kv) {
  if (rows.size == 0) return;
  DecodePlan* plan = plan_in(plan_scratch, sealed, rows.size);
  launch_early(stream, 1, kPlanThreads, 0, plan_decode, sequences_of(step, rows), num_sms,
               most_full_items(rows.size, kv), plan, rows_in(plan));
}

void attend_decode(cudaStream_t stream, int num_sms, const DecodeScratch& scratch,
                   const DecodeInputs& inputs, const Matrix& o_latent) {
  const int num_rows = inputs.rows.size, heads = inputs.num_heads;
  if (num_rows == 0) return;
  DecodePlan* plan = plan_in(scratch.plan, /*sealed=*/true, num_rows);
  const size_t item_heads = static_cast<size_t>(most_full_items(num_rows, inputs.kv) + num_rows) *
                            static_cast<size_t>(heads);
  float* sums = scratch.parts.at_least<float>(item_heads * (kLatent + 2), scratch.sealed);
  auto* stats = reinterpret_cast<PartStats*>(sums + item_heads * kLatent);
  const DecodeArgs args{
      .work = {num_rows, plan, rows_in(plan), inputs.step.pages},
      .q = static_cast<const Bf16*>(inputs.q_row.data),
      .q_stride = inputs.q_row.stride,
      .q_is_aligned = is_aligned(inputs.q_row.data) && inputs.q_row.stride % 8 == 0,
      .num_heads = heads,
      .kv = static_cast<const Bf16*>(inputs.kv.data),
      .scale_log2 = inputs.scale * std::numbers::log2e_v<float>,
      .sums = sums,
      .stats = stats};
  if (heads <= 8)
    launch_decode<1>(stream, num_sms, args);
  else if (heads <= 16)
    launch_decode<2>(stream, num_sms, args);
  else if (heads <= 24)
    launch_decode<3>(stream, num_sms, args);
  else
    launch_decode<4>(stream, num_sms, args);
  const DecodeParts parts{plan, rows_in(plan), sums, stats};
  const dim3 rows_heads(static_cast<unsigned>(num_rows), static_cast<unsigned>(heads));
  if (num_rows * heads >= kManyRowHeads) {
    launch_early(stream, rows_heads, dim3(kWarp, kLatent / kCombineColumns), 0, combine_many, parts,
                 rows_of<Bf16>(o_latent));
  } else {
    launch_early(stream, dim3(rows_heads.x, rows_heads.y, kLatent / kCombineColumns),
                 dim3(kWarp, kCombineWarps), 0, combine_decode, parts, rows_of<Bf16>(o_latent));
  }
}

}  // namespace glint::cuda
