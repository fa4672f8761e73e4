// Split-KV flash decoding of the absorbed form. A block keeps one token's heads and streams pages
// of 64 KV rows through shared memory:
//
//   producer warpgroup    pages and queries by the copy engine
//   consumer warpgroups   S^T = K Q^T, softmax, O^T = V^T P^T
//
// Cached rows are the M of both products and heads their N, so that 20 heads fill 20 of 24 columns.
// A product of 64 x 24 x 16 waits for 2 KB of K or V, not for the tensor cores, so none is made
// twice: each warpgroup has half of the k of S^T and half of the columns of O^T, and between the
// two, by way of shared memory, each of the eight warps has the softmax of its own heads.

#include <cmath>

#include "backend/cuda/attention_decode_kernel.cuh"
#include "backend/cuda/attention_decode_load.cuh"
#include "backend/cuda/gemm.h"
#include "backend/cuda/wgmma.cuh"

namespace glint::cuda {
namespace decode {
namespace {

// Of some of a row's cached rows: the sums of this warp's 64 latents in 4 boxes of 64, laid out as
// wgmma.cuh says, columns being heads.
template <int kHeadTiles>
struct Sums {
  float of_box[kOutBoxes][4 * kHeadTiles];
};
// Of this thread's heads, 8 j + 2 (lane % 4) + c at 2 j + c.
template <int kHeadTiles>
struct Scales {
  float first[2 * kHeadTiles], second[2 * kHeadTiles];
  __device__ MergeScales operator[](int h) const { return {first[h], second[h]}; }
};

// The largest of the warp's numbers: integers in the order of floats have an instruction for it.
__device__ inline float largest_of_warp(float x) {
  const auto flipped = [](int bits) { return bits ^ (bits >> 31 & INT_MAX); };
  return __int_as_float(flipped(__reduce_max_sync(~0u, flipped(__float_as_int(x)))));
}

// A thread of the two warpgroups that attend.
template <int kHeadTiles>
struct Consumer {
  static constexpr int kHeads = 8 * kHeadTiles;
  static constexpr int kSums = 4 * kHeadTiles;
  static constexpr int kQueries = Shared<kHeadTiles>::kQueries;
  using Heads = float[kHeadTiles];  // a number for each of the warp's heads
  using Sums = decode::Sums<kHeadTiles>;
  using Scales = decode::Scales<kHeadTiles>;

  Shared<kHeadTiles>& shared;
  int warpgroup, warp, lane;  // in the block; among all that attend; in the warp
  int first_head;             // of the warp's
  float scale_log2;
  RingCursor ring;
  int query = 0;
  PartStats group, row;  // of head first_head + lane, in lanes that have one

  __device__ Consumer(Shared<kHeadTiles>& memory, float scale)
      // One value for the warp, for the compiler too: descriptors are made in uniform registers.
      : shared(memory),
        warpgroup(__shfl_sync(~0u, static_cast<int>(threadIdx.x) / kWarpgroup, 0)),
        warp(__shfl_sync(~0u, static_cast<int>(threadIdx.x) / kWarp, 0)),
        lane(static_cast<int>(threadIdx.x) % kWarp),
        first_head(warp * kHeadTiles),
        scale_log2(scale) {}

  __device__ static void sync() { sync_threads(1, kConsumerThreads); }

  // Number i of a product is of this head, and of this of its 64 rows.
  __device__ int head_of(int i) const { return i / 4 * 8 + lane % 4 * 2 + i % 2; }
  __device__ int row_of(int i) const { return warp % 4 * 16 + lane / 4 + i / 2 % 2 * 8; }

  // This warpgroup's half of k: four boxes of latents, and two products of the rotated numbers.
  __device__ void multiply_keys() {
    constexpr int kHeadBoxBytes = Shared<kHeadTiles>::kHeadBoxBytes;
    const uint64_t tile = matrix_descriptor(shared_address(shared.kv[ring.at]), kSliceBytes);
    const uint64_t heads = matrix_descriptor(shared_address(shared.query[query]));
    uint64_t keys = further(tile, warpgroup * kOutBoxes * kBoxBytes);
    uint64_t q = further(heads, warpgroup * kOutBoxes * kHeadBoxBytes);
    const uint64_t rotated_keys = further(tile, 8 * kBoxBytes + 64 * warpgroup);
    const uint64_t rotated_q = further(heads, 8 * kHeadBoxBytes + 64 * warpgroup);
    float sums[kSums];
    shared.kv_full[ring.at].wait(ring.parity);
#pragma unroll 1
    for (int box = 0; box < kOutBoxes; ++box) {
      wgmma_fence();
#pragma unroll
      for (int k = 0; k < 4; ++k)
        Wgmma<kHeads>::multiply(sums, further(keys, 32 * k), further(q, 32 * k), box + k > 0);
      keys = further(keys, kBoxBytes), q = further(q, kHeadBoxBytes);
    }
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < 2; ++k)
      Wgmma<kHeads>::multiply(sums, further(rotated_keys, 32 * k), further(rotated_q, 32 * k), 1);
    wgmma_commit();
    wgmma_wait<0>();
    pin(sums);
#pragma unroll
    for (int i = 0; i < kSums; ++i) shared.scores[warpgroup][head_of(i)][row_of(i)] = sums[i];
  }

  __device__ void release_query() {
    arrive_as_warp(shared.query_empty[query]);  // all lanes have seen it come and read the item
  }

  // Scores of the warp's heads to weights. `max` and `total` are the tile's; of the total, what
  // this thread's two rows add.
  __device__ void weigh(int num_rows, Heads& max, Heads& total) {
    float first[kHeadTiles], second[kHeadTiles];
#pragma unroll
    for (int j = 0; j < kHeadTiles; ++j) {
      const auto half = [&](int w) {
        return *reinterpret_cast<const float2*>(&shared.scores[w][first_head + j][2 * lane]);
      };
      const float2 x = half(0), y = half(1);
      first[j] = 2 * lane < num_rows ? (x.x + y.x) * scale_log2 : -INFINITY;
      second[j] = 2 * lane + 1 < num_rows ? (x.y + y.y) * scale_log2 : -INFINITY;
    }
#pragma unroll
    for (int j = 0; j < kHeadTiles; ++j) max[j] = largest_of_warp(fmaxf(first[j], second[j]));
#pragma unroll
    for (int j = 0; j < kHeadTiles; ++j) {
      first[j] = fast_exp2(first[j] - max[j]);
      second[j] = fast_exp2(second[j] - max[j]);
      total[j] = first[j] + second[j];
    }
    // The operand P^T: a head's 64 weights side by side.
#pragma unroll
    for (int j = 0; j < kHeadTiles; ++j) {
      const int head = first_head + j;
      char* piece = shared.weights + swizzled(head, lane / 4);
      reinterpret_cast<uint32_t*>(piece)[lane % 4] = packed(first[j], second[j]);
    }
  }

  // The number of head first_head + lane.
  __device__ float own(const Heads& x) const {
    float of_lane = x[0];
#pragma unroll
    for (int j = 1; j < kHeadTiles; ++j) of_lane = lane == j ? x[j] : of_lane;
    return of_lane;
  }

  // How all threads are to merge the tile into its group, and that into the row if it is the last.
  __device__ void say_scales(float tile_max) {
    if (lane >= kHeadTiles) return;
    const int head = first_head + lane;
    shared.scales[kOfGroup][head] = merge_scales(group.max, tile_max);
    shared.scales[kOfRow][head] = merge_scales(row.max, fmaxf(group.max, tile_max));
  }
  __device__ Scales scales(Level level) const {
    Scales scales;
#pragma unroll
    for (int j = 0; j < kHeadTiles; ++j) {
      const MergeScales* of_heads = &shared.scales[level][8 * j + lane % 4 * 2];
      const float4 both = *reinterpret_cast<const float4*>(of_heads);
      scales.first[2 * j] = both.x, scales.second[2 * j] = both.y;
      scales.first[2 * j + 1] = both.z, scales.second[2 * j + 1] = both.w;
    }
    return scales;
  }

  // Rows from `begin` on may hold anything, and a weight of zero does not make a NaN nothing. Up to
  // the last that a product takes; scores of such rows are not looked at.
  __device__ void clear_rows(int begin) {
    constexpr int kPieces = kLatent / 8;  // of a row, 16 bytes each
    const int end = (begin + kStep - 1) / kStep * kStep;
#pragma unroll 1
    for (int i = warp * kWarp + lane; i < (end - begin) * kPieces; i += kConsumerThreads) {
      const int cleared = begin + i / kPieces, piece = i % kPieces;
      char* box = shared.kv[ring.at][cleared / kSlice] + piece / 8 * kBoxBytes;
      *reinterpret_cast<uint4*>(box + cleared % kSlice * 128 + piece % 8 * 16) = {0, 0, 0, 0};
    }
  }

  // Starts sums = V^T P^T of the tile's rows; all but the last step is done.
  __device__ void start_values(Sums& sums, int steps) {
    uint64_t weights = matrix_descriptor(shared_address(shared.weights));
    uint64_t values = transposed_descriptor(
        shared_address(shared.kv[ring.at][0] + warpgroup * kOutBoxes * kBoxBytes), 0, kSliceBytes);
#pragma unroll 1
    for (int step = 0; step < steps; ++step) {
      wgmma_fence();
#pragma unroll
      for (int m = 0; m < kOutBoxes; ++m)
        Wgmma<kHeads>::template multiply<true>(sums.of_box[m], further(values, m * kBoxBytes),
                                               weights, step > 0);
      wgmma_commit();
      values = further(values, kStep / kSlice * kSliceBytes), weights = further(weights, 2 * kStep);
      if (step == 0) continue;
      wgmma_wait<1>();
      release_rows(step - 1);
    }
  }
  __device__ void finish_values(Sums& sums, int steps) {
    wgmma_wait<0>();
#pragma unroll
    for (int m = 0; m < kOutBoxes; ++m) pin(sums.of_box[m]);
#pragma unroll 1
    for (int step = steps - 1; step < kSteps; ++step) release_rows(step);
    ring.advance(kStages);
  }
  __device__ void release_rows(int step) {
    if (lane == 0) shared.kv_empty[ring.at][step].arrive();
  }

  // The tile joins its group, of each of the warp's heads in its lane.
  __device__ void take_stats(float tile_max, Heads& total) {
#pragma unroll
    for (int offset = kWarp / 2; offset > 0; offset /= 2)
#pragma unroll
      for (int j = 0; j < kHeadTiles; ++j) total[j] += __shfl_xor_sync(~0u, total[j], offset);
    merge(group, {tile_max, own(total)});
  }

  __device__ static void clear(Sums& sums) {
#pragma unroll
    for (int m = 0; m < kOutBoxes; ++m)
#pragma unroll
      for (float& sum : sums.of_box[m]) sum = 0;
  }
  __device__ static void take(Sums& whole, const Sums& part, const Scales& scales) {
#pragma unroll
    for (int m = 0; m < kOutBoxes; ++m)
#pragma unroll
      for (int i = 0; i < kSums; ++i) {
        float& sum = whole.of_box[m][i];
        sum = merged(sum, part.of_box[m][i], scales[i / 4 * 2 + i % 2]);
      }
  }

  // The next tile, of which num_rows rows count. `is_last` of the item: the query is free.
  __device__ void attend_tile(Sums& group_sums, int num_rows, bool is_last) {
    multiply_keys();
    if (is_last) release_query();
    sync();
    Heads max, total;
    weigh(num_rows, max, total);
    say_scales(own(max));
    if (num_rows < kTile) clear_rows(num_rows);
    fence_async_proxy();
    sync();
    Sums tile_sums;
    const int steps = (num_rows + kStep - 1) / kStep;
    start_values(tile_sums, steps);
    take_stats(own(max), total);
    const Scales to = scales(kOfGroup);
    finish_values(tile_sums, steps);
    take(group_sums, tile_sums, to);
  }

  // The item's groups to row_sums, of which group_sums are the last.
  __device__ void attend(const DecodeItem& item, Sums& row_sums, Sums& group_sums) {
    if (item.end == 0) release_query();
    clear(row_sums);
    row = kNothing;
#pragma unroll 1
    for (int begin = item.begin, end; begin < item.end; begin = end) {
      end = min(item.end, begin + item.group_rows);
      clear(group_sums);
      group = kNothing;
#pragma unroll 1
      for (int at = begin; at < end; at += kTile)
        attend_tile(group_sums, min(kTile, end - at), at + kTile >= item.end);
      if (item.part >= 0) return;
      take(row_sums, group_sums, scales(kOfRow));
      merge(row, group);
    }
  }

  __device__ void store_part(const DecodeArgs& args, const Sums& sums, int part) {
    const int64_t first = static_cast<int64_t>(part) * args.num_heads;
#pragma unroll
    for (int i = 0; i < kSums; ++i) {
      const int head = head_of(i);
      if (head >= args.num_heads) continue;
      float* to = args.sums + (first + head) * kLatent + warpgroup * kPartHalf;
      reinterpret_cast<float4*>(to)[row_of(i)] = {sums.of_box[0][i], sums.of_box[1][i],
                                                  sums.of_box[2][i], sums.of_box[3][i]};
    }
    const int head = first_head + lane;
    if (lane < kHeadTiles && head < args.num_heads) args.stats[first + head] = group;
  }

  __device__ void store_row(const DecodeArgs& args, const Sums& sums, const DecodeItem& item) {
    // Without a tile no barrier stands between the shares of the item before and these.
    const bool is_empty = item.end == 0;
    if (!is_empty) {
      if (lane < kHeadTiles) shared.shares[first_head + lane] = 1 / row.total;
      sync();
    }
    // Of number 0 in box 0; the others lie at fixed places from there.
    Bf16* to = args.out[item.token] + head_of(0) * kLatent + warpgroup * kPartHalf + row_of(0);
#pragma unroll
    for (int i = 0; i < kSums; ++i) {
      const int head = i / 4 * 8 + i % 2, column = i / 2 % 2 * 8;
      if (head_of(0) + head >= args.num_heads) continue;
      const float share = is_empty ? 0 : shared.shares[head_of(0) + head];
#pragma unroll
      for (int m = 0; m < kOutBoxes; ++m)
        to[head * kLatent + 64 * m + column] = from_f32<Bf16>(sums.of_box[m][i] * share);
    }
  }

  __device__ void run(const DecodeArgs& args) {
#pragma unroll 1
    for (int count = 0;; ++count) {
      query = count % kQueries;
      shared.query_full[query].wait(count / kQueries % 2);
      const DecodeItem item = shared.items[query];
      if (item.token < 0) return;
      Sums row_sums, group_sums;
      attend(item, row_sums, group_sums);
      if (item.part < 0)
        store_row(args, row_sums, item);
      else
        store_part(args, group_sums, item.part);
    }
  }
};

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
      for (Barrier& empty : shared.kv_empty[s]) empty.init(kConsumerWarps);
    }
    for (int q = 0; q < Shared<kHeadTiles>::kQueries; ++q) {
      shared.query_full[q].init(1);
      shared.query_empty[q].init(kConsumerWarps * kArrivalsOfWarp);
    }
    fence_barrier_init();
  }
  if (threadIdx.x == kConsumerThreads) {
    prefetch_map(kv_map);
    prefetch_map(query_map);
  }
  __syncthreads();
  if (threadIdx.x >= kConsumerThreads) {
    give_registers<40>();
    if (threadIdx.x == kConsumerThreads)
      Producer<kHeadTiles>{shared, kv_map, query_map, args.work.pages}.run(args.work);
  } else {
    take_registers<232>();
    Consumer<kHeadTiles>(shared, args.scale_log2).run(args);
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
}  // namespace decode

void attend_items(cudaStream_t stream, int num_sms, const DecodeInputs& inputs,
                  const DecodeArgs& args) {
  if (args.num_heads <= 8)
    decode::launch_decode<1>(stream, num_sms, inputs, args);
  else if (args.num_heads <= 16)
    decode::launch_decode<2>(stream, num_sms, inputs, args);
  else if (args.num_heads <= 24)
    decode::launch_decode<3>(stream, num_sms, inputs, args);
  else
    decode::launch_decode<4>(stream, num_sms, inputs, args);
}

}  // namespace glint::cuda
