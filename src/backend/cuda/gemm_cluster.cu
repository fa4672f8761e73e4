// Products with matrices that are too narrow for a walk over tiles: a cluster for each 64 features
// and 8 to 64 rows. k is cut into parts (parts_of_k), and the cluster's blocks sum one each; by
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
constexpr int kFeatures = 64;  // of a cluster

// The ring lies behind, as many stages as there are tiles, up to kMostStages: two blocks have room
// on a multiprocessor, so that a cluster finds its four among few, and the kernels before and
// behind run beside this one.
template <int kRows>
struct ClusterShared {
  static constexpr int kMostStages = kRows <= 8 ? 11 : kRows <= 16 ? 10 : kRows <= 32 ? 8 : 5;
  // Of a feature's sums: what eight neighbours receive at once lies in different banks.
  static constexpr int kSumsStride = kRows <= 8 ? kRows : kRows + 8;
  struct Stage {
    char weights[kFeatures * kTileK * 2];
    char rows[kRows * kTileK * 2];
  };
  float sums[kFeatures][kSumsStride];  // [part, feature of this block][row]
  Barrier full[kMostStages], empty[kMostStages];
  Barrier sums_full;

  __device__ Stage& stage(int i) {
    return reinterpret_cast<Stage*>(reinterpret_cast<char*>(this) + kRingBegin())[i];
  }
  static constexpr size_t kRingBegin() { return (sizeof(ClusterShared) + 1023) / 1024 * 1024; }
};
template <int kRows>
constexpr size_t cluster_shared_bytes(int stages) {
  using S = ClusterShared<kRows>;
  return 1024 + S::kRingBegin() + static_cast<size_t>(stages) * sizeof(typename S::Stage);
}
constexpr size_t kHalfOfShared = 113 * 1024;  // of a multiprocessor's memory, less what it takes
static_assert(cluster_shared_bytes<8>(11) <= kHalfOfShared &&
              cluster_shared_bytes<16>(10) <= kHalfOfShared &&
              cluster_shared_bytes<32>(8) <= kHalfOfShared &&
              cluster_shared_bytes<64>(5) <= kHalfOfShared);

// x [num_rows, k] and w [n, k] of each group come as the copy engine's maps.
struct ClusterProblem {
  void* out;  // [num_rows, n] of each group, side by side as GemmArgs says
  int64_t out_stride;
  int x_group_columns, out_group_columns;
  int num_rows, n;
  int feature_tiles;  // of a group
  int k_of_block, log_parts;
  int stages = 0;  // of the ring, by the size of a stage
  bool streams_weights, stores_whole, out_is_f32;
};

// What a block sums, and stores a part of.
struct ClusterTile {
  int group, feature, row;  // the first of 64 features, and of kRows rows
  int part;

  __device__ ClusterTile(const ClusterProblem& p, int rows) {
    const int index = static_cast<int>(blockIdx.x) >> p.log_parts;
    group = index / p.feature_tiles;
    feature = (index - group * p.feature_tiles) * kFeatures;
    row = static_cast<int>(blockIdx.y) * rows;
    part = p.log_parts > 0 ? cluster_rank() : 0;
  }
};

template <int kRows>
__device__ void produce(const ClusterProblem& p, ClusterShared<kRows>& shared,
                        const ClusterTile& tile, const CUtensorMap& w, const CUtensorMap& x) {
  using S = ClusterShared<kRows>;
  const uint64_t policy = p.streams_weights ? evict_first() : evict_normal();
  const int tiles = p.k_of_block / kTileK, first_k = tile.part * p.k_of_block;
  const auto request_weights = [&](int i, int stage) {
    shared.full[stage].arrive_expecting(sizeof(typename S::Stage));
    load_tile(shared.stage(stage).weights, w, shared.full[stage], policy, first_k + i * kTileK,
              tile.feature, tile.group);
  };
#pragma unroll 1
  for (int i = 0; i < p.stages; ++i) request_weights(i, i);
  wait_for_previous();
  RingCursor now;
#pragma unroll 1
  for (int i = 0; i < tiles; ++i, now.advance(p.stages)) {
    if (i >= p.stages) {
      shared.empty[now.at].wait(now.parity ^ 1);
      request_weights(i, now.at);
    }
    load_tile(shared.stage(now.at).rows, x, shared.full[now.at], evict_normal(),
              tile.group * p.x_group_columns + first_k + i * kTileK, tile.row, 0);
  }
}

// d = this block's part of the products.
template <int kRows>
__device__ void multiply(const ClusterProblem& p, ClusterShared<kRows>& shared,
                         float (&d)[kRows / 2]) {
  const auto release = [&](int stage) {
    if (threadIdx.x % kWarp == 0) shared.empty[stage].arrive();  // one arrival a warp
  };
  RingCursor now;
#pragma unroll 1
  for (int i = 0; i < p.k_of_block / kTileK; ++i, now.advance(p.stages)) {
    shared.full[now.at].wait(now.parity);
    const uint64_t a = matrix_descriptor(shared_address(shared.stage(now.at).weights));
    const uint64_t b = matrix_descriptor(shared_address(shared.stage(now.at).rows));
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < kTileK / 16; ++step)
      Wgmma<kRows>::multiply(d, a + 2 * step, b + 2 * step, i > 0 || step > 0);
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
__device__ void send(const ClusterProblem& p, ClusterShared<kRows>& shared, int part,
                     const float (&d)[kRows / 2]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int log_features = std::countr_zero(unsigned{kFeatures}) - p.log_parts;  // of a block
  const uint32_t barrier = shared_address(&shared.sums_full);
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int feature = warp * 16 + lane / 4 + 8 * r, block = feature >> log_features;
    const int row = (part << log_features) + feature - (block << log_features);
    const uint32_t to = address_in_block(shared_address(&shared.sums[row][lane % 4 * 2]), block);
    const uint32_t barrier_there = address_in_block(barrier, block);
#pragma unroll
    for (int i = 0; i < kRows / 8; ++i)
      send_8_bytes(to + static_cast<uint32_t>(i * 8 * sizeof(float)), d[4 * i + 2 * r],
                   d[4 * i + 2 * r + 1], barrier_there);
  }
}

// The same where this block has them all.
template <int kRows>
__device__ void keep(ClusterShared<kRows>& shared, const float (&d)[kRows / 2]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float* to = &shared.sums[warp * 16 + lane / 4 + 8 * r][lane % 4 * 2];
#pragma unroll
    for (int i = 0; i < kRows / 8; ++i)
      *reinterpret_cast<float2*>(to + i * 8) = {d[4 * i + 2 * r], d[4 * i + 2 * r + 1]};
  }
  sync_warpgroup(0);
}

// Eight features of a row a thread, their parts added in order.
template <int kRows>
__device__ void store_parts(const ClusterProblem& p, const ClusterShared<kRows>& shared,
                            const ClusterTile& tile) {
  const int parts = 1 << p.log_parts, features = kFeatures >> p.log_parts;
  const int first_feature = tile.feature + tile.part * features;
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < kRows * (features / 8); i += kWarpgroup) {
    const int row = i % kRows, eight = i / kRows * 8, feature = first_feature + eight;
    if (tile.row + row >= p.num_rows || feature >= p.n) continue;
    float x[8];
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      x[j] = shared.sums[eight + j][row];
#pragma unroll
      for (int part = 1; part < kMostParts; ++part)
        if (part < parts) x[j] += shared.sums[part * features + eight + j][row];
    }
    const int64_t at = (tile.row + row) * p.out_stride + tile.group * p.out_group_columns + feature;
    if (p.out_is_f32)
      store_eight(static_cast<float*>(p.out) + at, x, p.stores_whole);
    else
      store_eight(static_cast<Bf16*>(p.out) + at, x, p.stores_whole);
  }
}

// A cluster for each 64 features of a group and kRows rows.
template <int kRows>
__global__ void __launch_bounds__(kThreads, 2)
    gemm_cluster_kernel(const ClusterProblem p, const __grid_constant__ CUtensorMap w,
                        const __grid_constant__ CUtensorMap x) {
  extern __shared__ char memory[];
  auto& shared = *reinterpret_cast<ClusterShared<kRows>*>(
      memory + (1024 - shared_address(memory) % 1024) % 1024);
  const ClusterTile tile(p, kRows);
  if (threadIdx.x == 0) {
    let_next_start();
#pragma unroll 1
    for (int s = 0; s < p.stages; ++s) {
      shared.full[s].init(1);
      shared.empty[s].init(kWarpgroup / kWarp);
    }
    shared.sums_full.init(1);
    shared.sums_full.arrive_expecting(kFeatures * kRows * static_cast<int>(sizeof(float)));
    fence_barrier_init();
  }
  __syncthreads();
  const bool is_cluster = p.log_parts > 0;
  if (is_cluster) arrive_at_cluster();  // this block's barrier may be used
  if (threadIdx.x >= kWarpgroup) {
    if (threadIdx.x == kWarpgroup) produce(p, shared, tile, w, x);
    __syncwarp();
    if (is_cluster) wait_for_cluster();
    return;
  }
  float d[kRows / 2];
  multiply(p, shared, d);
  if (is_cluster) {
    wait_for_cluster();
    send(p, shared, tile.part, d);
    shared.sums_full.wait_cluster(0);
  } else {
    keep(shared, d);
  }
  store_parts(p, shared, tile);
}

template <int kRows>
void launch_cluster(cudaStream_t stream, TensorMaps& maps, const GemmArgs& args,
                    ClusterProblem problem) {
  const int parts = 1 << problem.log_parts;
  problem.stages = std::min(ClusterShared<kRows>::kMostStages, problem.k_of_block / kTileK);
  const dim3 grid(static_cast<unsigned>(args.w.count * problem.feature_tiles * parts),
                  blocks_for(args.max_rows, kRows));
  Matrix rows = args.x;
  rows.rows = args.max_rows;
  rows.cols += (args.w.count - 1) * args.x_group_columns;
  launch_clusters_early(stream, parts, grid, dim3(kThreads),
                        cluster_shared_bytes<kRows>(problem.stages), gemm_cluster_kernel<kRows>,
                        problem, maps.of_weights(args.w, false, kFeatures),
                        map_of_rows(rows, kRows));
}

}  // namespace
}  // namespace product

void gemm_cluster(cudaStream_t stream, TensorMaps& maps, const GemmArgs& args, int parts) {
  using namespace product;
  const ClusterProblem problem{.out = args.out.data,
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
  if (args.max_rows <= 8)
    launch_cluster<8>(stream, maps, args, problem);
  else if (args.max_rows <= 16)
    launch_cluster<16>(stream, maps, args, problem);
  else if (args.max_rows <= 32)
    launch_cluster<32>(stream, maps, args, problem);
  else
    launch_cluster<64>(stream, maps, args, problem);
}

}  // namespace glint::cuda
