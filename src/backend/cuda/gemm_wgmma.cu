// The matrix product on tensor cores: one persistent kernel for decode and prefill, dense and
// grouped. Weights are the M side (64 rows a warpgroup), rows of x the N side (8 ... 256), so that
// a few rows waste nothing but cheap columns.
//
//   producer warpgroup   weights by the copy engine, rows of x by 16-byte copies (they are
//   gathered),
//                        into a ring of stages of 64 columns each
//   consumer warpgroups  wgmma over the ring; the sums stay in registers until a tile is done
//
// A number is summed over k in steps of 16 in order, whatever the tile: the bits of a row do not
// depend on how many rows there are.
//
// After DeepGEMM's structure (its README, "persistent warp specialization"); the code is ours.

#include "backend/cuda/gemm.h"
#include "backend/cuda/kernel.cuh"
#include "backend/cuda/wgmma.cuh"

namespace glint::cuda {
namespace {

using Bf16 = __nv_bfloat16;

constexpr int kTileK = 64;  // columns of a stage: 128 bytes
constexpr int kWarpgroup = 128;
constexpr int kMaxGroups = 256;

// How a group's weights lie in memory (GemmArgs).
enum class Weights { kPlain, kSwiglu, kTransposed };

struct Problem {
  const Bf16* x;
  int64_t x_stride;
  void* out;
  int64_t out_stride;
  const int32_t* ids;
  const int32_t* begin;
  int x_group_columns, out_group_columns;
  int max_rows, in_divisor;
  int n, k, groups;
};

// kWarpgroups consumers of 64 weight rows each, kTileRows rows of x, a ring of kStages.
template <int kTileRowsOf, int kWarpgroupsOf, int kStagesOf, int kBlocksPerSmOf>
struct Shape {
  static constexpr int kTileRows = kTileRowsOf;
  static constexpr int kWarpgroups = kWarpgroupsOf;
  static constexpr int kStages = kStagesOf;
  static constexpr int kBlocksPerSm = kBlocksPerSmOf;
  static constexpr int kThreads = (kWarpgroups + 1) * kWarpgroup;
  static constexpr int kWeightRows = 64 * kWarpgroups;
  static constexpr int kWeightBytes = kWeightRows * kTileK * 2;
  static constexpr int kStageBytes = kWeightBytes + kTileRows * kTileK * 2;
  // Copies of x under way. A consumer frees a stage when the next one is there, so two stages fewer
  // than the ring has can be unannounced.
  static constexpr int kAhead = kStages - 2 < 4 ? kStages - 2 : 4;
};

struct Tail {  // of shared memory, behind the ring
  Barrier full[16], empty[16];
  int tile_begin[kMaxGroups + 1];  // in tiles, by group
};

template <typename S>
constexpr size_t shared_bytes() {
  return 1024 + size_t{S::kStages} * S::kStageBytes + sizeof(Tail);
}

// Walks over this block's tiles: group after group, a group's rows fastest, so that blocks side by
// side read the same weights.
template <typename S>
struct TileWalk {
  const Problem& p;
  const int* tile_begin;
  int index;
  int group = 0;
  int feature = 0;  // of the tile, in tiles
  int begin = 0, first_row = 0, num_rows = 0;

  __device__ TileWalk(const Problem& problem, const int* begins)
      : p(problem), tile_begin(begins), index(static_cast<int>(blockIdx.x)) {}

  __device__ bool next() {
    if (index >= tile_begin[p.groups]) return false;
    while (index >= tile_begin[group + 1]) ++group;
    begin = p.begin == nullptr ? 0 : p.begin[group];
    num_rows = p.begin == nullptr ? p.max_rows : p.begin[group + 1] - begin;
    const int row_tiles = (num_rows + S::kTileRows - 1) / S::kTileRows;
    const int in_group = index - tile_begin[group];
    feature = in_group / row_tiles;
    first_row = in_group % row_tiles * S::kTileRows;
    index += static_cast<int>(gridDim.x);
    return true;
  }
  __device__ int id(int row) const { return p.ids == nullptr ? row : p.ids[begin + row]; }
};

// All threads. tile_begin[g] = how many tiles the groups before g have.
template <typename S>
__device__ void plan_tiles(const Problem& p, int features_per_tile, int* tile_begin) {
  const int feature_tiles = (p.n + features_per_tile - 1) / features_per_tile;
  for (int g = static_cast<int>(threadIdx.x); g < p.groups; g += static_cast<int>(blockDim.x)) {
    const int rows = p.begin == nullptr ? p.max_rows : p.begin[g + 1] - p.begin[g];
    tile_begin[g + 1] = feature_tiles * ((rows + S::kTileRows - 1) / S::kTileRows);
  }
  __syncthreads();
  if (threadIdx.x > 0) return;
  tile_begin[0] = 0;
  for (int g = 0; g < p.groups; ++g) tile_begin[g + 1] += tile_begin[g];
}

// A position in the ring and the parity of its phase.
template <int kStages>
struct Cursor {
  int stage = 0;
  uint32_t parity = 0;
  __device__ void advance() {
    if (++stage == kStages) stage = 0, parity ^= 1;
  }
};

// Asks for a tile's weights of columns [k, k + kTileK). One thread.
template <typename S, Weights kWeights>
__device__ void request_weights(const TileWalk<S>& tile, int k, const CUtensorMap& map, char* stage,
                                Barrier& full) {
  full.arrive_expecting(S::kWeightBytes);
  if constexpr (kWeights == Weights::kTransposed) {
    for (int i = 0; i < S::kWarpgroups; ++i)
      load_tile(stage + i * 64 * 128, map, full, (tile.feature * S::kWarpgroups + i) * 64, k,
                tile.group);
  } else if constexpr (kWeights == Weights::kSwiglu) {
    load_tile(stage, map, full, k, 0, 0, tile.feature * S::kWeightRows / 16, tile.group);
  } else {
    load_tile(stage, map, full, k, tile.feature * S::kWeightRows, tile.group);
  }
}

// Before the kernel that makes x is done: the first tile's weights, as many as the ring has room
// for. Returns how many stages.
template <typename S, Weights kWeights>
__device__ int request_early(const Problem& p, const CUtensorMap& map, char* ring, Tail& tail) {
  TileWalk<S> first(p, tail.tile_begin);
  if (!first.next()) return 0;
  const int count = min(S::kStages, p.k / kTileK);
  if (threadIdx.x % kWarpgroup == 0) {
    for (int i = 0; i < count; ++i)
      request_weights<S, kWeights>(first, i * kTileK, map, ring + i * S::kStageBytes, tail.full[i]);
  }
  return count;
}

template <typename S, Weights kWeights>
__device__ void produce(const Problem& p, const CUtensorMap& map, char* ring, Tail& tail) {
  const int thread = static_cast<int>(threadIdx.x) % kWarpgroup;
  // Eight threads copy a row's 128 bytes; the swizzle exchanges its 16-byte pieces by row % 8.
  constexpr int kCopies = (S::kTileRows + 15) / 16;
  const int piece = thread % 8, first = thread / 8;
  const int place = first * 128 + ((piece ^ first % 8) << 4);
  Cursor<S::kStages> now, announced;
  int pending = 0;
  int early = request_early<S, kWeights>(p, map, ring, tail);
  wait_for_previous();
  for (TileWalk<S> tile(p, tail.tile_begin); tile.next();) {
    const Bf16* from[kCopies];
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      const int row = tile.first_row + first + 16 * i;
      const bool inside = first + 16 * i < S::kTileRows && row < tile.num_rows;
      from[i] = !inside ? nullptr
                        : p.x + (tile.id(row) / p.in_divisor) * p.x_stride +
                              tile.group * p.x_group_columns + piece * 8;
    }
    for (int k = 0; k < p.k; k += kTileK) {
      char* stage = ring + now.stage * S::kStageBytes;
      tail.empty[now.stage].wait(now.parity ^ 1);
      if (early > 0)
        --early;
      else if (thread == 0)
        request_weights<S, kWeights>(tile, k, map, stage, tail.full[now.stage]);
      const uint32_t rows = shared_address(stage + S::kWeightBytes) + static_cast<uint32_t>(place);
#pragma unroll
      for (int i = 0; i < kCopies; ++i) {
        if (first + 16 * i >= S::kTileRows) break;  // only with tiles of 8 rows
        const void* source = from[i] == nullptr ? p.x : from[i] + k;
        copy_16_bytes(rows + static_cast<uint32_t>(i) * 16 * 128, source, from[i] != nullptr);
      }
      commit_copies();
      now.advance();
      if (++pending > S::kAhead) {
        wait_copies<S::kAhead>();
        fence_async_proxy();
        tail.full[announced.stage].arrive();
        announced.advance();
        --pending;
      }
    }
  }
  wait_copies<0>();
  fence_async_proxy();
  for (; pending > 0; --pending, announced.advance()) tail.full[announced.stage].arrive();
}

// d, as Wgmma lays it out, to out[row][feature].
template <typename S, bool kSwiglu, typename Out>
__device__ void store(const Problem& p, const TileWalk<S>& tile, int warpgroup,
                      const float (&d)[S::kTileRows / 2]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) % kWarpgroup / kWarp;
  constexpr int kFeatures = kSwiglu ? 8 : 16;  // of a warp
  const int feature =
      (tile.feature * S::kWarpgroups + warpgroup) * 4 * kFeatures + warp * kFeatures + lane / 4;
  Out* out = static_cast<Out*>(p.out) + tile.group * p.out_group_columns;
#pragma unroll  // d stays in registers
  for (int i = 0; i < S::kTileRows / 4; ++i) {
    const int row = tile.first_row + i / 2 * 8 + lane % 4 * 2 + i % 2;
    if (row >= tile.num_rows) continue;
    Out* to = out + tile.id(row) * p.out_stride;
    const float a = d[i / 2 * 4 + i % 2], b = d[i / 2 * 4 + 2 + i % 2];
    if constexpr (kSwiglu) {
      if (feature < p.n) to[feature] = from_f32<Out>(silu(a) * b);
    } else {
      if (feature < p.n) to[feature] = from_f32<Out>(a);
      if (feature + 8 < p.n) to[feature + 8] = from_f32<Out>(b);
    }
  }
}

// The products of one stage.
template <typename S, Weights kWeights>
__device__ void multiply_stage(float (&d)[S::kTileRows / 2], uint32_t stage, int warpgroup,
                               bool is_first) {
  constexpr bool kTransposed = kWeights == Weights::kTransposed;
  const uint32_t weights = stage + static_cast<uint32_t>(warpgroup) * 64 * 128;
  const uint64_t a = kTransposed ? transposed_descriptor(weights, 0) : matrix_descriptor(weights);
  const uint64_t b = matrix_descriptor(stage + S::kWeightBytes);
  constexpr int kNext = (kTransposed ? 16 * 128 : 32) / 16;  // 16 columns of k further
#pragma unroll
  for (int step = 0; step < kTileK / 16; ++step)
    Wgmma<S::kTileRows>::template multiply<kTransposed>(d, a + kNext * step, b + 2 * step,
                                                        !is_first || step > 0);
}

template <typename S, Weights kWeights, typename Out>
__device__ void consume(const Problem& p, char* ring, Tail& tail) {
  const int warpgroup = static_cast<int>(threadIdx.x) / kWarpgroup;
  const bool speaks = threadIdx.x % kWarp == 0;  // one arrival a warp
  Cursor<S::kStages> now, used;
  for (TileWalk<S> tile(p, tail.tile_begin); tile.next();) {
    float d[S::kTileRows / 2];
    for (int k = 0; k < p.k; k += kTileK) {
      tail.full[now.stage].wait(now.parity);
      const uint32_t stage = shared_address(ring + now.stage * S::kStageBytes);
      wgmma_fence();
      multiply_stage<S, kWeights>(d, stage, warpgroup, k == 0);
      wgmma_commit();
      if (k > 0) {
        wgmma_wait<1>();
        if (speaks) tail.empty[used.stage].arrive();
        used.advance();
      }
      now.advance();
    }
    wgmma_wait<0>();
    pin(d);
    if (speaks) tail.empty[used.stage].arrive();
    used.advance();
    store<S, kWeights == Weights::kSwiglu, Out>(p, tile, warpgroup, d);
  }
}

template <typename S, Weights kWeights, typename Out>
__global__ void __launch_bounds__(S::kThreads, S::kBlocksPerSm)
    gemm_kernel(const Problem p, const __grid_constant__ CUtensorMap map) {
  extern __shared__ char shared[];
  char* ring = shared + (1024 - shared_address(shared) % 1024) % 1024;
  Tail& tail = *reinterpret_cast<Tail*>(ring + S::kStages * S::kStageBytes);
  constexpr bool kSwiglu = kWeights == Weights::kSwiglu;
  constexpr int kFeatures = kSwiglu ? S::kWeightRows / 2 : S::kWeightRows;
  if (threadIdx.x == 0) {
    let_next_start();
    prefetch_map(map);
    for (int s = 0; s < S::kStages; ++s) {
      tail.full[s].init(kWarpgroup + 1);  // each producer thread, and the announced bytes
      tail.empty[s].init(4 * S::kWarpgroups);
    }
    fence_barrier_init();
  }
  if (p.begin != nullptr) wait_for_previous();  // which rows a group has comes from there
  plan_tiles<S>(p, kFeatures, tail.tile_begin);
  __syncthreads();
  if (threadIdx.x >= S::kWarpgroups * kWarpgroup) {
    if constexpr (S::kTileRows == 256) give_registers<40>();
    produce<S, kWeights>(p, map, ring, tail);
  } else {
    if constexpr (S::kTileRows == 256) take_registers<232>();
    consume<S, kWeights, Out>(p, ring, tail);
  }
}

template <typename S>
void run(cudaStream_t stream, int num_sms, TensorMaps& maps, const GemmArgs& args) {
  const Problem problem{.x = static_cast<const Bf16*>(args.x.data),
                        .x_stride = args.x.stride,
                        .out = args.out.data,
                        .out_stride = args.out.stride,
                        .ids = args.ids,
                        .begin = args.begin,
                        .x_group_columns = args.x_group_columns,
                        .out_group_columns = args.out_group_columns,
                        .max_rows = args.max_rows,
                        .in_divisor = args.in_divisor,
                        .n = args.n(),
                        .k = args.k(),
                        .groups = args.w.count};
  const int map_rows = args.w_is_transposed ? kTileK : S::kWeightRows;
  const CUtensorMap& map = maps.of_weights(args.w, args.is_swiglu, map_rows);
  const dim3 grid(static_cast<unsigned>(num_sms * S::kBlocksPerSm));
  if constexpr (S::kTileRows == 256) {
    if (args.w_is_transposed) {
      CHECK(args.out.type == NumberType::kBf16, "a product with transposed weights gives BF16");
      auto* kernel = gemm_kernel<S, Weights::kTransposed, Bf16>;
      return launch_early(stream, grid, dim3(S::kThreads), shared_bytes<S>(), kernel, problem, map);
    }
  }
  with_type(args.out.type, [&]<typename Out>(Out) {
    auto* kernel = args.is_swiglu ? gemm_kernel<S, Weights::kSwiglu, Out>
                                  : gemm_kernel<S, Weights::kPlain, Out>;
    launch_early(stream, grid, dim3(S::kThreads), shared_bytes<S>(), kernel, problem, map);
  });
}

bool is_aligned(const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; }

}  // namespace

bool is_for_wgmma(const GemmArgs& args) {
  const bool is_bf16 = args.w.type == NumberType::kBf16 && args.x.type == NumberType::kBf16;
  const bool fits = args.k() % kTileK == 0 && args.n() % 8 == 0 && args.w.count <= kMaxGroups;
  return is_bf16 && fits && args.x.stride % 8 == 0 && args.x_group_columns % 8 == 0 &&
         is_aligned(args.x.data) && is_aligned(args.w.data);
}

void gemm_wgmma(cudaStream_t stream, int num_sms, TensorMaps& maps, const GemmArgs& args) {
  const int rows = args.expected_rows > 0 ? args.expected_rows : args.max_rows;
  if (args.w_is_transposed) return run<Shape<256, 2, 4, 1>>(stream, num_sms, maps, args);
  if (rows <= 8) return run<Shape<8, 1, 10, 2>>(stream, num_sms, maps, args);
  if (rows <= 16) return run<Shape<16, 1, 9, 2>>(stream, num_sms, maps, args);
  if (rows <= 32) return run<Shape<32, 1, 8, 2>>(stream, num_sms, maps, args);
  if (rows <= 64) return run<Shape<64, 1, 6, 2>>(stream, num_sms, maps, args);
  if (rows <= 192) return run<Shape<128, 1, 4, 2>>(stream, num_sms, maps, args);
  run<Shape<256, 2, 4, 1>>(stream, num_sms, maps, args);
}

}  // namespace glint::cuda
