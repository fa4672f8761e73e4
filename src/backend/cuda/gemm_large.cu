// The matrix product of many rows: one persistent kernel, tiles of 128 rows of weights times up to
// 256 rows of x.
//
//   consumer warpgroups  64 rows of weights each: wgmma over a ring of stages of 64 columns; a
//                        tile's sums, as they are stored, go to a ring of chunks
//   2 warps              fill the ring of stages: weights by the copy engine; rows of x by it too,
//                        or by 16-byte copies where they are gathered
//   2 warps              store the chunks of one consumer each, beside the next tile's products
//
// A tile takes the smallest product that holds its rows. A number is summed as gemm_wgmma.cu says,
// with the same bits.

#include <algorithm>

#include "backend/cuda/gemm_chunks.cuh"
#include "backend/cuda/wgmma.cuh"

namespace glint::cuda::product {
namespace {

constexpr int kConsumers = 2;  // warpgroups
constexpr int kThreads = (kConsumers + 1) * kWarpgroup;
constexpr int kWeightRows = 64 * kConsumers;
constexpr int kWeightBytes = kWeightRows * kTileK * 2;  // of a stage
constexpr int kCopyThreads = 64;                        // eight copy a row's 128 bytes
constexpr int kCopyRows = kCopyThreads / 8;             // at once
constexpr int kMostRows = 256;                          // of a tile: the largest product
constexpr int kMostRowsInParts = 192;                   // two sets of sums have to fit
constexpr int kMostStages = 16, kMostChunks = 8;        // chunks of a consumer

// How a group's weights lie in memory (GemmArgs).
enum class Weights { kPlain, kSwiglu, kTransposed };

constexpr int kRowsThatMultiply = 128;  // of a tile that takes its time to multiply, not to load
constexpr int kLead = 2;

struct Rings {
  int stages, stage_bytes;
  int chunks;  // of a consumer
  int lead;    // stages that the first consumer has begun when the second begins a tile; 0: any
};

struct Tail {  // of shared memory, behind the rings
  Barrier full[kMostStages], empty[kMostStages];
  Barrier filled[kConsumers][kMostChunks], stored[kConsumers][kMostChunks];
  Barrier leads;
  TilePlan plan;
};

constexpr int kRingBytes = 227 * 1024 - static_cast<int>(sizeof(Tail));  // what a block may have
static_assert(kRingBytes >= 4 * (kWeightBytes + kMostRows * kTileK * 2) + kConsumers * kChunkBytes);

// Where everything is in shared memory.
struct Memory {
  char* shared;
  const Rings& rings;
  __device__ char* stage(int i) const { return shared + i * rings.stage_bytes; }
  __device__ char* chunk(int consumer, int i) const {
    return stage(rings.stages) + (consumer * rings.chunks + i) * kChunkBytes;
  }
  __device__ Tail& tail() const { return *reinterpret_cast<Tail*>(chunk(kConsumers, 0)); }
};

// A position in one of them and the parity of its phase.
struct RingCursor {
  int at = 0;
  uint32_t parity = 0;
  __device__ void advance(int size) {
    if (++at == size) at = 0, parity ^= 1;
  }
};

using LargeWalk = BlockWalk<0>;

__device__ LargeWalk walk_of_block(const Problem& p, const Tail& tail) {
  return {p, tail.plan, static_cast<int>(blockIdx.x), static_cast<int>(gridDim.x)};
}

// One thread: announces what the copy engine brings to a stage and asks for its weights.
template <Weights kWeights>
__device__ void request_weights(const Problem& p, const LargeWalk& tile, int k,
                                const CUtensorMap& map, char* stage, Barrier& full) {
  const uint64_t policy = p.streams_weights ? evict_first() : evict_normal();
  const int row_bytes = p.ids == nullptr ? p.tiling.tile_rows * kTileK * 2 : 0;
  full.arrive_expecting(kWeightBytes + row_bytes);
  if constexpr (kWeights == Weights::kTransposed) {
#pragma unroll
    for (int i = 0; i < kConsumers; ++i) {
      const int feature = (tile.feature * kConsumers + i) * 64, head = quotient(feature, p.n);
      load_tile(stage + i * 64 * 128, map, full, policy, feature - head * p.n, k, head);
    }
  } else if constexpr (kWeights == Weights::kSwiglu) {
    load_tile(stage, map, full, policy, k, 0, 0, tile.feature * kWeightRows / 16, tile.group);
  } else {
    load_tile(stage, map, full, policy, k, tile.feature * kWeightRows, tile.group);
  }
}

// A tile's rows of x that are anywhere: each of kCopyThreads copies a piece of 16 bytes of every
// eighth row. Of the rows that its warp copies it knows where some are, and asks the other lanes.
struct Gather {
  static constexpr int kCopies = kMostRows / kCopyRows;
  uint32_t at[kCopies / 8];  // in pieces, from p.x on
  int num_rows;

  __device__ void begin(const LargeWalk& tile, int thread) {
    const Problem& p = tile.p;
    const int lane = thread % kWarp, warp = thread / kWarp;
    const auto stride = static_cast<uint32_t>(p.x_stride / 8);
    const auto column = static_cast<uint32_t>(tile.group * p.x_group_columns / 8);
    num_rows = tile.num_rows;
#pragma unroll
    for (int i = 0; i < kCopies / 8; ++i) {
      const int row = (8 * i + lane / 4) * kCopyRows + 4 * warp + lane % 4;
      at[i] = 0;
      if (row < num_rows)
        at[i] = static_cast<uint32_t>(quotient(tile.id(row), p.in_divisor)) * stride + column;
    }
  }
  // A row that is not there keeps what was there: it is summed, if at all, to a number that is not
  // stored.
  __device__ void copy(const Bf16* x, uint32_t stage, int thread) const {
    const int piece = thread % 8, first = thread / 8, lane = thread % kWarp;
    // The swizzle exchanges a row's pieces by row % 8.
    const int place = kWeightBytes + first * 128 + ((piece ^ first) << 4);
    const uint32_t to = stage + static_cast<uint32_t>(place);
    x += piece * 8;
#pragma unroll
    for (int eight = 0; eight < kCopies / 8; ++eight) {
      if (eight * 8 * kCopyRows >= num_rows) break;
      uint32_t from[8];
#pragma unroll
      for (int i = 0; i < 8; ++i) from[i] = __shfl_sync(~0u, at[eight], i * 4 + lane / 8);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const int row = (eight * 8 + i) * kCopyRows;
        copy_16_bytes_if(first + row < num_rows, to + static_cast<uint32_t>(row * 128),
                         x + uint64_t{8} * from[i]);
      }
    }
  }
};

// kCopyThreads, of which one asks the copy engine.
template <Weights kWeights, bool kCanGather>
__device__ void produce(const Problem& p, const CUtensorMap& weights, const CUtensorMap& rows,
                        const Memory& memory) {
  const int thread = static_cast<int>(threadIdx.x) % kWarpgroup, stages = memory.rings.stages;
  const bool gathers = kCanGather && p.ids != nullptr;
  Tail& tail = memory.tail();
  LargeWalk tile = walk_of_block(p, tail);
  RingCursor now;
  Gather gather;
  int early = -1;  // stages whose weights are requested; negative: the first tile is to come
  while ((gathers || thread == 0) && tile.next()) {
    if (early < 0) {  // before the kernel that makes x is done
      early = min(stages, p.k / kTileK);
#pragma unroll 1
      for (int i = 0; i < early && thread == 0; ++i)
        request_weights<kWeights>(p, tile, i * kTileK, weights, memory.stage(i), tail.full[i]);
      wait_for_previous();
    }
    if (gathers) gather.begin(tile, thread);
#pragma unroll 1
    for (int k = 0; k < p.k; k += kTileK) {
      char* stage = memory.stage(now.at);
      Barrier& full = tail.full[now.at];
      tail.empty[now.at].wait(now.parity ^ 1);
      if (early > 0)
        --early;
      else if (thread == 0)
        request_weights<kWeights>(p, tile, k, weights, stage, full);
      if (gathers) {
        gather.copy(p.x + k, shared_address(stage), thread);
        arrive_when_copied(full);
      } else {
        load_tile(stage + kWeightBytes, rows, full, evict_normal(),
                  tile.group * p.x_group_columns + k, tile.first_row, 0);
      }
      now.advance(stages);
    }
  }
  wait_for_previous();  // a block without a tile too
  commit_copies();
  wait_copies<0>();
}

// Where a consumer is in the rings.
struct Consumer {
  const Memory& memory;
  int warpgroup;
  RingCursor now = {}, chunk = {};
  uint32_t lead_parity = 0;
  int until_lead = 0;

  // The first consumer begins each tile some stages before the second. So the end of a tile of one,
  // which takes as long, falls beside products of the other, who has the tensor cores alone then.
  __device__ void begin_tile() {
    if (memory.rings.lead == 0) return;
    if (warpgroup == 0) {
      until_lead = memory.rings.lead;
    } else {
      memory.tail().leads.wait(lead_parity);
      lead_parity ^= 1;
    }
  }
  __device__ void has_begun_stage() {
    if (until_lead == 0 || --until_lead > 0) return;
    if (threadIdx.x % kWarp == 0) memory.tail().leads.arrive();
  }
  // The stage before the current one has been used.
  __device__ void release_last() const {
    const int last = (now.at == 0 ? memory.rings.stages : now.at) - 1;
    if (threadIdx.x % kWarp == 0) memory.tail().empty[last].arrive();  // one arrival a warp
  }
};

// d = the products of the ring's next `stages` stages.
template <int kRows, bool kTransposed, bool kCanGather>
__device__ void multiply(const Problem& p, float (&d)[kRows / 2], int stages, Consumer& c) {
#pragma unroll 1
  for (int i = 0; i < stages; ++i) {
    c.memory.tail().full[c.now.at].wait(c.now.parity);
    if (kCanGather && p.ids != nullptr) fence_async_proxy();  // copies are like ordinary stores
    const uint32_t stage = shared_address(c.memory.stage(c.now.at));
    const uint32_t weights = stage + static_cast<uint32_t>(c.warpgroup) * 64 * 128;
    const uint64_t a = kTransposed ? transposed_descriptor(weights, 0) : matrix_descriptor(weights);
    const uint64_t b = matrix_descriptor(stage + kWeightBytes);
    constexpr int kNext = (kTransposed ? 16 * 128 : 32) / 16;  // 16 columns of k further
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < kTileK / 16; ++step)
      Wgmma<kRows>::template multiply<kTransposed>(d, a + kNext * step, b + 2 * step,
                                                   i > 0 || step > 0);
    wgmma_commit();
    c.has_begun_stage();
    if (i > 0) {
      wgmma_wait<1>();
      c.release_last();
    }
    c.now.advance(c.memory.rings.stages);
  }
  wgmma_wait<0>();
  pin(d);
  c.release_last();
}

// The same for a tile of `rows` rows, by the smallest product that holds them.
template <bool kTransposed, bool kCanGather, int kRows, int kSums>
__device__ void multiply_rows(const Problem& p, float (&d)[kSums], int rows, int stages,
                              Consumer& c) {
  if constexpr (kRows > kRowStep) {
    if (rows <= kRows - kRowStep)
      return multiply_rows<kTransposed, kCanGather, kRows - kRowStep>(p, d, rows, stages, c);
  }
  auto& first_sums = reinterpret_cast<float(&)[kRows / 2]>(d);
  multiply<kRows, kTransposed, kCanGather>(p, first_sums, stages, c);
}

// A tile's sums to chunks, as soon as there is room.
template <typename Out, bool kSwiglu, int kMost>
__device__ void fill_chunks(const float (&d)[kMost / 2], int rows, Consumer& c) {
  constexpr int kRows = chunk_rows_of(log_pieces_of(kSwiglu, sizeof(Out) == 4));
  Tail& tail = c.memory.tail();
#pragma unroll  // d stays in registers
  for (int first = 0; first < kMost; first += kRows) {
    if (first >= rows) break;
    tail.stored[c.warpgroup][c.chunk.at].wait(c.chunk.parity ^ 1);
    fill_chunk<Out, kSwiglu>(d + first / 2, c.memory.chunk(c.warpgroup, c.chunk.at));
    __syncwarp();
    if (threadIdx.x % kWarp == 0) tail.filled[c.warpgroup][c.chunk.at].arrive();
    c.chunk.advance(c.memory.rings.chunks);
  }
}

template <Weights kWeights, bool kAddsParts>
__device__ void consume(const Problem& p, const Memory& memory, int warpgroup) {
  constexpr bool kTransposed = kWeights == Weights::kTransposed;
  constexpr bool kSwiglu = kWeights == Weights::kSwiglu;
  constexpr int kMost = kAddsParts ? kMostRowsInParts : kMostRows;
  Consumer c{memory, warpgroup};
  LargeWalk tile = walk_of_block(p, memory.tail());
  while (tile.next()) {
    c.begin_tile();
    float d[kMost / 2];
    if constexpr (kAddsParts) {
      float part[kMost / 2];
      for (int i = 0; i < p.parts; ++i) {
        multiply_rows<kTransposed, false, kMost>(p, part, tile.num_rows, p.k / p.parts / kTileK, c);
#pragma unroll
        for (int j = 0; j < kMost / 2; ++j) d[j] = i == 0 ? part[j] : d[j] + part[j];
      }
    } else {
      multiply_rows<kTransposed, !kTransposed, kMost>(p, d, tile.num_rows, p.k / kTileK, c);
    }
    if (p.out_is_f32)
      fill_chunks<float, kSwiglu, kMost>(d, tile.num_rows, c);
    else
      fill_chunks<Bf16, kSwiglu, kMost>(d, tile.num_rows, c);
  }
}

// One warp: the chunks of a consumer to out.
template <Weights kWeights, bool kCanGather>
__device__ void store(const Problem& p, const Memory& memory, int consumer) {
  constexpr bool kSwiglu = kWeights == Weights::kSwiglu;
  constexpr int kFeatures = kSwiglu ? 32 : 64;  // of the consumer
  const int number_bytes = p.out_is_f32 ? 4 : 2;
  const ChunkLane lane(log_pieces_of(kSwiglu, p.out_is_f32));
  const int chunk_rows = chunk_rows_of(lane.log_pieces);
  const int row_bytes = static_cast<int>(p.out_stride) * number_bytes;
  Tail& tail = memory.tail();
  LargeWalk tile = walk_of_block(p, tail);
  RingCursor now;
  while (tile.next()) {
    int feature = (tile.feature * kConsumers + consumer) * kFeatures, group = tile.group;
    int features = p.n - feature;  // that there are from here on
    if constexpr (kWeights == Weights::kTransposed) {
      group = quotient(feature, p.n);
      feature -= group * p.n;
      features = group < p.heads ? p.n - feature : 0;
    }
    const int64_t column = int64_t{group} * p.out_group_columns + feature;
    char* out = static_cast<char*>(p.out) + column * number_bytes + lane.piece * 16;
    const bool stores = lane.piece * 16 < features * number_bytes;
#pragma unroll 1
    for (int first = 0; first < tile.num_rows; first += chunk_rows) {
      const int rows = stores ? min(chunk_rows, tile.num_rows - first) : 0;
      const char* chunk = memory.chunk(consumer, now.at);
      int ids[ChunkLane::kRows];  // before the sums are there
#pragma unroll
      for (int i = 0; i < ChunkLane::kRows; ++i) ids[i] = tile.first_row + first + lane.row(i);
      if (kCanGather && p.ids != nullptr) {
#pragma unroll
        for (int i = 0; i < ChunkLane::kRows; ++i)
          ids[i] = lane.row(i) < rows ? p.ids[tile.group_begin + ids[i]] : 0;
      }
      tail.filled[consumer][now.at].wait(now.parity);
      if (p.stores_whole)
        lane.store(chunk, rows, ids, out, row_bytes);
      else if (p.out_is_f32)
        lane.store_numbers<float>(chunk, rows, ids, out, row_bytes);
      else
        lane.store_numbers<Bf16>(chunk, rows, ids, out, row_bytes);
      __syncwarp();
      if (threadIdx.x % kWarp == 0) tail.stored[consumer][now.at].arrive();
      now.advance(memory.rings.chunks);
    }
  }
}

template <Weights kWeights, bool kAddsParts>
__global__ void __launch_bounds__(kThreads, 1)
    large_kernel(const __grid_constant__ Problem p, const __grid_constant__ Rings rings,
                 const __grid_constant__ CUtensorMap weights,
                 const __grid_constant__ CUtensorMap rows) {
  extern __shared__ __align__(1024) char shared[];
  const Memory memory{shared, rings};
  Tail& tail = memory.tail();
  // What begins after this has begun may rely on what came before it, if it begins late (moe_down).
  const bool waits_first = p.begin != nullptr && !p.begin_is_settled;
  if (threadIdx.x == 0) {
    if (!waits_first) let_next_start();
    prefetch_map(weights);
    if (p.ids == nullptr) prefetch_map(rows);
#pragma unroll 1
    for (int i = 0; i < rings.stages; ++i) {
      // Announced bytes, and the copies of each thread.
      tail.full[i].init(p.ids == nullptr ? 1 : 1 + kCopyThreads);
      tail.empty[i].init(4 * kConsumers);
    }
#pragma unroll 1
    for (int i = 0; i < kConsumers * kMostChunks; ++i) {
      tail.filled[0][i].init(4);
      tail.stored[0][i].init(1);
    }
    tail.leads.init(4);
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
  constexpr bool kCanGather = kWeights != Weights::kTransposed && !kAddsParts;
  // Three warpgroups have 168 registers a thread. What one gives away the consumers take, who need
  // it for two sets of sums; besides, the compiler now knows that a warp is of one mind.
  constexpr int kKept = kAddsParts ? 72 : 104, kTaken = (168 - kKept) / kConsumers;
  if (warp < 4 * kConsumers) {
    take_registers<168 + kTaken>();
    consume<kWeights, kAddsParts>(p, memory, warp / 4);
  } else {
    give_registers<kKept>();
    if (warp < 4 * kConsumers + kCopyThreads / kWarp)
      produce<kWeights, kCanGather>(p, weights, rows, memory);
    else
      store<kWeights, kCanGather>(p, memory, warp % 2);
  }
}

using LargeKernel = void (*)(Problem, Rings, CUtensorMap, CUtensorMap);

LargeKernel kernel_for(const GemmArgs& args, int parts) {
  if (args.w_is_transposed) return large_kernel<Weights::kTransposed, false>;
  if (args.is_swiglu) return large_kernel<Weights::kSwiglu, false>;
  return parts > 1 ? large_kernel<Weights::kPlain, true> : large_kernel<Weights::kPlain, false>;
}

// Chunks for a whole tile, so that its consumers need not wait for memory, as long as four stages
// remain.
Rings rings_for(const Problem& p) {
  const int stage_bytes = kWeightBytes + p.tiling.tile_rows * kTileK * 2;
  const int chunk_rows = chunk_rows_of(log_pieces_of(p.is_swiglu, p.out_is_f32));
  int chunks = std::min((p.tiling.tile_rows + chunk_rows - 1) / chunk_rows, kMostChunks);
  const auto stages = [&] {
    return (kRingBytes - kConsumers * chunks * kChunkBytes) / stage_bytes;
  };
  while (stages() < 4) --chunks;
  Rings rings{std::min(stages(), kMostStages), stage_bytes, chunks, 0};
  // Where arithmetic takes longer than copies, which would rather have the whole ring. A tile has
  // no fewer stages than the ring: so the first consumer is never a whole tile ahead, as the
  // barrier tells only one phase from the next.
  if (p.tiling.tile_rows >= kRowsThatMultiply && p.k / kTileK >= rings.stages) rings.lead = kLead;
  return rings;
}

size_t shared_bytes(const Rings& rings) {
  return static_cast<size_t>(rings.stages * rings.stage_bytes +
                             kConsumers * rings.chunks * kChunkBytes) +
         sizeof(Tail);
}

// The columns of x that all groups read.
Matrix x_of_groups(const GemmArgs& args) {
  Matrix x = args.x;
  x.rows = args.max_rows;
  x.cols = args.k() + (args.w.count - 1) * args.x_group_columns;
  return x;
}

}  // namespace

void run_large(cudaStream_t stream, int num_sms, TensorMaps& maps, const GemmArgs& args,
               Problem p) {
  const bool gathers = p.ids != nullptr;
  CHECK(gathers || p.begin == nullptr, "rows by group without their ids");
  CHECK(!gathers || (p.parts == 1 && !args.w_is_transposed), "no kernel gathers these rows");
  if (args.w_is_transposed) {
    CHECK(p.n % 64 == 0 && p.x_group_columns == 0 && !p.out_is_f32, "a transposed product of ", p.n,
          " features a group");
    p.heads = p.tiling.groups;
    p.tiling.groups = 1;
  }
  const int features = args.is_swiglu ? kWeightRows / 2 : kWeightRows;
  const int most = p.parts > 1 ? kMostRowsInParts : kMostRows;
  p.tiling.feature_tiles = (p.n * p.heads + features - 1) / features;
  p.tiling.tile_rows =
      p.tiling.is_listed
          ? tile_rows_of_groups(args.mean_rows, most)
          : best_tile_rows(args.max_rows, p.tiling.groups * p.tiling.feature_tiles, num_sms, most);
  const Rings rings = rings_for(p);
  const int map_rows = args.w_is_transposed ? kTileK : kWeightRows;
  const CUtensorMap& weights = maps.of_weights(args.w, args.is_swiglu, map_rows);
  const CUtensorMap rows =
      gathers ? CUtensorMap{} : map_of_rows(x_of_groups(args), p.tiling.tile_rows);
  launch_early(stream, dim3(static_cast<unsigned>(num_sms)), dim3(kThreads), shared_bytes(rings),
               kernel_for(args, p.parts), p, rings, weights, rows);
}

}  // namespace glint::cuda::product
