// Flash attention over a block of keys and values:
//
//   producer warpgroup   tiles of kKeys keys and their values by the copy engine, into two rings
//   consumer warpgroups  64 query rows each: S = Q K^T, softmax in registers, O += P V, where the
//                        softmax of one tile runs beside the second product of the tile before
//
// A row sees its keys in tiles that begin at multiples of kKeys, in ascending order, from the first
// on. A tile that lies after the row changes none of its numbers (weights 0, rescaled by 1), so its
// bits do not depend on the rows that share its tile. Contexts in several blocks go on from the
// stored registers: the same arithmetic in pieces.
//
// After FlashAttention-3 (Shah et al. 2024, arXiv:2407.08608); the code is ours.

#include <cmath>

#include "backend/cuda/attention_prefill_kernel.cuh"
#include "backend/cuda/ring.cuh"
#include "backend/cuda/wgmma.cuh"

namespace glint::cuda::prefill {
namespace {

struct Shared {
  char query[kBoxes][kQueryBoxBytes];
  char keys[kStages][kTileBytes];
  char values[kStages][kTileBytes];
  Barrier query_full;
  Barrier keys_full[kStages], keys_empty[kStages];
  Barrier values_full[kStages], values_empty[kStages];
};
constexpr size_t kSharedBytes = sizeof(Shared) + 1024;
static_assert(kSharedBytes <= 227 * 1024);

// What one block of threads does: kQueries rows of one head.
struct Item {
  int row_begin, num_rows;  // in q and o
  int position;             // of the first row
  int head;
  int key_begin;
  int num_tiles[kConsumers];

  explicit __device__ Item(const Launch& launch) : head(static_cast<int>(blockIdx.x)) {
    const Block& block = launch.block;
    const int tile = static_cast<int>(blockIdx.y);
    const int p = prompt_of_tile(launch, tile);
    const Prompt& prompt = launch.prompts[p];
    // The last tile of a prompt has most keys: it goes first.
    const int tiles = (prompt.num_rows + kQueries - 1) / kQueries;
    const int first = (tiles - 1 - (tile - prompt.tile_begin)) * kQueries;
    row_begin = prompt.row_begin + first;
    num_rows = min(kQueries, prompt.num_rows - first);
    position = prompt.first_position + first;
    key_begin = prompt.key_begin;
#pragma unroll
    for (int w = 0; w < kConsumers; ++w) {
      const int rows = min(64, num_rows - 64 * w);
      const int end = min(position + 64 * w + rows, block.end);
      num_tiles[w] = rows <= 0 || end <= block.begin ? 0 : (end - block.begin + kKeys - 1) / kKeys;
    }
  }
  __device__ int most_tiles() const { return max(num_tiles[0], num_tiles[1]); }
  // Not num_tiles[warpgroup]: an index of run time would put the array into local memory.
  __device__ int tiles_of(int warpgroup) const {
    return warpgroup == 0 ? num_tiles[0] : num_tiles[1];
  }
};

__device__ void load_columns(char* to, int box_bytes, const CUtensorMap& map, Barrier& full,
                             int column, int row) {
  full.arrive_expecting(kBoxes * box_bytes);
#pragma unroll
  for (int b = 0; b < kBoxes; ++b)
    load_tile(to + b * box_bytes, map, full, Reads::kAgain, column + 64 * b, row, 0);
}

// One thread. Values come one tile behind the keys, as they are used.
__device__ void produce(const Item& item, int num_heads, const CUtensorMap& query_map,
                        const CUtensorMap& block_map, Shared& shared) {
  const int tiles = item.most_tiles();
  if (tiles == 0) return;
  load_columns(shared.query[0], kQueryBoxBytes, query_map, shared.query_full, item.head * kHead,
               item.row_begin);
  RingCursor keys, values;
  for (int j = 0; j <= tiles; ++j) {
    if (j < tiles) {
      shared.keys_empty[keys.at].wait(keys.parity ^ 1);
      load_columns(shared.keys[keys.at], kKeyBoxBytes, block_map, shared.keys_full[keys.at],
                   item.head * kHead, item.key_begin + j * kKeys);
      keys.advance(kStages);
    }
    if (j > 0) {
      shared.values_empty[values.at].wait(values.parity ^ 1);
      load_columns(shared.values[values.at], kKeyBoxBytes, block_map, shared.values_full[values.at],
                   (num_heads + item.head) * kHead, item.key_begin + (j - 1) * kKeys);
      values.advance(kStages);
    }
  }
}

// One warpgroup's 64 rows. A thread has, of each of its two rows r, the columns that wgmma.cuh
// says.
struct Rows64 {
  float out[kHead / 2];
  float scores[kKeys / 2];
  uint32_t weights[kKeys / 16][4];
  float max[2], total[2];  // of a row; of this thread's keys

  __device__ void begin() {
#pragma unroll
    for (float& x : out) x = 0;
    for (int r = 0; r < 2; ++r) max[r] = -INFINITY, total[r] = 0;
  }

  __device__ void start_scores(const Shared& shared, int stage, int warpgroup) {
    const uint32_t q = shared_address(shared.query) + static_cast<uint32_t>(warpgroup) * 64 * 128;
    const uint64_t a = matrix_descriptor(q);
    const uint64_t b = matrix_descriptor(shared_address(shared.keys[stage]));
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < kHead / 16; ++k)
      Wgmma<kKeys>::multiply(scores, a + k / 4 * (kQueryBoxBytes / 16) + k % 4 * 2,
                             b + k / 4 * (kKeyBoxBytes / 16) + k % 4 * 2, k > 0);
    wgmma_commit();
  }

  __device__ void start_values(const Shared& shared, int stage) {
    const uint64_t b = transposed_descriptor(shared_address(shared.values[stage]), kKeyBoxBytes);
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k)
      multiply_rows_by_256(out, weights[k], b + k * (16 * 128 / 16));
    wgmma_commit();
  }

  // `last_key`: the last of the tile's keys that this thread's first row sees, from 0; its second
  // row sees eight more.
  __device__ void mask(int last_key) {
    const int column = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
    for (int i = 0; i < kKeys / 2; ++i)
      if (i / 4 * 8 + column + i % 2 > last_key + i / 2 % 2 * 8) scores[i] = -INFINITY;
  }

  // Scores to weights; rescale[r] is for what was summed before.
  __device__ void softmax(float scale_log2, float (&rescale)[2]) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float most = max[r];
#pragma unroll
      for (int i = 0; i < kKeys / 4; ++i) most = fmaxf(most, scores[i / 2 * 4 + 2 * r + i % 2]);
      most = fmaxf(most, __shfl_xor_sync(~0u, most, 1));
      most = fmaxf(most, __shfl_xor_sync(~0u, most, 2));
      rescale[r] = fast_exp2((max[r] - most) * scale_log2);
      max[r] = most;
      const float shift = most * scale_log2;
      float sum = 0;
#pragma unroll
      for (int i = 0; i < kKeys / 4; ++i) {
        float& score = scores[i / 2 * 4 + 2 * r + i % 2];
        score = fast_exp2(fmaf(score, scale_log2, -shift));
        sum += score;
      }
      total[r] = fmaf(total[r], rescale[r], sum);
    }
  }

  // Most tiles bring no row of the warp a new maximum.
  __device__ void rescale_out(const float (&rescale)[2]) {
    if (!__any_sync(~0u, rescale[0] != 1 || rescale[1] != 1)) return;
#pragma unroll
    for (int i = 0; i < kHead / 2; ++i) out[i] *= rescale[i / 2 % 2];
  }

  __device__ void round_weights() {
#pragma unroll
    for (int i = 0; i < kKeys / 4; ++i) {
      const __nv_bfloat162 pair = __floats2bfloat162_rn(scores[2 * i], scores[2 * i + 1]);
      weights[i / 4][i % 4] = reinterpret_cast<const uint32_t&>(pair);
    }
  }

  template <typename F>
  __device__ void for_each_kept(F&& f) {
#pragma unroll
    for (int i = 0; i < kHead / 2; ++i) f(out[i], i);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      f(max[r], kHead / 2 + r);
      f(total[r], kHead / 2 + 2 + r);
    }
  }

  // out / total in BF16 to this warp's 16 rows of a tile laid out as the query is, 16-byte pieces
  // exchanged by row against bank conflicts.
  __device__ void store(char (*tile)[kQueryBoxBytes], int first_row) const {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float sum = total[r];
      sum += __shfl_xor_sync(~0u, sum, 1);
      sum += __shfl_xor_sync(~0u, sum, 2);
      const float share = 1 / sum;
      const int row = first_row + lane / 4 + 8 * r;
#pragma unroll
      for (int j = 0; j < kHead / 8; ++j) {
        const auto pair =
            __floats2bfloat162_rn(out[4 * j + 2 * r] * share, out[4 * j + 2 * r + 1] * share);
        char* piece = tile[j / 8] + swizzled(row, j % 8);
        reinterpret_cast<__nv_bfloat162*>(piece)[lane % 4] = pair;
      }
    }
  }
};

// The assembler would wait for the second product first and compute the weights after it. A store
// that depends on all of them, and never happens, keeps its place before the wait.
__device__ void finish_before_waiting(float total, Shared& shared) {
  asm volatile(
      "{\n.reg .pred p;\nsetp.lt.f32 p, %1, 0f00000000;\n@p st.shared.f32 [%0], %1;\n}\n" ::"r"(
          shared_address(&shared)),
      "f"(total)
      : "memory");
}

// Releases the tiles that only the other warpgroup uses.
__device__ void skip_tiles(Shared& shared, int count, RingCursor keys, RingCursor values) {
  const bool speaks = threadIdx.x % kWarp == 0;
  for (; count > 0; --count, keys.advance(kStages), values.advance(kStages)) {
    shared.keys_full[keys.at].wait(keys.parity);
    if (speaks) shared.keys_empty[keys.at].arrive();
    shared.values_full[values.at].wait(values.parity);
    if (speaks) shared.values_empty[values.at].arrive();
  }
}

// A warp's `num_rows` rows that Rows64::store() put into `tile`, from first_row on; a lane has a
// piece of each row.
__device__ void copy_rows(const Output& output, const char (*tile)[kQueryBoxBytes], int first_row,
                          int num_rows, Bf16* to) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  to += 8 * lane;
  for (int i = 0; i < num_rows; ++i, to += output.stride) {
    const int row = first_row + i;
    const char* piece = tile[lane / 8] + swizzled(row, lane % 8);
    if (output.is_aligned) {
      *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(piece);
    } else {
      for (int c = 0; c < 8; ++c) to[c] = reinterpret_cast<const Bf16*>(piece)[c];
    }
  }
}

// `first_seen`: how many keys of the block this warpgroup's first row sees.
__device__ void attend_tiles(Rows64& rows, Shared& shared, int warpgroup, int num_tiles,
                             int first_seen, float scale_log2, RingCursor& keys,
                             RingCursor& values) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const bool speaks = lane == 0;
  const int row = static_cast<int>(threadIdx.x) % kWarpgroup / kWarp * 16 + lane / 4;
  float rescale[2];
  const auto weigh = [&](int tile) {
    if (tile * kKeys + kKeys > first_seen) rows.mask(first_seen - 1 + row - tile * kKeys);
    rows.softmax(scale_log2, rescale);
  };
  shared.keys_full[keys.at].wait(keys.parity);
  rows.start_scores(shared, keys.at, warpgroup);
  wgmma_wait<0>();
  pin(rows.scores);
  if (speaks) shared.keys_empty[keys.at].arrive();
  keys.advance(kStages);
  weigh(0);
  rows.rescale_out(rescale);
  rows.round_weights();
  for (int j = 1; j < num_tiles; ++j) {
    shared.keys_full[keys.at].wait(keys.parity);
    rows.start_scores(shared, keys.at, warpgroup);
    shared.values_full[values.at].wait(values.parity);
    rows.start_values(shared, values.at);
    wgmma_wait<1>();
    pin(rows.scores);
    if (speaks) shared.keys_empty[keys.at].arrive();
    keys.advance(kStages);
    weigh(j);
    finish_before_waiting(rows.total[0] + rows.total[1], shared);
    wgmma_wait<0>();
    pin(rows.out);
    if (speaks) shared.values_empty[values.at].arrive();
    values.advance(kStages);
    rows.rescale_out(rescale);
    rows.round_weights();
  }
  shared.values_full[values.at].wait(values.parity);
  rows.start_values(shared, values.at);
  wgmma_wait<0>();
  pin(rows.out);
  if (speaks) shared.values_empty[values.at].arrive();
  values.advance(kStages);
}

__device__ void consume(const Item& item, const Block& block, float scale_log2, Shared& shared,
                        const State& state, const Output& output) {
  // One value for the warp, for the compiler too: descriptors are made in uniform registers.
  const int warpgroup = __shfl_sync(~0u, static_cast<int>(threadIdx.x) / kWarpgroup, 0);
  const int num_tiles = item.tiles_of(warpgroup);
  const int first_seen = item.position + 64 * warpgroup + 1 - block.begin;
  constexpr int kSaving = kConsumers * kWarpgroup;  // threads
  const int64_t index = blockIdx.y * gridDim.x + blockIdx.x;
  float* saved = state.data + index * kStateNumbers * kSaving + static_cast<int>(threadIdx.x);
  Rows64 rows;
  rows.begin();
  if (!state.is_first) rows.for_each_kept([&](float& x, int i) { x = saved[i * kSaving]; });
  if (item.most_tiles() > 0) shared.query_full.wait(0);
  RingCursor keys, values;
  if (num_tiles > 0)
    attend_tiles(rows, shared, warpgroup, num_tiles, first_seen, scale_log2, keys, values);
  skip_tiles(shared, item.most_tiles() - num_tiles, keys, values);
  if (!state.is_last) {
    rows.for_each_kept([&](float& x, int i) { saved[i * kSaving] = x; });
    return;
  }
  // The query's rows have been used: they make room for the result.
  const int first_row = static_cast<int>(threadIdx.x) / kWarp * 16;
  sync_warpgroup(warpgroup);
  rows.store(shared.query, first_row);
  __syncwarp();
  Bf16* to = output.data + (item.row_begin + first_row) * output.stride + item.head * kHead;
  copy_rows(output, shared.query, first_row, min(16, item.num_rows - first_row), to);
}

__global__ void __launch_bounds__(kThreads, 1)
    attend_prefill_kernel(const __grid_constant__ Launch launch,
                          const __grid_constant__ CUtensorMap query_map,
                          const __grid_constant__ CUtensorMap block_map, float scale_log2,
                          State state, Output output) {
  extern __shared__ char memory[];
  Shared& shared =
      *reinterpret_cast<Shared*>(memory + (1024 - shared_address(memory) % 1024) % 1024);
  let_next_start();
  if (threadIdx.x == 0) {
    prefetch_map(query_map);
    prefetch_map(block_map);
    shared.query_full.init(1);
    for (int s = 0; s < kStages; ++s) {
      shared.keys_full[s].init(1);
      shared.values_full[s].init(1);
      shared.keys_empty[s].init(4 * kConsumers);  // one arrival a warp
      shared.values_empty[s].init(4 * kConsumers);
    }
    fence_barrier_init();
  }
  const Item item(launch);
  __syncthreads();
  wait_for_previous();  // consumers too: of a context in blocks they go on from what is in memory
  if (threadIdx.x >= kConsumers * kWarpgroup) {
    give_registers<24>();
    if (threadIdx.x == kConsumers * kWarpgroup)
      produce(item, launch.block.num_heads, query_map, block_map, shared);
  } else {
    take_registers<240>();
    consume(item, launch.block, scale_log2, shared, state, output);
  }
}

}  // namespace

void attend(cudaStream_t stream, dim3 grid, const Launch& launch, const CUtensorMap& query_map,
            const CUtensorMap& block_map, float scale_log2, const State& state,
            const Output& output) {
  launch_early(stream, grid, kThreads, kSharedBytes, attend_prefill_kernel, launch, query_map,
               block_map, scale_log2, state, output);
}

}  // namespace glint::cuda::prefill
