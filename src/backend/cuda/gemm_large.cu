// The matrix product of many rows: one persistent kernel, tiles of 128 or 256 rows of weights times
// up to 256 or 176 rows of x.
//
//   consumer warpgroups  64 or 128 rows of weights each: wgmma over a ring of stages of 64 columns;
//                        a tile's sums, as they are stored, go to a ring of chunks
//   2 warps              store the chunks of one consumer each, beside the next tile's products
//   1 thread             has the copy engine fill the ring of stages
//
// A tile takes the smallest product that holds its rows. A number is summed as gemm_wgmma.cu says,
// with the same bits.

#include <algorithm>

#include "backend/cuda/gemm_large_copies.cuh"
#include "backend/cuda/wgmma.cuh"

namespace glint::cuda::product {
namespace {

constexpr int kThreads = (kConsumers + 1) * kWarpgroup;

// Where a consumer is in the rings.
struct Consumer {
  const Memory& memory;
  int warpgroup;
  RingCursor now = {}, chunk = {};

  // The stage before the current one has been used.
  __device__ void release_last() const {
    const int last = now.before(memory.rings.stages);
    if (threadIdx.x % kWarp == 0) memory.tail().empty[last].arrive();  // one arrival a warp
  }
};

// d = the products of the ring's next `stages` stages with each set of the consumer's weights.
template <typename S, int kRows, int kSums>
__device__ void multiply(float (&d)[S::kSets][kSums], int stages, Consumer& c) {
#pragma unroll 1
  for (int i = 0; i < stages; ++i) {
    c.memory.tail().full[c.now.at].wait(c.now.parity);
    const uint32_t stage = shared_address(c.memory.stage(c.now.at));
    const uint32_t weights = stage + static_cast<uint32_t>(c.warpgroup * S::kSets) * 64 * 128;
    const uint64_t a =
        S::kTransposed ? transposed_descriptor(weights, 0) : matrix_descriptor(weights);
    const uint64_t b = matrix_descriptor(stage + S::kWeightBytes);
    constexpr int kNext = (S::kTransposed ? 16 * 128 : 32) / 16;  // 16 columns of k further
    constexpr int kNextSet = 64 * 128 / 16;
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < kTileK / 16; ++step) {
#pragma unroll
      for (int set = 0; set < S::kSets; ++set)
        Wgmma<kRows>::template multiply<S::kTransposed>(
            reinterpret_cast<float(&)[kRows / 2]>(d[set]), a + kNext * step + kNextSet * set,
            b + 2 * step, i > 0 || step > 0);
    }
    wgmma_commit();
    if (i > 0) {
      wgmma_wait<1>();
      c.release_last();
    }
    c.now.advance(c.memory.rings.stages);
  }
  wgmma_wait<0>();
#pragma unroll
  for (int set = 0; set < S::kSets; ++set) pin(reinterpret_cast<float(&)[kRows / 2]>(d[set]));
  c.release_last();
}

// The same for a tile of `rows` rows, by the smallest product that holds them.
template <typename S, int kRows, int kSums>
__device__ void multiply_rows(float (&d)[S::kSets][kSums], int rows, int stages, Consumer& c) {
  if constexpr (kRows > kRowStep) {
    if (rows <= kRows - kRowStep) return multiply_rows<S, kRows - kRowStep>(d, rows, stages, c);
  }
  multiply<S, kRows>(d, stages, c);
}

// A set's sums to chunks, as soon as there is room.
template <typename Out, typename S, int kSums>
__device__ void fill_chunks(const float (&d)[kSums], int rows, Consumer& c) {
  constexpr int kRows = chunk_rows_of(log_pieces_of(S::kSwiglu, sizeof(Out) == 4));
  LargeTail& tail = c.memory.tail();
#pragma unroll  // d stays in registers
  for (int first = 0; first < 2 * kSums; first += kRows) {
    if (first >= rows) break;
    tail.stored[c.warpgroup][c.chunk.at].wait(c.chunk.parity ^ 1);
    const int filled = min(kRows, 2 * kSums - first);
    fill_chunk<Out, S::kSwiglu>(d + first / 2, filled, c.memory.chunk(c.warpgroup, c.chunk.at));
    arrive_as_warp(tail.filled[c.warpgroup][c.chunk.at]);
    c.chunk.advance(c.memory.rings.chunks);
  }
}

template <typename S>
__device__ void consume(const Problem& p, const Memory& memory, int warpgroup) {
  constexpr int kSums = S::kTileRows / 2;
  Consumer c{memory, warpgroup};
  LargeWalk tile(p, memory);
  while (tile.next()) {
    const int stages = p.k / kTileK;
    float d[S::kSets][kSums];
    if constexpr (S::kAddsParts) {
      float part[1][kSums];
#pragma unroll 1
      for (int i = 0; i < p.parts; ++i) {
        multiply_rows<S, S::kTileRows>(part, tile.num_rows, stages / p.parts, c);
#pragma unroll
        for (int j = 0; j < kSums; ++j) d[0][j] = i == 0 ? part[0][j] : d[0][j] + part[0][j];
      }
    } else {
      multiply_rows<S, S::kTileRows>(d, tile.num_rows, stages, c);
    }
#pragma unroll
    for (int set = 0; set < S::kSets; ++set) {
      if (p.out_is_f32)
        fill_chunks<float, S>(d[set], tile.num_rows, c);
      else
        fill_chunks<Bf16, S>(d[set], tile.num_rows, c);
    }
  }
}

template <typename S>
__global__ void __launch_bounds__(kThreads, 1)
    large_kernel(const __grid_constant__ Problem p, const __grid_constant__ Rings rings,
                 const __grid_constant__ LargeMaps maps) {
  extern __shared__ __align__(1024) char shared[];
  const Memory memory{shared, rings};
  LargeTail& tail = memory.tail();
  // What begins after this has begun may rely on what came before it, if it begins late (moe_down).
  const bool waits_first = p.begin != nullptr && !p.begin_is_settled;
  if (threadIdx.x == 0) {
    if (!waits_first) let_next_start();
    prefetch_map(maps.weights);
    prefetch_map(maps.rows);
#pragma unroll 1
    for (int i = 0; i < rings.stages; ++i) {
      tail.full[i].init(1);  // announced bytes
      tail.empty[i].init(4 * kConsumers);
    }
#pragma unroll 1
    for (int i = 0; i < rings.chunks; ++i) {
      for (int consumer = 0; consumer < kConsumers; ++consumer) {
        tail.filled[consumer][i].init(4 * kArrivalsOfWarp);
        tail.stored[consumer][i].init(kArrivalsOfWarp);
      }
    }
    fence_barrier_init();
  }
  if (waits_first) {
    wait_for_previous();  // which rows a group has comes from there
    if (threadIdx.x == 0) let_next_start();
  }
  plan_tiles<0>(p, tail.plan);
  __syncthreads();
  // One value for the warp, for the compiler too: descriptors are made in uniform registers.
  const int warp = __shfl_sync(~0u, static_cast<int>(threadIdx.x) / kWarp, 0);
  // Three warpgroups have 168 registers a thread. What one gives away the consumers take, who need
  // it for two sets of sums; besides, the compiler now knows that a warp is of one mind.
  constexpr int kKept = S::kAddsParts ? 72 : 88;
  constexpr int kTaken = (168 - kKept) / kConsumers;
  if (warp < 4 * kConsumers) {
    take_registers<168 + kTaken>();
    consume<S>(p, memory, warp / 4);
  } else {
    give_registers<kKept>();
    const int mover = warp - 4 * kConsumers;
    if (mover < kConsumers)
      store<S>(p, memory, mover);
    else if (threadIdx.x == kThreads - kWarp)
      produce<S>(p, maps, memory);
  }
}

using LargeKernel = void (*)(Problem, Rings, LargeMaps);

template <Tile kTile>
LargeKernel kernel_of(const GemmArgs& args) {
  if (args.w_is_transposed) return large_kernel<LargeShape<Weights::kTransposed, kTile>>;
  if (args.is_swiglu) return large_kernel<LargeShape<Weights::kSwiglu, kTile>>;
  return large_kernel<LargeShape<Weights::kPlain, kTile>>;
}

LargeKernel kernel_for(const GemmArgs& args, int parts, bool is_wide) {
  if (parts > 1) return large_kernel<LargeShape<Weights::kPlain, Tile::kNarrowInParts>>;
  return is_wide ? kernel_of<Tile::kWide>(args) : kernel_of<Tile::kNarrow>(args);
}

// At least three stages, and four if three chunks remain; otherwise chunks for a whole tile, so
// that its consumers need not wait for memory.
Rings rings_for(const Problem& p, const TileShape& tile) {
  const int sets = tile.is_wide ? 2 : 1;
  const int stage_bytes = (tile.weight_rows() + tile.rows) * kTileK * 2;
  const int chunk_rows = chunk_rows_of(log_pieces_of(p.is_swiglu, p.out_is_f32));
  const auto stages = [&](int chunks) {
    return (kRingBytes - kConsumers * chunks * kChunkBytes) / stage_bytes;
  };
  const int wanted = std::min(stages(3), 4);
  int chunks = std::min(sets * ((tile.rows + chunk_rows - 1) / chunk_rows), kMostChunks);
  while (stages(chunks) < wanted) --chunks;
  return {std::min(stages(chunks), kMostStages), stage_bytes, chunks};
}

size_t shared_bytes(const Rings& rings) {
  return static_cast<size_t>(rings.stages * rings.stage_bytes +
                             kConsumers * rings.chunks * kChunkBytes) +
         sizeof(LargeTail);
}

LargeMaps maps_for(const GemmArgs& args, TensorMaps& maps, const TileShape& tile) {
  Matrix x = args.x;  // the columns that all groups read
  x.cols = args.k() + (args.w.count - 1) * args.x_group_columns;
  const CUtensorMap rows = map_of_rows(x, tile.rows);
  return {
      .weights = maps.of_weights(args.w, args.is_swiglu,
                                 args.w_is_transposed ? kTileK : tile.weight_rows()),
      .rows = rows,
      .shared_rows = args.shared_x.data != nullptr ? map_of_rows(args.shared_x, tile.rows) : rows};
}

}  // namespace

void run_large(cudaStream_t stream, int num_sms, TensorMaps& maps, const GemmArgs& args,
               Problem p) {
  if (args.w_is_transposed) {
    CHECK(p.n % 64 == 0 && p.x_group_columns == 0 && !p.out_is_f32, "a transposed product of ", p.n,
          " features a group");
    p.heads = p.tiling.groups;
    p.tiling.groups = 1;
  }
  p.tiling.num_shared = args.num_shared;
  p.tiling.deals_shared = args.num_shared > 0 && p.streams_weights;  // memory is the limit
  p.shared_reads_other = args.shared_x.data != nullptr;
  const int weight_rows = p.n * p.heads * (args.is_swiglu ? 2 : 1);
  const ProductSize size{.rows = args.max_rows,
                         .weight_rows = weight_rows,
                         .groups = p.tiling.groups,
                         .in_parts = p.parts > 1};
  const TileShape tile =
      p.tiling.is_listed ? tile_of_groups(args.rows_of_tile_choice()) : best_tile(size, num_sms);
  p.tiling.tile_rows = tile.rows;
  p.tiling.feature_tiles = (weight_rows + tile.weight_rows() - 1) / tile.weight_rows();
  const Rings rings = rings_for(p, tile);
  launch_early(stream, dim3(static_cast<unsigned>(num_sms)), dim3(kThreads), shared_bytes(rings),
               kernel_for(args, p.parts, tile.is_wide), p, rings, maps_for(args, maps, tile));
}

}  // namespace glint::cuda::product
