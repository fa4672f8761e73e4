// q = c_q W_q_b^T, and of each head  q_row = q_nope W_uk | rope(q_pe),  for few rows.
//
// Three kernels would each wait for the one before, for 12 MB of weights together. Here four
// blocks, a cluster, have a head:
//
//   block b       numbers [64 b, 64 b + 64) of q: its columns b of the second product's k
//   blocks 0 - 2  send them to all four; block 3's are q_pe, which it rotates and stores
//   block b       latents [128 b, 128 b + 128)
//
// A block's weights, 144 KB, are all under way before the kernel before has ended. Rows come in
// chunks of kRows, the N of the products. Sums go over k in order, and q is rounded, as where each
// step is a kernel: the bits are the same.

#include "backend/cuda/attention_query.cuh"
#include "backend/cuda/gemm_tiles.cuh"
#include "backend/cuda/rope.cuh"
#include "backend/cuda/wgmma.cuh"

namespace glint::cuda {
namespace {

using product::kTileK;
using product::kWarpgroup;

constexpr int kNope = 192, kRope = 64, kHead = kNope + kRope, kLatent = 512, kRow = kLatent + kRope;
constexpr int kBlocks = 4;  // of a cluster
constexpr int kMostRank = 768;
constexpr int kLatents = kLatent / kBlocks;    // of a block
constexpr int kLatentTiles = kLatents / 64;    // of 64, the M of a product
constexpr int kNopeTiles = kNope / kTileK;     // of the second product's k
constexpr int kWeightBytes = 64 * kTileK * 2;  // of a tile
constexpr int kThreads = kWarpgroup + kWarp;   // one warp asks for tiles
constexpr int kMostRows = 256;                 // more are better off with several tiles at once

static_assert(kHead == kBlocks * 64, "a block makes 64 numbers of q");

template <int kRows>
struct Shared {
  // All of a chunk's rows, or a ring where those would not fit.
  static constexpr int kStages = kRows <= 32 ? kMostRank / kTileK : 4;
  static constexpr int kTileBytes = kRows * kTileK * 2;
  // No two rows of a warp's store at the same banks.
  static constexpr int kOutStride = kLatents * 2 + 16;
  char w_q_b[kMostRank / kTileK][kWeightBytes];
  char w_uk[kNopeTiles][kLatentTiles][kWeightBytes];
  char c_q[kStages][kTileBytes];
  char q_nope[kNopeTiles][kTileBytes];  // laid out as the copy engine's swizzle does
  char out[kRows][kOutStride];          // what this block stores or sends
  Barrier w_q_b_full, w_uk_full;
  Barrier c_q_full[kStages], c_q_empty[kStages];
  Barrier q_full;   // by the bytes that three blocks send
  Barrier q_empty;  // all four are done with theirs
};
template <int kRows>
constexpr size_t shared_bytes() {
  return sizeof(Shared<kRows>) + 1024;
}
static_assert(shared_bytes<64>() <= 227 * 1024 && shared_bytes<32>() <= 227 * 1024);

struct QueryArgs {
  int num_rows, k;
  const float* cos_sin;  // [num_rows, kRope]
  int64_t cos_sin_stride;
  bool interleave;
  Rows<__nv_bfloat16> q_row;
};

// One thread: weights at once, then the rows of each chunk.
template <int kRows>
__device__ void produce(Shared<kRows>& shared, const QueryArgs& args, int head, int block,
                        const CUtensorMap& w_q_b, const CUtensorMap& w_uk, const CUtensorMap& c_q) {
  using S = Shared<kRows>;
  const int k_tiles = args.k / kTileK;
  shared.w_q_b_full.arrive_expecting(k_tiles * kWeightBytes);
#pragma unroll 1
  for (int i = 0; i < k_tiles; ++i)
    load_tile(shared.w_q_b[i], w_q_b, shared.w_q_b_full, Reads::kOnce, i * kTileK,
              head * kHead + block * 64, 0);
  shared.w_uk_full.arrive_expecting(sizeof shared.w_uk);
#pragma unroll 1
  for (int i = 0; i < kNopeTiles * kLatentTiles; ++i)
    load_tile(shared.w_uk[i / kLatentTiles][i % kLatentTiles], w_uk, shared.w_uk_full, Reads::kOnce,
              i / kLatentTiles * kTileK, block * kLatents + i % kLatentTiles * 64, head);
  wait_for_previous();
  RingCursor now;
#pragma unroll 1
  for (int first = 0; first < args.num_rows; first += kRows)
#pragma unroll 1
    for (int i = 0; i < k_tiles; ++i, now.advance(S::kStages)) {
      shared.c_q_empty[now.at].wait(now.parity ^ 1);
      shared.c_q_full[now.at].arrive_expecting(S::kTileBytes);
      load_tile(shared.c_q[now.at], c_q, shared.c_q_full[now.at], Reads::kAgain, i * kTileK, first,
                0);
    }
}

// d[feature, row] to rows of `out` from column `column` on, 64 features, in BF16.
template <int kRows>
__device__ void stage(const float (&d)[kRows / 2], Shared<kRows>& shared, int column) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  // Of the matrices of 8 x 8 that a warp stores at once: two side by side for each eight rows.
  const int matrix = lane / 8, row = matrix / 2 * 8 + lane % 8;
  const uint32_t to = shared_address(shared.out[row % kRows]) +
                      static_cast<uint32_t>(column + warp * 16 + matrix % 2 * 8) * 2;
  if constexpr (kRows == 8) {
    const uint32_t pairs[2] = {packed(d[0], d[1]), packed(d[2], d[3])};
    store_matrices_transposed(to, pairs);
  } else {
#pragma unroll
    for (int first = 0; first < kRows; first += 16) {
      const float* x = d + first / 2;
      const uint32_t pairs[4] = {packed(x[0], x[1]), packed(x[2], x[3]), packed(x[4], x[5]),
                                 packed(x[6], x[7])};
      store_matrices_transposed(to + static_cast<uint32_t>(first) * Shared<kRows>::kOutStride,
                                pairs);
    }
  }
}

// The warpgroup that multiplies.
template <int kRows>
struct Consumer {
  using S = Shared<kRows>;

  S& shared;
  const QueryArgs& args;
  int head, block, thread;
  RingCursor now = {};

  // d = this block's 64 numbers of q, for a chunk's rows.
  __device__ void multiply_q_b(float (&d)[kRows / 2]) {
    const int k_tiles = args.k / kTileK;
#pragma unroll 1
    for (int i = 0; i < k_tiles; ++i) {
      shared.c_q_full[now.at].wait(now.parity);
      const uint64_t a = matrix_descriptor(shared_address(shared.w_q_b[i]));
      const uint64_t b = matrix_descriptor(shared_address(shared.c_q[now.at]));
      wgmma_fence();
      multiply_64_columns<kRows>(d, a, b, i > 0);
      wgmma_commit();
      if (i > 0) {
        wgmma_wait<1>();
        release(now.before(S::kStages));
      }
      now.advance(S::kStages);
    }
    wgmma_wait<0>();
    pin(d);
    release(now.before(S::kStages));
  }
  __device__ void release(int stage) {
    if (thread % kWarp == 0) shared.c_q_empty[stage].arrive();  // one arrival a warp
  }

  // d = latents [64 tile, 64 tile + 64) of this block's, for each of its tiles.
  __device__ void multiply_w_uk(float (&d)[kLatentTiles][kRows / 2]) {
    wgmma_fence();
#pragma unroll
    for (int i = 0; i < kNopeTiles; ++i) {
      const uint64_t b = matrix_descriptor(shared_address(shared.q_nope[i]));
#pragma unroll
      for (int tile = 0; tile < kLatentTiles; ++tile) {
        const uint64_t a = matrix_descriptor(shared_address(shared.w_uk[i][tile]));
        multiply_64_columns<kRows>(d[tile], a, b, i > 0);
      }
    }
    wgmma_commit();
    wgmma_wait<0>();
#pragma unroll
    for (int tile = 0; tile < kLatentTiles; ++tile) pin(d[tile]);
  }

  // What is staged, to the same place in all four blocks, 16 bytes at a time.
  __device__ void send_nope() {
    const uint32_t tile = shared_address(shared.q_nope[block]);
    const uint32_t barrier = shared_address(&shared.q_full);
#pragma unroll
    for (int to = 0; to < kBlocks; ++to) {
      const uint32_t tile_there = address_in_block(tile, to);
      const uint32_t barrier_there = address_in_block(barrier, to);
#pragma unroll
      for (int i = thread; i < kRows * 8; i += kWarpgroup) {
        const int row = i / 8, piece = i % 8;
        send_16_bytes(tile_there + static_cast<uint32_t>(swizzled(row, piece)),
                      *reinterpret_cast<const uint4*>(shared.out[row] + piece * 16), barrier_there);
      }
    }
  }

  // What is staged, rotated, to q_row.
  __device__ void store_rope(int first_row) {
    const int rows = min(kRows, args.num_rows - first_row);
#pragma unroll 1
    for (int i = thread; i < rows * (kRope / 2); i += kWarpgroup) {
      const int row = i / (kRope / 2), pair = i % (kRope / 2);
      const auto* from = reinterpret_cast<const __nv_bfloat16*>(shared.out[row]);
      __nv_bfloat16* to = args.q_row[first_row + row] + head * kRow + kLatent;
      const int first = args.interleave ? 2 * pair : pair;
      const int second = args.interleave ? 2 * pair + 1 : pair + kRope / 2;
      const float* cos_sin = args.cos_sin + (first_row + row) * args.cos_sin_stride;
      const Pair turned = rotate({to_f32(from[first]), to_f32(from[second])}, cos_sin[pair],
                                 cos_sin[kRope / 2 + pair]);
      to[first] = from_f32<__nv_bfloat16>(turned.first);
      to[second] = from_f32<__nv_bfloat16>(turned.second);
    }
  }

  __device__ void store_latents(int first_row) {
    constexpr int kPieces = kLatents / 8;  // of a row, 16 bytes each
    const int rows = min(kRows, args.num_rows - first_row);
#pragma unroll 1
    for (int i = thread; i < rows * kPieces; i += kWarpgroup) {
      const int row = i / kPieces, piece = i % kPieces;
      __nv_bfloat16* to = args.q_row[first_row + row] + head * kRow + block * kLatents;
      reinterpret_cast<uint4*>(to)[piece] = reinterpret_cast<const uint4*>(shared.out[row])[piece];
    }
  }

  // Rows [first_row, first_row + kRows), the `chunk`th such.
  __device__ void make_chunk(int first_row, uint32_t chunk, bool is_last) {
    if (thread == 0) shared.q_full.arrive_expecting(sizeof shared.q_nope);
    float q[kRows / 2];
    multiply_q_b(q);
    stage<kRows>(q, shared, 0);
    sync_warpgroup(0);
    if (block < kNopeTiles) {
      if (chunk > 0) shared.q_empty.wait_cluster((chunk - 1) % 2);
      send_nope();
    } else {
      store_rope(first_row);
    }
    shared.q_full.wait_cluster(chunk % 2);
    fence_async_proxy();  // what came was not sent by the copy engine
    float latents[kLatentTiles][kRows / 2];
    multiply_w_uk(latents);
    sync_warpgroup(0);                    // all have read what was staged, and multiplied
    if (!is_last && thread < kNopeTiles)  // those that send
      arrive_in_block(address_in_block(shared_address(&shared.q_empty), thread));
#pragma unroll
    for (int tile = 0; tile < kLatentTiles; ++tile) stage<kRows>(latents[tile], shared, tile * 64);
    sync_warpgroup(0);
    store_latents(first_row);
    if (!is_last) sync_warpgroup(0);
  }
};

template <int kRows>
__global__ void __launch_bounds__(kThreads, 1)
    make_query_kernel(const QueryArgs args, const __grid_constant__ CUtensorMap w_q_b,
                      const __grid_constant__ CUtensorMap w_uk,
                      const __grid_constant__ CUtensorMap c_q) {
  extern __shared__ char memory[];
  auto& shared =
      *reinterpret_cast<Shared<kRows>*>(memory + (1024 - shared_address(memory) % 1024) % 1024);
  const int head = static_cast<int>(blockIdx.x) / kBlocks, block = cluster_rank();
  if (threadIdx.x == 0) {
    let_next_start();
    shared.w_q_b_full.init(1);
    shared.w_uk_full.init(1);
    for (int s = 0; s < Shared<kRows>::kStages; ++s) {
      shared.c_q_full[s].init(1);
      shared.c_q_empty[s].init(kWarpgroup / kWarp);
    }
    shared.q_full.init(1);
    shared.q_empty.init(kBlocks);
    fence_barrier_init();
  }
  __syncthreads();
  arrive_at_cluster_with_barriers();  // this block's barriers may be used
  if (threadIdx.x >= kWarpgroup) {
    if (threadIdx.x == kWarpgroup) produce(shared, args, head, block, w_q_b, w_uk, c_q);
    __syncwarp();
    wait_for_cluster();
    return;
  }
  wait_for_cluster();
  shared.w_q_b_full.wait(0);
  Consumer<kRows> consumer{shared, args, head, block, static_cast<int>(threadIdx.x)};
  uint32_t chunk = 0;
#pragma unroll 1
  for (int first = 0; first < args.num_rows; first += kRows, ++chunk) {
    if (chunk == 0) shared.w_uk_full.wait(0);
    consumer.make_chunk(first, chunk, first + kRows >= args.num_rows);
  }
}

template <int kRows>
void launch_make_query(cudaStream_t stream, TensorMaps& maps, const QueryInputs& inputs,
                       const QueryArgs& args) {
  const Matrix& w = inputs.w_q_b;
  const unsigned blocks = static_cast<unsigned>(inputs.w_uk.count) * kBlocks;
  launch_clusters_early(stream, kBlocks, dim3(blocks), dim3(kThreads), shared_bytes<kRows>(),
                        make_query_kernel<kRows>, args,
                        maps.of_weights({w.data, w.type, 1, w.rows, w.cols}, false, 64),
                        maps.of_weights(inputs.w_uk, false, 64), map_of_rows(inputs.c_q, kRows));
}

}  // namespace

bool is_for_make_query(const QueryInputs& inputs, const Matrix& q_row) {
  const auto& [c_q, w_q_b, w_uk, rotation] = inputs;
  // With few heads a product sums 512 columns in parts (parts_of_k), which this does not.
  const bool is_whole = c_q.cols % 512 != 0;
  const bool fits = c_q.rows <= kMostRows && c_q.cols % kTileK == 0 && c_q.cols <= kMostRank &&
                    is_whole && w_uk.rows == kLatent && w_uk.cols == kNope &&
                    rotation.cos_sin.cols == kRope && w_q_b.rows == w_uk.count * kHead &&
                    w_q_b.stride == w_q_b.cols;
  return fits && w_uk.type == NumberType::kBf16 && is_aligned(w_uk.data) &&
         is_bf16_in_pieces(c_q) && is_bf16_in_pieces(w_q_b) && is_bf16_in_pieces(q_row);
}

void make_query(cudaStream_t stream, TensorMaps& maps, const QueryInputs& inputs,
                const Matrix& q_row) {
  const int num_rows = inputs.c_q.rows;
  if (num_rows == 0) return;
  const Matrix& cos_sin = inputs.rotation.cos_sin;
  const QueryArgs args{.num_rows = num_rows,
                       .k = inputs.c_q.cols,
                       .cos_sin = static_cast<const float*>(cos_sin.data),
                       .cos_sin_stride = cos_sin.stride,
                       .interleave = inputs.rotation.interleave,
                       .q_row = rows_of<__nv_bfloat16>(q_row)};
  if (num_rows <= 8)
    launch_make_query<8>(stream, maps, inputs, args);
  else if (num_rows <= 16)
    launch_make_query<16>(stream, maps, inputs, args);
  else if (num_rows <= 32)
    launch_make_query<32>(stream, maps, inputs, args);
  else
    launch_make_query<64>(stream, maps, inputs, args);
}

}  // namespace glint::cuda
