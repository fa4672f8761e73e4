// The matrix product of few rows on tensor cores: tiles of 64 rows of weights times 8 ... 128 rows
// of x.
//
//   producer warpgroup   weights by the copy engine, rows of x by 16-byte copies (they may be
//                        anywhere), into a ring of stages of 64 columns each
//   consumer warpgroup   wgmma over the ring; the sums stay in registers until a tile is done
//
// Persistent. A number is summed as gemm_wgmma.cu says.
//
// After DeepGEMM's structure (its README, "persistent warp specialization"); the code is ours.

#include "backend/cuda/gemm_small.cuh"
#include "backend/cuda/wgmma.cuh"

namespace glint::cuda::product {
namespace {

// Asks for a tile's weights of a stage from column k on. One thread.
template <typename S>
__device__ void request_weights(const SmallWalk<S>& tile, int k, const CUtensorMap& map,
                                char* stage, Barrier& full) {
  const Reads reads = tile.p.streams_weights ? Reads::kOnce : Reads::kAgain;
  full.arrive_expecting(S::kWeightBytes);
  if (tile.p.is_swiglu)
    load_tile(stage, map, full, reads, k, 0, 0, tile.feature * S::kWeightRows / 16, tile.group);
  else
    load_tile(stage, map, full, reads, k, tile.feature * S::kWeightRows, tile.group);
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
    multiply_64_columns<kRows>(d, matrix_descriptor(weights),
                               matrix_descriptor(weights + S::kWeightBytes), k > 0);
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

template <typename S>
void run_shape(cudaStream_t stream, int num_sms, TensorMaps& maps, const GemmArgs& args,
               Problem problem) {
  const int features = args.is_swiglu ? S::kWeightRows / 2 : S::kWeightRows;
  problem.tiling.feature_tiles = (args.n() + features - 1) / features;
  problem.tiling.tile_rows = S::kTileRows;
  const CUtensorMap& map = maps.of_weights(args.w, args.is_swiglu, S::kWeightRows);
  launch_early(stream, dim3(static_cast<unsigned>(num_sms * S::kBlocksPerSm)), dim3(S::kThreads),
               shared_bytes<S>(), gemm_kernel<S>, problem, map);
}

}  // namespace

// By how much of the ring weights get.
void run_small(cudaStream_t stream, int num_sms, TensorMaps& maps, const GemmArgs& args,
               Problem problem) {
  const auto run = [&](auto* run_kernel) { run_kernel(stream, num_sms, maps, args, problem); };
  if (args.max_rows <= 8) return run(run_shape<Shape<8, 11>>);
  if (args.max_rows <= 64 || args.rows_of_tile_choice() <= 16) return run(run_shape<Shape<64, 6>>);
  run(run_shape<Shape<128, 4>>);
}

}  // namespace glint::cuda::product
