#pragma once

// What lies in the decode kernel's shared memory, and the thread that fills it.

#include "backend/cuda/attention_decode_plan.cuh"
#include "backend/cuda/ptx.cuh"
#include "backend/cuda/ring.cuh"

namespace glint::cuda::decode {

inline constexpr int kLatent = kDecodeLatent, kRow = kDecodeRow;
inline constexpr int kTile = kDecodeTile;
inline constexpr int kWarpgroup = 128, kConsumers = 2;
inline constexpr int kConsumerThreads = kConsumers * kWarpgroup;
inline constexpr int kConsumerWarps = kConsumerThreads / kWarp;
inline constexpr int kThreads = kConsumerThreads + kWarpgroup;
inline constexpr int kStages = 2;
inline constexpr int kBoxes = kRow / 64;      // of 64 columns, swizzled over 8 rows
inline constexpr int kOutBoxes = kPartBoxes;  // of a warpgroup
// A tile lies in shared memory as eight slices of 8 rows, each one piece of device memory:
// [slice, box, 8 rows, 64 columns].
inline constexpr int kSlice = 8, kBoxBytes = kSlice * 128, kSliceBytes = kBoxes * kBoxBytes;
// Rows of V that one product takes: as soon as it has, the next tile's may come.
inline constexpr int kStep = 16, kSteps = kTile / kStep;
// Scores of a head lie so far apart that neither rows nor heads meet in a bank.
inline constexpr int kScoreStride = kTile + 4;

enum Level { kOfGroup, kOfRow, kLevels };  // what parts become

template <int kHeadTiles>
struct Shared {
  static constexpr int kHeads = 8 * kHeadTiles;
  static constexpr int kHeadBoxBytes = kHeads * 128;
  static constexpr int kQueries = kHeadTiles < 4 ? 2 : 1;  // as many as fit
  char kv[kStages][kTile / kSlice][kSliceBytes];
  char query[kQueries][kBoxes][kHeadBoxBytes];
  char weights[kHeadBoxBytes];                     // of a tile's 64 rows
  float scores[kConsumers][kHeads][kScoreStride];  // what each half of k adds
  MergeScales scales[kLevels][kHeads];
  float shares[kHeads];  // by which sums become a row
  DecodeItem items[kQueries];
  Barrier kv_full[kStages], kv_empty[kStages][kSteps];
  Barrier query_full[kQueries], query_empty[kQueries];  // with its item
};
template <int kHeadTiles>
constexpr size_t shared_bytes() {
  return sizeof(Shared<kHeadTiles>) + 1024;  // from a multiple of 1,024 on
}
static_assert(shared_bytes<3>() <= 227 * 1024 && shared_bytes<4>() <= 227 * 1024);

// One thread: asks for queries and pages in the order in which they are used.
template <int kHeadTiles>
struct Producer {
  static constexpr int kQueries = Shared<kHeadTiles>::kQueries;

  Shared<kHeadTiles>& shared;
  const CUtensorMap &kv_map, &query_map;
  const int32_t* pages;
  RingCursor ring;

  // The first num_rows rows of a page, and up to the end of their slice.
  __device__ void load_page(int page, int num_rows) {
    Barrier& full = shared.kv_full[ring.at];
    const int slices = (num_rows + kSlice - 1) / kSlice;
#pragma unroll 1
    for (int slice = 0; slice < slices; ++slice) {
      const int row = slice * kSlice;
      if (row % kStep == 0) shared.kv_empty[ring.at][row / kStep].wait(ring.parity ^ 1);
      if (slice == 0) full.arrive_expecting(slices * kSliceBytes);
      load_tile(shared.kv[ring.at][slice], kv_map, full, Reads::kOnce, 0, page * kTile + row, 0);
    }
    ring.advance(kStages);
  }

  // Item number `count` of the block, for the consumers too.
  __device__ Barrier& pass_item(const DecodeItem& item, int count) {
    const int query = count % kQueries;
    shared.query_empty[query].wait(count / kQueries % 2 ^ 1);
    shared.items[query] = item;
    return shared.query_full[query];
  }
  __device__ void load_query(const DecodeItem& item, int count) {
    Barrier& full = pass_item(item, count);
    full.arrive_expecting(sizeof shared.query[0]);
#pragma unroll 1
    for (int box = 0; box < kBoxes; ++box)
      load_tile(shared.query[count % kQueries][box], query_map, full, Reads::kAgain, 64 * box, 0,
                item.token);
  }

  // Before the kernels before have ended, the tiles that no kernel of this step writes.
  __device__ void load_item(const DecodeItem& item, int count) {
    const int32_t* of_item = pages + item.page_begin + item.begin / kTile;
    const int num_tiles = item.num_tiles();
    const int early = count == 0 ? min(kStages, item.num_settled) : 0;
    int page = item.first_page;
#pragma unroll 1
    for (int tile = 0; tile <= num_tiles; ++tile) {
      if (tile == early) {
        if (count == 0) begin();
        load_query(item, count);
      }
      if (tile == num_tiles) break;
      const int now = page;
      if (tile + 1 < num_tiles) page = of_item[tile + 1];
      load_page(now, min(kTile, item.end - item.begin - tile * kTile));
    }
  }
  __device__ static void begin() {
    wait_for_previous();
    let_next_start();
  }

  __device__ void run(const DecodeWork& work) {
    Turns turns(static_cast<int>(blockIdx.x), static_cast<int>(gridDim.x));
    DecodeItem next = work.items[turns.place];  // there is one, if with no meaning
    const int num_items = work.plan->num_items;
    int count = 0;
#pragma unroll 1
    for (; turns.place < num_items; ++count) {
      const DecodeItem item = next;
      turns.advance();
      if (turns.place < num_items) next = work.items[turns.place];
      load_item(item, count);
    }
    if (count == 0) begin();
    next.token = -1;
    pass_item(next, count).arrive();
  }
};

}  // namespace glint::cuda::decode
