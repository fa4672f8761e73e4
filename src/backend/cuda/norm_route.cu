// residual += delta; out = rms_norm(residual); and out's experts, for few rows.
//
// Between o_proj and the experts memory would be idle for as long as three small kernels follow
// each other. Here clusters of eight blocks have kRows rows each, a block 256 of their 2,048
// columns:
//
//   sum, squares        a warp a row, the block's columns; squares go to all blocks
//   norm                the block's columns, to `out` and as an operand to shared memory
//   logits              the products of the block's columns, which go to the block that has the row
//   experts of a row    one warp
//   rows of an expert   the cluster that finishes last, one block of it
//
// All sums are those of add_rms_norm() and route(), in their order: a block's columns are a warp's
// part of the norm there, and a part of k of the product (parts_of_k in gemm_wgmma.cu).

#include "backend/cuda/group.cuh"
#include "backend/cuda/norm_route.cuh"
#include "backend/cuda/ptx.cuh"
#include "backend/cuda/router.cuh"
#include "backend/cuda/rows.cuh"
#include "backend/cuda/wgmma.cuh"

namespace glint::cuda {
namespace {

using Bf16 = __nv_bfloat16;

constexpr int kBlocks = 8;  // of a cluster
constexpr int kColumns = kWarp * kChunk;
constexpr int kHidden = kBlocks * kColumns;
constexpr int kWarps = 8, kThreads = kWarps * kWarp;
constexpr int kExperts = 64, kExpertsOfLane = kExperts / kWarp;
constexpr int kTiles = kColumns / 64;         // of 64 columns: 128 bytes, swizzled
constexpr int kWeightBytes = kExperts * 128;  // of a tile
constexpr int kMostRows = 128, kPairChunks = 3;
constexpr int kMostPairs = kWarps * kPairChunks * kWarp;
using Groups = PairGroups<kWarps, kPairChunks>;

template <int kRows>
struct Shared {
  static constexpr int kSlots = kRows / kBlocks;  // rows whose experts a block chooses
  char weights[kTiles][kWeightBytes];
  char normed[kTiles][kRows * 128];
  float squares[kRows][kBlocks];            // of each block's columns
  float logits[kBlocks][kSlots][kExperts];  // likewise
  int32_t ids[kMostPairs];  // of the cluster's pairs, in its first block; then of all
  Groups::Shared groups;
  Barrier weights_full;
  Barrier squares_full, logits_full, ids_full;  // by the bytes that all blocks send
  bool is_last;
};

struct NormRouteArgs {
  ChunkedRows delta, residual, norm, out;  // [num_rows, kHidden]; norm one row
  int num_rows, num_experts;
  float eps;
  const float* bias;  // [num_experts]
  RouterParams params;
  Routing routing;
  unsigned* finished;  // clusters; 0 before and after
};

// x to the same place in block `rank` of the cluster, where `full` counts it.
template <typename T>
__device__ void send_to_block(const T* at, int rank, T x, const Barrier& full) {
  static_assert(sizeof(T) == 4);
  send_4_bytes(address_in_block(shared_address(at), rank), reinterpret_cast<const uint32_t&>(x),
               address_in_block(shared_address(&full), rank));
}

// A block's part in a cluster's rows.
template <int kRows>
struct Part {
  static constexpr int kRowsOfWarp = kRows / kWarps;

  Shared<kRows>& shared;
  const NormRouteArgs& args;
  int block, first_row, num_rows;  // of the cluster
  int warp = static_cast<int>(threadIdx.x) / kWarp, lane = static_cast<int>(threadIdx.x) % kWarp;

  __device__ int column() const { return block * kColumns + lane * kChunk; }
  __device__ int row_of(int i) const { return warp + i * kWarps; }

  // sums = residual + delta, which is the residual now.
  __device__ void add(Chunk (&sums)[kRowsOfWarp]) {
#pragma unroll
    for (int i = 0; i < kRowsOfWarp; ++i) {
      const int row = row_of(i);
      if (row >= num_rows) continue;
      sums[i] = load_chunk(args.residual, first_row + row, column(), kHidden);
      const Chunk more = load_chunk(args.delta, first_row + row, column(), kHidden);
      for (int c = 0; c < kChunk; ++c) sums[i].x[c] += more.x[c];
    }
#pragma unroll
    for (int i = 0; i < kRowsOfWarp; ++i) {
      const int row = row_of(i);
      if (row >= num_rows) continue;
      store_chunk(args.residual, first_row + row, column(), kHidden, sums[i]);
      float squares = 0;
      for (const float x : sums[i].x) squares = fmaf(x, x, squares);
      squares = warp_sum(squares);
      if (lane < kBlocks)
        send_to_block(&shared.squares[row][block], lane, squares, shared.squares_full);
    }
  }

  __device__ void norm(const Chunk (&sums)[kRowsOfWarp], const Chunk& weights) {
#pragma unroll
    for (int i = 0; i < kRowsOfWarp; ++i) {
      const int row = row_of(i);
      if (row >= num_rows) continue;
      float sum = 0;
      for (const float squares : shared.squares[row]) sum += squares;
      const float scale = 1.0f / sqrtf(sum / static_cast<float>(kHidden) + args.eps);
      Chunk normed;
      for (int c = 0; c < kChunk; ++c) normed.x[c] = sums[i].x[c] * scale * weights.x[c];
      store_chunk(args.out, first_row + row, column(), kHidden, normed);
      char* piece = shared.normed[lane / 8] + swizzled(row, lane % 8);
      store_numbers(reinterpret_cast<Bf16*>(piece), kChunk, true, normed);
    }
  }

  // The first warpgroup: the logits that the block's columns come to, to the blocks of their rows.
  __device__ void multiply() {
    float d[kRows / 2];
    shared.weights_full.wait(0);
    wgmma_fence();
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
      const uint64_t a = matrix_descriptor(shared_address(shared.weights[tile]));
      const uint64_t b = matrix_descriptor(shared_address(shared.normed[tile]));
      multiply_64_columns<kRows>(d, a, b, tile > 0);
    }
    wgmma_commit();
    wgmma_wait<0>();
    pin(d);
#pragma unroll
    for (int i = 0; i < kRows / 2; ++i) {
      const int expert = warp * 16 + lane / 4 + i / 2 % 2 * 8;
      send_to_block(&shared.logits[block][i / 4][expert], lane % 4 * 2 + i % 2, d[i],
                    shared.logits_full);
    }
  }

  // A warp for each row of this block's.
  __device__ void choose() {
    const int row = warp * kBlocks + block, per_row = args.routing.experts_per_row;
    if (warp >= Shared<kRows>::kSlots || row >= num_rows) return;
    const LaneLogits<kExpertsOfLane> logits(args.num_experts, [&](int e) {
      float sum = shared.logits[0][warp][e];
#pragma unroll
      for (int part = 1; part < kBlocks; ++part) sum += shared.logits[part][warp][e];
      return sum;
    });
    const int32_t id =
        choose_row(logits, args.bias, args.num_experts, args.params, first_row + row, args.routing);
    if (lane < per_row) send_to_block(&shared.ids[row * per_row + lane], 0, id, shared.ids_full);
  }
};

// The cluster's first block: whether all others have finished. Then all ids are in shared memory.
template <int kRows>
__device__ bool is_last_to_finish(Shared<kRows>& shared, const NormRouteArgs& args) {
  const unsigned clusters = gridDim.x / kBlocks;
  if (clusters == 1) return true;
  if (threadIdx.x == 0) {
    __threadfence();  // what the cluster's blocks wrote, and the barrier has shown this one
    shared.is_last = atomicAdd(args.finished, 1) == clusters - 1;
    __threadfence();
    if (shared.is_last) *args.finished = 0;
  }
  __syncthreads();
  if (!shared.is_last) return false;
  const int pairs = args.num_rows * args.routing.experts_per_row;
  for (int i = static_cast<int>(threadIdx.x); i < pairs; i += kThreads)
    shared.ids[i] = __ldcg(args.routing.expert_ids + i);
  __syncthreads();
  return true;
}

template <int kRows>
__device__ void group(Shared<kRows>& shared, const NormRouteArgs& args) {
  const Routing& routing = args.routing;
  const int all = args.num_experts + routing.n_shared_experts;
  Groups groups(shared.groups, all);
  groups.count(shared.ids, args.num_rows * routing.experts_per_row);
  groups.begin_from(shared.groups.total);
  const int e = static_cast<int>(threadIdx.x);
  if (e <= all) routing.expert_begin[e] = shared.groups.begin[e];
  groups.place(0, routing.expert_pairs, [&](int id) { return shared.groups.begin[id]; });
}

template <int kRows>
__global__ void __launch_bounds__(kThreads)
    norm_route_kernel(const NormRouteArgs args, const __grid_constant__ CUtensorMap w) {
  extern __shared__ char memory[];
  auto& shared =
      *reinterpret_cast<Shared<kRows>*>(memory + (1024 - shared_address(memory) % 1024) % 1024);
  const int first_row = static_cast<int>(blockIdx.x) / kBlocks * kRows;
  Part<kRows> part{shared, args, cluster_rank(), first_row, min(kRows, args.num_rows - first_row)};
  if (threadIdx.x == 0) {
    let_next_start();
    shared.weights_full.init(1);
    shared.squares_full.init(1);
    shared.logits_full.init(1);
    shared.ids_full.init(1);
    fence_barrier_init();
    shared.weights_full.arrive_expecting(sizeof shared.weights);
    shared.squares_full.arrive_expecting(part.num_rows * static_cast<int>(sizeof *shared.squares));
    shared.logits_full.arrive_expecting(sizeof shared.logits);
    shared.ids_full.arrive_expecting(part.num_rows * args.routing.experts_per_row *
                                     static_cast<int>(sizeof *shared.ids));
    for (int tile = 0; tile < kTiles; ++tile)
      load_tile(shared.weights[tile], w, shared.weights_full, Reads::kAgain,
                part.block * kColumns + tile * 64, 0, 0);
  }
  const Chunk norm_weights = load_chunk(args.norm, 0, part.column(), kHidden);
  __syncwarp();
  arrive_at_cluster_with_barriers();
  wait_for_previous();
  wait_for_cluster();
  Chunk sums[Part<kRows>::kRowsOfWarp];
  part.add(sums);
  shared.squares_full.wait_cluster(0);
  part.norm(sums, norm_weights);
  fence_async_proxy();
  __syncthreads();
  if (threadIdx.x < 128) part.multiply();
  __syncwarp();
  shared.logits_full.wait_cluster(0);  // without rows to choose for, too: nothing comes later
  part.choose();
  __syncwarp();
  if (gridDim.x > kBlocks) sync_cluster();  // other clusters want what the blocks wrote
  if (part.block > 0) return;
  shared.ids_full.wait_cluster(0);
  if (!is_last_to_finish(shared, args)) return;
  group(shared, args);
}

template <int kRows>
void launch_norm_route(cudaStream_t stream, const NormRouteArgs& args, const CUtensorMap& w) {
  const unsigned clusters = blocks_for(args.num_rows, kRows);
  launch_clusters_early(stream, kBlocks, dim3(clusters * kBlocks), dim3(kThreads),
                        sizeof(Shared<kRows>) + 1024, norm_route_kernel<kRows>, args, w);
}

}  // namespace

bool is_for_norm_route(const NormRouteInputs& inputs, const Routing& routing, const Matrix& out) {
  for (const Matrix& m : {inputs.delta, inputs.residual, inputs.norm, out})
    if (!is_chunked(m) || m.cols != kHidden) return false;
  const Matrix& w = inputs.w;
  const bool fits = w.rows <= kExperts && w.cols == kHidden && w.stride == w.cols &&
                    out.rows <= kMostRows && out.rows * routing.experts_per_row <= kMostPairs &&
                    w.rows + routing.n_shared_experts < kThreads;
  // Fewer experts than eight in a row are no product for tensor cores (is_for_wgmma).
  return fits && w.rows % 8 == 0 && is_chunked(w);
}

void norm_route(cudaStream_t stream, TensorMaps& maps, Counter& finished,
                const NormRouteInputs& inputs, const Routing& routing, const Matrix& out) {
  if (out.rows == 0) return;
  const Matrix& w = inputs.w;
  const NormRouteArgs args{.delta = rows_as<ChunkedRows>(inputs.delta),
                           .residual = rows_as<ChunkedRows>(inputs.residual),
                           .norm = rows_as<ChunkedRows>(inputs.norm),
                           .out = rows_as<ChunkedRows>(out),
                           .num_rows = out.rows,
                           .num_experts = w.rows,
                           .eps = inputs.eps,
                           .bias = static_cast<const float*>(inputs.bias.data),
                           .params = inputs.params,
                           .routing = routing,
                           .finished = finished.data()};
  const CUtensorMap& map = maps.of_weights({w.data, w.type, 1, w.rows, w.cols}, false, kExperts);
  (out.rows <= 8 ? launch_norm_route<8> : launch_norm_route<16>)(stream, args, map);
}

}  // namespace glint::cuda
