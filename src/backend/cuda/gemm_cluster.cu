// Products with matrices that are too narrow for a walk over tiles: a cluster for each 64 features
// and up to 104 rows. k is cut into parts (parts_of_k), and the cluster's blocks sum one each; by
// head it is whole, and the cluster one block.
//
//   producer thread       weights and rows by the copy engine, into a ring of stages of 64 columns;
//                         the first weights before the kernel that makes x has ended
//   consumer warpgroup    wgmma over the ring; then each number goes to the block that adds its
//                         parts up, in order, and stores it: block b of P has 64 / P features
//
// Parts are sent as they are made (st.async), so that nobody waits for a barrier of the cluster and
// then fetches them.

#include <algorithm>
#include <bit>

#include "backend/cuda/gemm_tiles.cuh"
#include "backend/cuda/wgmma.cuh"

namespace glint::cuda {
namespace product {
namespace {

constexpr int kThreads = kWarpgroup + kWarp;
constexpr int kFeatures = 64;                         // of a cluster
constexpr int kWeightBytes = kFeatures * kTileK * 2;  // of a stage
constexpr int kMostStages = 11, kMostTileRows = 104, kShortTileRows = 64;
constexpr int kAlignment = 1024;
// Of a multiprocessor's memory, less what it takes itself. As a rule two blocks have room, so that
// a cluster finds its four among few, and the kernels before and behind run beside this one.
constexpr int kHalfOfShared = 113 * 1024, kMoreOfShared = 128 * 1024;

// x [num_rows, k] and w [n, k] of each group come as the copy engine's maps.
struct ClusterProblem {
  void* out;  // [num_rows, n] of each group, side by side as GemmArgs says
  int64_t out_stride;
  int x_group_columns, out_group_columns;
  int num_rows, n;
  int feature_tiles;  // of a group
  int k_of_block, log_parts;
  bool streams_weights, stores_whole, out_is_f32;
  int tile_rows = 0;  // of a cluster, a multiple of 8
  // Of a feature's sums, in rows: what four neighbours receive at once lies in different banks.
  int sums_stride = 0;
  int stages = 0;  // of the ring, as many as there are tiles or room

  __host__ __device__ int stage_bytes() const { return kWeightBytes + tile_rows * kTileK * 2; }
  __host__ __device__ int sums_bytes() const {
    return kFeatures * sums_stride * static_cast<int>(sizeof(float));
  }
};

struct ClusterTail {  // of shared memory
  Barrier full[kMostStages], empty[kMostStages];
  Barrier sums_full;
};

// Where everything is: the ring, the sums, the barriers.
struct ClusterMemory {
  char* shared;
  const ClusterProblem& p;
  __device__ char* weights(int stage) const { return shared + stage * p.stage_bytes(); }
  __device__ char* rows(int stage) const { return weights(stage) + kWeightBytes; }
  // [part, feature of this block][row], sums_stride apart.
  __device__ float* sums() const { return reinterpret_cast<float*>(weights(p.stages)); }
  __device__ ClusterTail& tail() const {
    return *reinterpret_cast<ClusterTail*>(weights(p.stages) + p.sums_bytes());
  }
};
size_t shared_bytes(const ClusterProblem& p) {
  return kAlignment + static_cast<size_t>(p.stages * p.stage_bytes() + p.sums_bytes()) +
         sizeof(ClusterTail);
}

// What a block sums, and stores a part of.
struct ClusterTile {
  int group, feature, row;  // the first of 64 features, and of tile_rows rows
  int part;

  __device__ explicit ClusterTile(const ClusterProblem& p) {
    const int index = static_cast<int>(blockIdx.x) >> p.log_parts;
    group = index / p.feature_tiles;
    feature = (index - group * p.feature_tiles) * kFeatures;
    row = static_cast<int>(blockIdx.y) * p.tile_rows;
    part = p.log_parts > 0 ? cluster_rank() : 0;
  }
};

__device__ void produce(const ClusterProblem& p, const ClusterMemory& memory,
                        const ClusterTile& tile, const CUtensorMap& w, const CUtensorMap& x) {
  ClusterTail& tail = memory.tail();
  const Reads reads = p.streams_weights ? Reads::kOnce : Reads::kAgain;
  const int tiles = p.k_of_block / kTileK, first_k = tile.part * p.k_of_block;
  const auto request_weights = [&](int i, int stage) {
    tail.full[stage].arrive_expecting(p.stage_bytes());
    load_tile(memory.weights(stage), w, tail.full[stage], reads, first_k + i * kTileK, tile.feature,
              tile.group);
  };
#pragma unroll 1
  for (int i = 0; i < p.stages; ++i) request_weights(i, i);
  wait_for_previous();
  RingCursor now;
#pragma unroll 1
  for (int i = 0; i < tiles; ++i, now.advance(p.stages)) {
    if (i >= p.stages) {
      tail.empty[now.at].wait(now.parity ^ 1);
      request_weights(i, now.at);
    }
    load_tile(memory.rows(now.at), x, tail.full[now.at], Reads::kAgain,
              tile.group * p.x_group_columns + first_k + i * kTileK, tile.row, 0);
  }
}

// d = this block's part of the products. Columns from tile_rows on, which is more than half of
// kRows or all of them, are sums of what lies behind the rows, at most the sums, and go nowhere.
template <int kRows>
__device__ void multiply(const ClusterProblem& p, const ClusterMemory& memory,
                         float (&d)[kRows / 2]) {
  ClusterTail& tail = memory.tail();
  const auto release = [&](int stage) {
    if (threadIdx.x % kWarp == 0) tail.empty[stage].arrive();  // one arrival a warp
  };
  RingCursor now;
#pragma unroll 1
  for (int i = 0; i < p.k_of_block / kTileK; ++i, now.advance(p.stages)) {
    tail.full[now.at].wait(now.parity);
    const uint64_t a = matrix_descriptor(shared_address(memory.weights(now.at)));
    const uint64_t b = matrix_descriptor(shared_address(memory.rows(now.at)));
    wgmma_fence();
    multiply_64_columns<kRows>(d, a, b, i > 0);
    wgmma_commit();
    if (i == 0) continue;
    wgmma_wait<1>();
    release(now.before(p.stages));
  }
  wgmma_wait<0>();
  pin(d);
}

// Each number of d, as Wgmma lays it out, to the block that has its feature.
template <int kRows>
__device__ void send(const ClusterProblem& p, const ClusterMemory& memory, int part,
                     const float (&d)[kRows / 2]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int log_features = std::countr_zero(unsigned{kFeatures}) - p.log_parts;  // of a block
  const uint32_t barrier = shared_address(&memory.tail().sums_full);
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int feature = warp * 16 + lane / 4 + 8 * r, block = feature >> log_features;
    const int row = (part << log_features) + feature - (block << log_features);
    const float* here = memory.sums() + row * p.sums_stride + lane % 4 * 2;
    const uint32_t to = address_in_block(shared_address(here), block);
    const uint32_t barrier_there = address_in_block(barrier, block);
#pragma unroll
    for (int i = 0; i < kRows / 8; ++i)
      if (i * 8 < p.tile_rows)
        send_8_bytes(to + static_cast<uint32_t>(i * 8 * sizeof(float)), d[4 * i + 2 * r],
                     d[4 * i + 2 * r + 1], barrier_there);
  }
}

// The same where this block has them all.
template <int kRows>
__device__ void keep(const ClusterProblem& p, const ClusterMemory& memory,
                     const float (&d)[kRows / 2]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float* to = memory.sums() + (warp * 16 + lane / 4 + 8 * r) * p.sums_stride + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < kRows / 8; ++i)
      if (i * 8 < p.tile_rows)
        *reinterpret_cast<float2*>(to + i * 8) = {d[4 * i + 2 * r], d[4 * i + 2 * r + 1]};
  }
  sync_warpgroup(0);
}

// Eight features of a row a thread, their parts added in order.
template <int kRows>
__device__ void store_parts(const ClusterProblem& p, const ClusterMemory& memory,
                            const ClusterTile& tile) {
  const int parts = 1 << p.log_parts, features = kFeatures >> p.log_parts;
  const int first_feature = tile.feature + tile.part * features;
  const int rows = min(p.tile_rows, p.num_rows - tile.row);
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < kRows * (features / 8); i += kWarpgroup) {
    const int row = i % kRows, eight = i / kRows * 8, feature = first_feature + eight;
    if (row >= rows || feature >= p.n) continue;
    const float* sums = memory.sums() + eight * p.sums_stride + row;
    float x[8];
#pragma unroll
    for (int j = 0; j < 8; ++j) x[j] = sums[j * p.sums_stride];
#pragma unroll 1
    for (int part = 1; part < parts; ++part) {
      sums += features * p.sums_stride;
#pragma unroll  // eight reads at once: each takes some 30 clocks
      for (int j = 0; j < 8; ++j) x[j] += sums[j * p.sums_stride];
    }
    const int64_t at = (tile.row + row) * p.out_stride + tile.group * p.out_group_columns + feature;
    if (p.out_is_f32)
      store_eight(static_cast<float*>(p.out) + at, x, p.stores_whole);
    else
      store_eight(static_cast<Bf16*>(p.out) + at, x, p.stores_whole);
  }
}

// A cluster for each 64 features of a group and tile_rows rows, which are at most kRows.
template <int kRows>
__global__ void __launch_bounds__(kThreads, 2)
    gemm_cluster_kernel(const __grid_constant__ ClusterProblem p,
                        const __grid_constant__ CUtensorMap w,
                        const __grid_constant__ CUtensorMap x) {
  extern __shared__ char shared[];
  const ClusterMemory memory{
      shared + (kAlignment - shared_address(shared) % kAlignment) % kAlignment, p};
  ClusterTail& tail = memory.tail();
  const ClusterTile tile(p);
  if (threadIdx.x == 0) {
    let_next_start();
#pragma unroll 1
    for (int s = 0; s < p.stages; ++s) {
      tail.full[s].init(1);
      tail.empty[s].init(kWarpgroup / kWarp);
    }
    tail.sums_full.init(1);
    tail.sums_full.arrive_expecting(kFeatures * p.tile_rows * static_cast<int>(sizeof(float)));
    fence_barrier_init();
  }
  __syncthreads();
  const bool is_cluster = p.log_parts > 0;
  if (is_cluster) arrive_at_cluster_with_barriers();  // this block's barrier may be used
  if (threadIdx.x >= kWarpgroup) {
    if (threadIdx.x == kWarpgroup) produce(p, memory, tile, w, x);
    __syncwarp();
    if (is_cluster) wait_for_cluster();
    return;
  }
  float d[kRows / 2];
  multiply<kRows>(p, memory, d);
  if (is_cluster) {
    wait_for_cluster();
    send<kRows>(p, memory, tile.part, d);
    tail.sums_full.wait_cluster(0);
  } else {
    keep<kRows>(p, memory, d);
  }
  store_parts<kRows>(p, memory, tile);
}

dim3 grid_of(const ClusterProblem& p, int groups) {
  return dim3(static_cast<unsigned>((groups * p.feature_tiles) << p.log_parts),
              blocks_for(p.num_rows, p.tile_rows));
}

// All rows, or evenly cut: into short tiles as long as those leave most multiprocessors a block
// each, since k is then short and its latency is what counts, and also where one tile has all
// features; otherwise into as few as can be, so that up to 104 rows read the weights once.
int rows_of_tile(const ClusterProblem& p, int groups) {
  const auto cut = [&](int most) {
    const int tiles = (p.num_rows + most - 1) / most;
    return ((p.num_rows + tiles - 1) / tiles + 7) / 8 * 8;
  };
  ClusterProblem short_tiles = p;
  short_tiles.tile_rows = cut(kShortTileRows);
  const dim3 grid = grid_of(short_tiles, groups);
  const bool is_small = 3 * grid.x * grid.y <= 4 * unsigned{kUsualSms};
  return is_small || groups * p.feature_tiles == 1 ? short_tiles.tile_rows : cut(kMostTileRows);
}

// A grid that leaves a third of the multiprocessors free may take more of the others.
int stages_of(const ClusterProblem& p, int groups) {
  const dim3 grid = grid_of(p, groups);
  const bool is_small = 3 * grid.x * grid.y <= 2 * unsigned{kUsualSms};
  const int room = (is_small ? kMoreOfShared : kHalfOfShared) - kAlignment - p.sums_bytes() -
                   static_cast<int>(sizeof(ClusterTail));
  return std::min({kMostStages, p.k_of_block / kTileK, room / p.stage_bytes()});
}

template <int kRows>
void launch_cluster(cudaStream_t stream, TensorMaps& maps, const GemmArgs& args,
                    const ClusterProblem& problem) {
  Matrix rows = args.x;
  rows.rows = args.max_rows;
  rows.cols += (args.w.count - 1) * args.x_group_columns;
  launch_clusters_early(stream, 1 << problem.log_parts, grid_of(problem, args.w.count),
                        dim3(kThreads), shared_bytes(problem), gemm_cluster_kernel<kRows>, problem,
                        maps.of_weights(args.w, false, kFeatures),
                        map_of_rows(rows, problem.tile_rows));
}

}  // namespace
}  // namespace product

void gemm_cluster(cudaStream_t stream, TensorMaps& maps, const GemmArgs& args, int parts) {
  using namespace product;
  ClusterProblem problem{.out = args.out.data,
                         .out_stride = args.out.stride,
                         .x_group_columns = args.x_group_columns,
                         .out_group_columns = args.out_group_columns,
                         .num_rows = args.max_rows,
                         .n = args.n(),
                         .feature_tiles = (args.n() + kFeatures - 1) / kFeatures,
                         .k_of_block = args.k() / parts,
                         .log_parts = std::countr_zero(static_cast<unsigned>(parts)),
                         .streams_weights = args.w.count * args.n() > kFeatures,
                         .stores_whole = stores_whole(args),
                         .out_is_f32 = args.out.type == NumberType::kF32};
  problem.tile_rows = rows_of_tile(problem, args.w.count);
  problem.sums_stride = problem.tile_rows % 16 == 0 ? problem.tile_rows + 8 : problem.tile_rows;
  problem.stages = stages_of(problem, args.w.count);
  const auto launch = [&](auto* launch_kernel) { launch_kernel(stream, maps, args, problem); };
  if (problem.tile_rows <= 8) return launch(launch_cluster<8>);
  if (problem.tile_rows <= 16) return launch(launch_cluster<16>);
  if (problem.tile_rows <= 32) return launch(launch_cluster<32>);
  if (problem.tile_rows <= 64) return launch(launch_cluster<64>);
  launch(launch_cluster<kMostTileRows>);
}

}  // namespace glint::cuda
