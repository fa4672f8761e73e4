// Split-KV flash decoding of the absorbed form. A block keeps one token's heads and streams pages
// of 64 KV rows through shared memory:
//
//   producer warpgroup    pages and queries by the copy engine
//   consumer warpgroups   S^T = K Q^T, softmax in registers, O^T += V^T P^T
//
// Cached rows are the M of both products and heads their N, so that 20 heads fill 20 of 24 columns.
// Both warpgroups compute all of S^T, and each half of the columns of O^T: the second product costs
// as much, and they need nothing of each other.

#include <cmath>

#include "backend/cuda/attention_decode_kernel.cuh"
#include "backend/cuda/gemm.h"
#include "backend/cuda/wgmma.cuh"

namespace glint::cuda {
namespace {

constexpr int kLatent = kDecodeLatent, kRow = kDecodeRow;
constexpr int kTile = kDecodeTile;
constexpr int kWarpgroup = 128, kConsumers = 2;
constexpr int kConsumerWarps = kConsumers * kWarpgroup / kWarp;
constexpr int kThreads = (kConsumers + 1) * kWarpgroup;
constexpr int kStages = 2;
constexpr int kBoxes = kRow / 64;                     // of 64 columns, swizzled over 8 rows
constexpr int kOutBoxes = kLatent / 64 / kConsumers;  // of a warpgroup
// A tile lies in shared memory as eight slices of 8 rows, each one piece of device memory:
// [slice, box, 8 rows, 64 columns].
constexpr int kSlice = 8, kBoxBytes = kSlice * 128, kSliceBytes = kBoxes * kBoxBytes;

enum Level { kOfGroup, kOfRow, kLevels };  // what parts become

template <int kHeadTiles>
struct Shared {
  static constexpr int kHeads = 8 * kHeadTiles;
  static constexpr int kHeadBoxBytes = kHeads * 128;
  char kv[kStages][kTile / kSlice][kSliceBytes];
  char query[kBoxes][kHeadBoxBytes];
  char weights[kConsumers][kHeadBoxBytes];   // of a tile's 64 rows
  float exchange[kConsumers][2][4][kHeads];  // between the warps of a warpgroup
  // Of what waits for parts to come, of each warp, so that registers are left to the sums.
  PartStats stats[kConsumerWarps][kLevels][kHeads];
  DecodeItem items[2];  // one is read while the next is written
  Barrier kv_full[kStages], kv_empty[kStages];
  Barrier query_full, query_empty;  // with its item
};
template <int kHeadTiles>
constexpr size_t shared_bytes() {
  return sizeof(Shared<kHeadTiles>) + 1024;
}
static_assert(shared_bytes<4>() <= 227 * 1024);

// A stage and the parity of its phase.
struct Ring {
  int stage = 0;
  uint32_t parity = 0;
  __device__ void advance() {
    if (++stage == kStages) stage = 0, parity ^= 1;
  }
};

// The first num_rows rows of a page, and up to the end of their slice.
template <int kHeadTiles>
__device__ void load_page(Shared<kHeadTiles>& shared, const CUtensorMap& map, const Ring& ring,
                          int page, int num_rows) {
  shared.kv_empty[ring.stage].wait(ring.parity ^ 1);
  Barrier& full = shared.kv_full[ring.stage];
  const int slices = (num_rows + kSlice - 1) / kSlice;
  full.arrive_expecting(slices * kSliceBytes);
#pragma unroll 1
  for (int slice = 0; slice < slices; ++slice)
    load_tile(shared.kv[ring.stage][slice], map, full, evict_first(), 0,
              page * kTile + slice * kSlice, 0);
}

// The item, too, for the consumers.
template <int kHeadTiles>
__device__ void load_query(Shared<kHeadTiles>& shared, const CUtensorMap& map,
                           const DecodeItem& item, int count) {
  shared.query_empty.wait(count % 2 ^ 1);
  shared.items[count % 2] = item;
  shared.query_full.arrive_expecting(sizeof shared.query);
#pragma unroll 1
  for (int box = 0; box < kBoxes; ++box)
    load_tile(shared.query[box], map, shared.query_full, evict_normal(), 64 * box, 0, item.token);
}

// One thread. The pages of an item's first tile go before its query, whose place is free later.
template <int kHeadTiles>
__device__ void produce(const DecodeWork& work, Shared<kHeadTiles>& shared,
                        const CUtensorMap& kv_map, const CUtensorMap& query_map) {
  const int stride = static_cast<int>(gridDim.x);
  int index = static_cast<int>(blockIdx.x);
  DecodeItem next = work.items[index];  // there is one, if with no meaning
  const int num_items = work.plan->num_items;
  Ring ring;
#pragma unroll 1
  for (int count = 0; index < num_items; ++count) {
    const DecodeItem item = next;
    index += stride;
    if (index < num_items) next = work.items[index];
    const int32_t* pages = work.pages + item.page_begin + item.begin / kTile;
    const int num_tiles = item.num_tiles();
    int page = item.first_page;
#pragma unroll 1
    for (int tile = 0; tile < num_tiles; ++tile) {
      const int now = page;
      if (tile + 1 < num_tiles) page = pages[tile + 1];
      load_page(shared, kv_map, ring, now, min(kTile, item.end - item.begin - tile * kTile));
      ring.advance();
      if (tile == 0) load_query(shared, query_map, item, count);
    }
    if (num_tiles == 0) load_query(shared, query_map, item, count);
  }
}

// Of some of a row's cached rows: the sums of this warp's 64 latents in 4 boxes of 64, laid out as
// wgmma.cuh says, columns being heads.
template <int kHeadTiles>
struct Sums {
  float of_box[kOutBoxes][4 * kHeadTiles];
};
// And of this thread's heads, 8 j + 2 (lane % 4) + c at 2 j + c.
template <int kHeadTiles>
struct Stats {
  PartStats of_head[2 * kHeadTiles];
};
// One of the two warpgroups that attend.
template <int kHeadTiles>
struct Consumer {
  static constexpr int kHeads = 8 * kHeadTiles;
  static constexpr int kSums = 4 * kHeadTiles, kStats = 2 * kHeadTiles;
  using Heads = float[kStats];  // a number for each of this thread's heads
  using Sums = cuda::Sums<kHeadTiles>;
  using Stats = cuda::Stats<kHeadTiles>;

  Shared<kHeadTiles>& shared;
  int warpgroup, warp, lane;  // in the block; in the warpgroup; in the warp
  float scale_log2;
  Ring ring;

  __device__ Consumer(Shared<kHeadTiles>& memory, float scale)
      // One value for the warp, for the compiler too: descriptors are made in uniform registers.
      : shared(memory),
        warpgroup(__shfl_sync(~0u, static_cast<int>(threadIdx.x) / kWarpgroup, 0)),
        warp(static_cast<int>(threadIdx.x) % kWarpgroup / kWarp),
        lane(static_cast<int>(threadIdx.x) % kWarp),
        scale_log2(scale) {}

  // scores = K Q^T of the stage.
  __device__ void multiply_keys(float (&scores)[kSums]) {
    const uint64_t a = matrix_descriptor(shared_address(shared.kv[ring.stage]), kSliceBytes);
    const uint64_t b = matrix_descriptor(shared_address(shared.query));
    shared.kv_full[ring.stage].wait(ring.parity);
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < kRow / 16; ++k)
      Wgmma<kHeads>::multiply(scores, a + k / 4 * (kBoxBytes / 16) + k % 4 * 2,
                              b + k / 4 * (Shared<kHeadTiles>::kHeadBoxBytes / 16) + k % 4 * 2,
                              k > 0);
    wgmma_commit();
    wgmma_wait<0>();
    pin(scores);
  }

  // Each head's numbers of all rows of the warpgroup's warps become one by f, in a fixed order.
  // `buffer` is another one than the call before had.
  template <typename F>
  __device__ void reduce(Heads& x, int buffer, F&& f) {
    auto& by_warp = shared.exchange[warpgroup][buffer];
#pragma unroll
    for (int offset = 4; offset < kWarp; offset *= 2)
#pragma unroll
      for (float& number : x) number = f(number, __shfl_xor_sync(~0u, number, offset));
    if (lane < 4) {
#pragma unroll
      for (int j = 0; j < kHeadTiles; ++j)
        *reinterpret_cast<float2*>(&by_warp[warp][8 * j + 2 * lane]) = {x[2 * j], x[2 * j + 1]};
    }
    sync_warpgroup(warpgroup);
#pragma unroll
    for (int j = 0; j < kHeadTiles; ++j) {
      float2 of_warp[4];
#pragma unroll
      for (int w = 0; w < 4; ++w)
        of_warp[w] = *reinterpret_cast<const float2*>(&by_warp[w][8 * j + lane % 4 * 2]);
      x[2 * j] = f(f(of_warp[0].x, of_warp[1].x), f(of_warp[2].x, of_warp[3].x));
      x[2 * j + 1] = f(f(of_warp[0].y, of_warp[1].y), f(of_warp[2].y, of_warp[3].y));
    }
  }

  // Scores to weights. `stats` get the new maximum, and of the totals what this thread's rows add;
  // rescale is for what was summed before.
  __device__ void softmax(float (&scores)[kSums], int num_rows, Stats& stats, Heads& rescale) {
    Heads max;
#pragma unroll
    for (int i = 0; i < kSums; ++i) {
      const int row = 16 * warp + lane / 4 + i / 2 % 2 * 8;
      scores[i] = row < num_rows ? scores[i] * scale_log2 : -INFINITY;
    }
#pragma unroll
    for (int h = 0; h < kStats; ++h)
      max[h] = fmaxf(scores[h / 2 * 4 + h % 2], scores[h / 2 * 4 + h % 2 + 2]);
    reduce(max, 0, [](float a, float b) { return fmaxf(a, b); });
#pragma unroll
    for (int h = 0; h < kStats; ++h) {
      PartStats& of_head = stats.of_head[h];
      max[h] = fmaxf(of_head.max, max[h]);
      rescale[h] = fast_exp2(of_head.max - max[h]);
      float& first = scores[h / 2 * 4 + h % 2];
      float& second = scores[h / 2 * 4 + h % 2 + 2];
      first = fast_exp2(first - max[h]);
      second = fast_exp2(second - max[h]);
      of_head = {max[h], fmaf(of_head.total, rescale[h], first + second)};
    }
  }

  // To shared memory as the operand P^T: a head's 64 weights side by side, in pieces of eight that
  // are exchanged as the copy engine's swizzle does.
  __device__ void store_weights(const float (&scores)[kSums]) {
    const int piece = 2 * warp + lane / 8 % 2;
    const uint32_t to = shared_address(shared.weights[warpgroup]) +
                        static_cast<uint32_t>(lane % 8 * 128 + (piece ^ lane % 8) * 16);
#pragma unroll
    for (int j = 0; j < kHeadTiles; ++j) {
      const uint32_t pairs[2] = {packed(scores[4 * j], scores[4 * j + 1]),
                                 packed(scores[4 * j + 2], scores[4 * j + 3])};
      store_matrices_transposed(to + j * 8 * 128, pairs);
    }
  }

  // Rows from `begin` on may hold anything, and a weight of zero does not make a NaN nothing. In
  // this warpgroup's columns: scores of such rows are not looked at.
  __device__ void clear_rows(int begin) {
    constexpr int kPieces = kOutBoxes * 8;  // of a row, 16 bytes each
#pragma unroll 1
    for (int i = warp * kWarp + lane; i < (kTile - begin) * kPieces; i += kWarpgroup) {
      const int row = begin + i / kPieces, piece = i % kPieces;
      char* box =
          shared.kv[ring.stage][row / kSlice] + (warpgroup * kOutBoxes + piece / 8) * kBoxBytes;
      *reinterpret_cast<uint4*>(box + row % kSlice * 128 + piece % 8 * 16) = {0, 0, 0, 0};
    }
  }

  // sums += V^T P^T
  __device__ void multiply_values(Sums& sums, bool is_first) {
    const uint64_t b = matrix_descriptor(shared_address(shared.weights[warpgroup]));
    const uint64_t a = transposed_descriptor(
        shared_address(shared.kv[ring.stage][0] + warpgroup * kOutBoxes * kBoxBytes), 0,
        kSliceBytes);
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < kTile / 16; ++k)
#pragma unroll
      for (int m = 0; m < kOutBoxes; ++m)
        Wgmma<kHeads>::template multiply<true>(
            sums.of_box[m], a + m * (kBoxBytes / 16) + k * (2 * kSliceBytes / 16), b + 2 * k,
            !is_first || k > 0);
    wgmma_commit();
    wgmma_wait<0>();
#pragma unroll
    for (int m = 0; m < kOutBoxes; ++m) pin(sums.of_box[m]);
  }

  // The next tile, of which num_rows rows count. `is_last` of the item: the query is free.
  __device__ void attend_tile(Sums& sums, Stats& stats, int num_rows, bool is_first, bool is_last) {
    float scores[kSums];
    multiply_keys(scores);
    if (is_last && lane == 0) shared.query_empty.arrive();
    Heads rescale;
    softmax(scores, num_rows, stats, rescale);
    store_weights(scores);
    if (num_rows < kTile) clear_rows(num_rows);
    fence_async_proxy();
    if (!is_first) {
#pragma unroll
      for (int m = 0; m < kOutBoxes; ++m)
#pragma unroll
        for (int i = 0; i < kSums; ++i) sums.of_box[m][i] *= rescale[i / 4 * 2 + i % 2];
    }
    sync_warpgroup(warpgroup);
    multiply_values(sums, is_first);
    if (lane == 0) shared.kv_empty[ring.stage].arrive();
    ring.advance();
  }

  // Cached rows [begin, end) of an item that ends at item_end.
  __device__ void attend_split(Sums& sums, Stats& stats, int begin, int end, int item_end) {
#pragma unroll
    for (PartStats& of_head : stats.of_head) of_head = {-INFINITY, 0};
#pragma unroll 1
    for (int at = begin; at < end; at += kTile)
      attend_tile(sums, stats, min(kTile, end - at), at == begin, at + kTile >= item_end);
    Heads totals;
#pragma unroll
    for (int h = 0; h < kStats; ++h) totals[h] = stats.of_head[h].total;
    reduce(totals, 1, [](float a, float b) { return a + b; });
#pragma unroll
    for (int h = 0; h < kStats; ++h) stats.of_head[h].total = totals[h];
  }

  __device__ void keep(Level level, const Stats& stats) {
    __syncwarp();  // all have read what was there
    if (lane < 4) {
#pragma unroll
      for (int h = 0; h < kStats; ++h) kept(level)[h / 2 * 8 + lane * 2 + h % 2] = stats.of_head[h];
    }
    __syncwarp();
  }
  __device__ Stats stats_of(Level level) {
    Stats stats;
#pragma unroll
    for (int h = 0; h < kStats; ++h)
      stats.of_head[h] = kept(level)[h / 2 * 8 + lane % 4 * 2 + h % 2];
    return stats;
  }
  __device__ PartStats* kept(Level level) { return shared.stats[warpgroup * 4 + warp][level]; }

  // A part joins what came before it; the first is taken as it is.
  __device__ void take(Level level, Sums& whole, const Sums& part, const Stats& part_stats,
                       bool is_first) {
    if (is_first) {
      whole = part;
      return keep(level, part_stats);
    }
    Stats stats = stats_of(level);
    MergeScales scales[kStats];
#pragma unroll
    for (int h = 0; h < kStats; ++h) scales[h] = merge(stats.of_head[h], part_stats.of_head[h]);
    keep(level, stats);
#pragma unroll
    for (int m = 0; m < kOutBoxes; ++m)
#pragma unroll
      for (int i = 0; i < kSums; ++i) {
        float& sum = whole.of_box[m][i];
        sum = merged(sum, part.of_box[m][i], scales[i / 4 * 2 + i % 2]);
      }
  }

  // What an item's groups come to: its sums, and its stats as those of kOfRow.
  __device__ void attend_item(Sums& row, const DecodeItem& item) {
    Sums group, split;
    Stats stats;
#pragma unroll 1
    for (int begin = item.begin, end; begin < item.end; begin = end) {
      end = min(item.end, begin / kGroup * kGroup + kGroup);
#pragma unroll 1
      for (int at = begin; at < end; at += kSplit) {
        attend_split(split, stats, at, min(at + kSplit, end), item.end);
        take(kOfGroup, group, split, stats, at == begin);
      }
      take(kOfRow, row, group, stats_of(kOfGroup), begin == item.begin);
    }
  }

  // f(sum, index of its head's stats, head, column) for this thread's numbers.
  template <typename F>
  __device__ void for_each(const Sums& sums, F&& f) {
    const int first = warpgroup * kOutBoxes * 64 + warp * 16 + lane / 4;
#pragma unroll
    for (int i = 0; i < kSums; ++i)
#pragma unroll
      for (int m = 0; m < kOutBoxes; ++m)
        f(sums.of_box[m][i], i / 4 * 2 + i % 2, i / 4 * 8 + lane % 4 * 2 + i % 2,
          first + 64 * m + i / 2 % 2 * 8);
  }

  __device__ void store_part(const DecodeArgs& args, const Sums& sums, int item) {
    const int64_t first = static_cast<int64_t>(item) * args.num_heads;
    for_each(sums, [&](float sum, int, int head, int column) {
      if (head < args.num_heads) args.sums[(first + head) * kLatent + column] = sum;
    });
    const auto head = static_cast<int>(threadIdx.x);  // of the first warp
    if (head < min(kWarp, args.num_heads)) args.stats[first + head] = kept(kOfRow)[head];
  }

  __device__ void store_row(const DecodeArgs& args, const Sums& sums, const DecodeItem& item) {
    Bf16* to = args.out[item.token];
    const bool is_empty = item.end == 0;
    const Stats stats = stats_of(kOfRow);
    Heads shares;
#pragma unroll
    for (int h = 0; h < kStats; ++h) shares[h] = 1 / stats.of_head[h].total;
    for_each(sums, [&](float sum, int h, int head, int column) {
      if (head < args.num_heads)
        to[head * kLatent + column] = from_f32<Bf16>(is_empty ? 0.0f : sum * shares[h]);
    });
  }
};

template <int kHeadTiles>
__device__ void consume(const DecodeArgs& args, Shared<kHeadTiles>& shared) {
  Consumer<kHeadTiles> consumer(shared, args.scale_log2);
  const int num_items = args.work.plan->num_items;
  int index = static_cast<int>(blockIdx.x);
  for (uint32_t count = 0; index < num_items; ++count, index += static_cast<int>(gridDim.x)) {
    shared.query_full.wait(count % 2);
    const DecodeItem& item = shared.items[count % 2];
    Sums<kHeadTiles> row;
    if (item.end == 0 && consumer.lane == 0) shared.query_empty.arrive();
    consumer.attend_item(row, item);
    if (item.is_only)
      consumer.store_row(args, row, item);
    else
      consumer.store_part(args, row, index);
  }
}

template <int kHeadTiles>
__global__ void __launch_bounds__(kThreads, 1)
    attend_decode_kernel(const DecodeArgs args, const __grid_constant__ CUtensorMap kv_map,
                         const __grid_constant__ CUtensorMap query_map) {
  extern __shared__ char memory[];
  auto& shared = *reinterpret_cast<Shared<kHeadTiles>*>(
      memory + (1024 - shared_address(memory) % 1024) % 1024);
  if (threadIdx.x == 0) {
    for (int s = 0; s < kStages; ++s) {
      shared.kv_full[s].init(1);
      shared.kv_empty[s].init(kConsumerWarps);
    }
    shared.query_full.init(1);
    shared.query_empty.init(kConsumerWarps);
    fence_barrier_init();
  }
  if (threadIdx.x == kConsumers * kWarpgroup) {
    prefetch_map(kv_map);
    prefetch_map(query_map);
  }
  __syncthreads();
  wait_for_previous();
  let_next_start();  // here: the plan is complete when those start who merge the parts
  if (threadIdx.x >= kConsumers * kWarpgroup) {
    give_registers<40>();
    if (threadIdx.x == kConsumers * kWarpgroup) produce(args.work, shared, kv_map, query_map);
  } else {
    take_registers<232>();
    consume(args, shared);
  }
}

template <int kHeadTiles>
void launch_decode(cudaStream_t stream, int num_sms, const DecodeInputs& inputs,
                   const DecodeArgs& args) {
  launch_early(stream, static_cast<unsigned>(num_sms), kThreads, shared_bytes<kHeadTiles>(),
               attend_decode_kernel<kHeadTiles>, args, map_of_pages(inputs.kv, kSlice),
               map_of_heads(inputs.q_row, inputs.num_heads, 8 * kHeadTiles));
}

}  // namespace

void attend_items(cudaStream_t stream, int num_sms, const DecodeInputs& inputs,
                  const DecodeArgs& args) {
  if (args.num_heads <= 8)
    launch_decode<1>(stream, num_sms, inputs, args);
  else if (args.num_heads <= 16)
    launch_decode<2>(stream, num_sms, inputs, args);
  else if (args.num_heads <= 24)
    launch_decode<3>(stream, num_sms, inputs, args);
  else
    launch_decode<4>(stream, num_sms, inputs, args);
}

}  // namespace glint::cuda
