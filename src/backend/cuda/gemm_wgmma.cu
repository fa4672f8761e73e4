// The matrix product of few rows on tensor cores, and which kernel a product takes. Weights are the
// M side (64 rows a warpgroup), rows of x the N side (8 ... 128), so that a few rows waste nothing
// but cheap columns.
//
//   producer warpgroup   weights by the copy engine, rows of x by 16-byte copies (they may be
//                        anywhere), into a ring of stages of 64 columns each
//   consumer warpgroup   wgmma over the ring; the sums stay in registers until a tile is done
//
// Persistent. gemm_large.cu does the same for many rows.
//
// A number is summed over k in steps of 16 in order, whatever the tile: the bits of a row do not
// depend on how many rows there are. Where a matrix is too narrow to occupy the GPU with few rows,
// k is in parts that are summed one by one and then added in order (parts_of_k): the blocks of a
// cluster take one each (gemm_cluster.cu), and in large tiles a block takes one after another.
//
// After DeepGEMM's structure (its README, "persistent warp specialization"); the code is ours.

#include "backend/cuda/gemm_store.cuh"
#include "backend/cuda/wgmma.cuh"

namespace glint::cuda {
namespace product {
namespace {

// Asks for a tile's weights of a stage from column k on. One thread.
template <typename S>
__device__ void request_weights(const SmallWalk<S>& tile, int k, const CUtensorMap& map,
                                char* stage, Barrier& full) {
  const uint64_t policy = tile.p.streams_weights ? evict_first() : evict_normal();
  full.arrive_expecting(S::kWeightBytes);
  if (tile.p.is_swiglu)
    load_tile(stage, map, full, policy, k, 0, 0, tile.feature * S::kWeightRows / 16, tile.group);
  else
    load_tile(stage, map, full, policy, k, tile.feature * S::kWeightRows, tile.group);
}

// Before the kernel that makes x is done: the first tile's weights, as many as the ring has room
// for. Returns how many stages.
template <typename S>
__device__ int request_early(const SmallWalk<S>& first, const CUtensorMap& map, char* ring,
                             Tail& tail) {
  const int count = min(S::kStages, first.p.k / kTileK);
  if (threadIdx.x % kWarpgroup == 0) {
#pragma unroll 1
    for (int i = 0; i < count; ++i)
      request_weights<S>(first, i * kTileK, map, ring + i * S::kStageBytes, tail.full[i]);
  }
  return count;
}

template <typename S>
__device__ void produce(const Problem& p, const CUtensorMap& map, char* ring, Tail& tail) {
  const int thread = static_cast<int>(threadIdx.x) % kWarpgroup;
  // Eight threads copy a row's 128 bytes.
  constexpr int kCopies = (S::kTileRows + 15) / 16;
  const int piece = thread % 8, first = thread / 8;
  const int place = swizzled(first, piece);
  RingCursor now;
  int early = -1;  // stages whose weights are requested; negative: the first tile is to come
  SmallWalk<S> tile(p, tail);
  while (thread < S::kCopyThreads && tile.next()) {
    if (early < 0) {
      early = request_early<S>(tile, map, ring, tail);
      wait_for_previous();
    }
    const Bf16* from[kCopies];
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      const int row = first + 16 * i;
      const bool inside = row < tile.num_rows;
      from[i] = !inside ? nullptr
                        : p.x + quotient(tile.id(p.in_ids, row), p.in_divisor) * p.x_stride +
                              tile.group * p.x_group_columns + piece * 8;
    }
#pragma unroll 1
    for (int k = 0; k < p.k; k += kTileK) {
      char* stage = ring + now.at * S::kStageBytes;
      tail.empty[now.at].wait(now.parity ^ 1);
      if (early > 0)
        --early;
      else if (thread == 0)
        request_weights<S>(tile, k, map, stage, tail.full[now.at]);
      const uint32_t rows = shared_address(stage + S::kWeightBytes) + static_cast<uint32_t>(place);
#pragma unroll
      for (int i = 0; i < kCopies; ++i) {
        // A row that is not there keeps what was there: it is summed, if at all, to a number that
        // is not stored.
        if (from[i] != nullptr)
          copy_16_bytes(rows + static_cast<uint32_t>(i * 16 * 128), from[i] + k);
      }
      arrive_when_copied(tail.full[now.at]);
      now.advance(S::kStages);
    }
  }
  wait_for_previous();  // a block without a tile too
  commit_copies();
  wait_copies<0>();
}

// The products of a stage.
template <int kRows>
__device__ void multiply_stage(float (&d)[kRows / 2], uint32_t weights, uint32_t rows,
                               bool is_first) {
  const uint64_t a = matrix_descriptor(weights), b = matrix_descriptor(rows);
#pragma unroll
  for (int step = 0; step < kTileK / 16; ++step)
    Wgmma<kRows>::multiply(d, a + 2 * step, b + 2 * step, !is_first || step > 0);
}

// Where a block's consumer is in the ring.
template <typename S>
struct Consumer {
  char* ring;
  RingCursor now = {};

  __device__ Tail& tail() const {
    return *reinterpret_cast<Tail*>(ring + S::kStages * S::kStageBytes);
  }
  __device__ float* sums() const {
    return reinterpret_cast<float*>(ring + S::kStages * S::kStageBytes + tail_bytes<S>());
  }
  // The stage before the current one has been used.
  __device__ void release_last() const {
    const int last = now.before(S::kStages);
    if (threadIdx.x % kWarp == 0) tail().empty[last].arrive();  // one arrival a warp
  }
};

// The first kRows rows of all_rows = the products over k, stage by stage from the ring.
template <typename S, int kRows>
__device__ void multiply_rows(float (&all_rows)[S::kTileRows / 2], int k_end, Consumer<S>& c) {
  auto& d = reinterpret_cast<float(&)[kRows / 2]>(all_rows);
#pragma unroll 1
  for (int k = 0; k < k_end; k += kTileK) {
    c.tail().full[c.now.at].wait(c.now.parity);
    fence_async_proxy();  // the copies of x were made by ordinary stores
    const uint32_t weights = shared_address(c.ring + c.now.at * S::kStageBytes);
    wgmma_fence();
    multiply_stage<kRows>(d, weights, weights + S::kWeightBytes, k == 0);
    wgmma_commit();
    if (k > 0) {
      wgmma_wait<1>();
      c.release_last();
    }
    c.now.advance(S::kStages);
  }
  wgmma_wait<0>();
  pin(d);
  c.release_last();
}

// A tile takes the smallest product that holds its rows: experts have a few rows each, and some
// many.
template <typename S>
__device__ void consume(const Problem& p, char* ring, const Tail& tail) {
  Consumer<S> consumer{ring};
  SmallWalk<S> tile(p, tail);
  while (tile.next()) {
    const int rows = tile.num_rows;
    float d[S::kTileRows / 2];
    if constexpr (S::kTileRows == 64) {
      if (rows <= 8)
        multiply_rows<S, 8>(d, p.k, consumer);
      else if (rows <= 16)
        multiply_rows<S, 16>(d, p.k, consumer);
      else if (rows <= 32)
        multiply_rows<S, 32>(d, p.k, consumer);
      else
        multiply_rows<S, 64>(d, p.k, consumer);
    } else {
      multiply_rows<S, S::kTileRows>(d, p.k, consumer);
    }
    store_small<S>(p, tile, d, consumer.sums());
  }
}

template <typename S>
__global__ void __launch_bounds__(S::kThreads, S::kBlocksPerSm)
    gemm_kernel(const Problem p, const __grid_constant__ CUtensorMap map) {
  extern __shared__ char shared[];
  char* ring = shared + (1024 - shared_address(shared) % 1024) % 1024;
  Tail& tail = *reinterpret_cast<Tail*>(ring + S::kStages * S::kStageBytes);
  // What begins after this has begun may rely on what came before it, if it begins late (moe_down).
  const bool waits_first = p.begin != nullptr && !p.begin_is_settled;
  if (threadIdx.x == 0) {
    if (!waits_first) let_next_start();
    prefetch_map(map);
#pragma unroll 1
    for (int s = 0; s < S::kStages; ++s) {
      tail.full[s].init(S::kCopyThreads + 1);  // the copies of each, and the announced bytes
      tail.empty[s].init(4);                   // one a warp
    }
    fence_barrier_init();
  }
  if (waits_first) {
    wait_for_previous();  // which rows a group has comes from there
    if (threadIdx.x == 0) let_next_start();
  }
  plan_tiles<S::kTileRows>(p, tail.plan);
  __syncthreads();
  if (threadIdx.x >= kWarpgroup)
    produce<S>(p, map, ring, tail);
  else
    consume<S>(p, ring, tail);
}

// With few rows a layer's weights are read once, and more than L2 has room for: what they would
// push out of it is everything else, the kernels' code too.
constexpr int kFewRows = 256;

// Into how many parts k falls: as many as keep kUsualSms busy with one tile each where rows are
// few, in halves, and none shorter than 256. Decided by the weights alone: a row's bits depend on
// it.
int parts_of_k(const GemmArgs& args) {
  const bool is_by_head = args.out_group_columns > 0;
  if (is_by_head || args.begin != nullptr || args.is_swiglu || args.w_is_transposed) return 1;
  const int tiles = (args.n() + 63) / 64;
  int parts = 1;
  while (parts < kMostParts && 2 * parts * tiles <= kUsualSms && args.k() % (2 * parts * 256) == 0)
    parts *= 2;
  return parts;
}

// What a kernel is told of the product, but for its tiles.
Problem problem_of(const GemmArgs& args) {
  return {.tiling = {.groups = args.w.count,
                     .max_rows = args.max_rows,
                     .is_listed = args.begin != nullptr},
          .x = static_cast<const Bf16*>(args.x.data),
          .x_stride = args.x.stride,
          .out = args.out.data,
          .out_stride = args.out.stride,
          .begin = args.begin,
          .in_ids = args.in_ids,
          .out_ids = args.out_ids,
          .x_group_columns = args.x_group_columns,
          .out_group_columns = args.out_group_columns,
          .in_divisor = args.in_divisor,
          .n = args.n(),
          .k = args.k(),
          .parts = parts_of_k(args),
          .streams_weights = args.max_rows <= kFewRows && args.n() > 64,
          .stores_whole = stores_whole(args),
          .begin_is_settled = args.begin_is_settled,
          .is_swiglu = args.is_swiglu,
          .out_is_f32 = args.out.type == NumberType::kF32};
}

template <typename S>
void run_small(cudaStream_t stream, int num_sms, TensorMaps& maps, const GemmArgs& args,
               Problem problem) {
  const int features = args.is_swiglu ? S::kWeightRows / 2 : S::kWeightRows;
  problem.tiling.feature_tiles = (args.n() + features - 1) / features;
  problem.tiling.tile_rows = S::kTileRows;
  const CUtensorMap& map = maps.of_weights(args.w, args.is_swiglu, S::kWeightRows);
  launch_early(stream, dim3(static_cast<unsigned>(num_sms * S::kBlocksPerSm)), dim3(S::kThreads),
               shared_bytes<S>(), gemm_kernel<S>, problem, map);
}

// Whether gemm_cluster() takes it: with k in parts or by head, all rows there are, and not more
// blocks than can run at once, unless one tile has all features: the router's, where copies are
// most of the work.
bool is_for_clusters(const GemmArgs& args) {
  const int parts = parts_of_k(args), feature_tiles = (args.n() + 63) / 64;
  const bool is_by_head = args.out_group_columns > 0 && !args.w_is_transposed && !args.is_swiglu &&
                          args.begin == nullptr;
  if (args.in_ids != nullptr || args.out_ids != nullptr || (parts == 1 && !is_by_head))
    return false;
  const int blocks = (args.max_rows + 63) / 64 * args.w.count * feature_tiles * parts;
  return blocks <= 2 * kUsualSms || (parts > 1 && feature_tiles == 1);
}

}  // namespace
}  // namespace product

bool is_for_wgmma(const GemmArgs& args) {
  const bool is_bf16 = args.w.type == NumberType::kBf16 && args.x.type == NumberType::kBf16;
  const bool fits =
      args.k() % product::kTileK == 0 && args.n() % 8 == 0 && args.w.count <= product::kMaxGroups;
  return is_bf16 && fits && args.x.stride % 8 == 0 && args.x_group_columns % 8 == 0 &&
         product::is_aligned(args.x.data) && product::is_aligned(args.w.data);
}

bool is_for_large_tiles(const GemmArgs& args) {
  return args.w_is_transposed || (args.max_rows > 128 && args.rows_of_tile_choice() > 16);
}

// Small tiles are chosen by how much of the ring weights get.
void gemm_wgmma(cudaStream_t stream, int num_sms, TensorMaps& maps, const GemmArgs& args) {
  using namespace product;
  const Problem problem = problem_of(args);
  const auto run = [&](auto* run_kernel) { run_kernel(stream, num_sms, maps, args, problem); };
  if (is_for_clusters(args)) return gemm_cluster(stream, maps, args, problem.parts);
  if (args.in_ids == nullptr && is_for_large_tiles(args)) return run(run_large);
  CHECK(args.num_shared == 0 && !args.w_is_transposed && problem.parts == 1,
        "no kernel of few rows takes ", args.num_shared, " shared groups, transposed weights or ",
        problem.parts, " parts of k");
  if (args.max_rows <= 8) return run(run_small<Shape<8, 11>>);
  if (args.max_rows <= 64 || args.rows_of_tile_choice() <= 16) return run(run_small<Shape<64, 6>>);
  run(run_small<Shape<128, 4>>);
}

}  // namespace glint::cuda
