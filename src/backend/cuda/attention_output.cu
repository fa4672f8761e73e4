// Parts of rows merged, and of each head  o = o_latent W_uv^T, for few rows.
//
// As two kernels, the second would wait for the first, which has little to do. Here four blocks, a
// cluster, have a head:
//
//   block b   merges the parts' columns of quarter b (Columns), and sends them to all four
//   block b   numbers [64 b, 64 b + 64) of o
//
// A block's weights, 64 KB, are under way before the kernel before has ended. Parts are merged, and
// rows rounded and summed over k, as where each step is a kernel: the bits are the same.

#include <bit>

#include "backend/cuda/attention_decode_parts.cuh"
#include "backend/cuda/attention_output.cuh"
#include "backend/cuda/gemm_tiles.cuh"
#include "backend/cuda/wgmma.cuh"

namespace glint::cuda {
namespace {

using product::Bf16;
using product::kTileK;
using product::kWarpgroup;

constexpr int kBlocks = 4;  // of a cluster
constexpr int kHeadOutput = 256, kFeatures = kHeadOutput / kBlocks;
constexpr int kTiles = kDecodeLatent / kTileK;
constexpr int kWeightBytes = kFeatures * kTileK * 2;  // of a tile
constexpr int kMostRows = 16;
constexpr int kWarps = 16;  // which merge; the first four multiply
constexpr int kThreads = kWarps * kWarp;
constexpr int kPieces = kPartBoxes * kWarp * 2 / 16;  // of 16 bytes, of a row's quarter

static_assert(kCombineQuarters == kBlocks && kFeatures == 64 && kWarps >= kMostRows);

template <int kRows>
struct Shared {
  char w[kTiles][kWeightBytes];
  char latents[kTiles][kRows * kTileK * 2];  // laid out as the copy engine's swizzle does
  Part groups[kWarps][kWarp];
  Bf16 merged[kRows][kPartBoxes][kWarp];
  float out[kFeatures][kRows + 1];
  Barrier w_full;
  Barrier latents_full;  // by the bytes that four blocks send
};
template <int kRows>
constexpr size_t shared_bytes() {
  return sizeof(Shared<kRows>) + 1024;
}

struct OutputArgs {
  DecodeParts parts;
  int num_rows;
  int warps_per_row;  // which merge it
  Rows<const Bf16> o_latent;
  Rows<Bf16> o;
};

// One thread.
template <int kRows>
__device__ void request_weights(Shared<kRows>& shared, int head, int block, const CUtensorMap& w) {
  shared.w_full.arrive_expecting(sizeof shared.w);
#pragma unroll 1
  for (int i = 0; i < kTiles; ++i)
    load_tile(shared.w[i], w, shared.w_full, Reads::kOnce, i * kTileK, block * kFeatures, head);
}

// Of the `place`th row: this block's quarter, in `merged`, by its first warp.
template <int kRows>
__device__ void merge_row(Shared<kRows>& shared, const OutputArgs& args, const DecodeRow& row,
                          const Columns& columns, int place) {
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warps = args.warps_per_row, of_row = warp % warps;
  auto& to = shared.merged[place];
  if (row.num_parts == 0) {
    const Bf16* from = columns.in(args.o_latent[row.token]);
#pragma unroll
    for (int i = 0; i < kPartBoxes; ++i)
      if (of_row == 0) to[i][lane] = from[64 * i];
    return;
  }
  const Part whole =
      warps == 1 ? whole_row(args.parts, row, columns)
                 : whole_row(args.parts, row, columns, of_row, warps, shared.groups + place * warps,
                             [&] { sync_threads(2 + place, warps * kWarp); });
#pragma unroll
  for (int i = 0; i < kPartBoxes; ++i)
    if (of_row == 0) to[i][lane] = whole.output(i);
}

// One warp: what is merged of a row, to the same place in all four blocks.
template <int kRows>
__device__ void send_row(Shared<kRows>& shared, int place, int block) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const uint32_t barrier = shared_address(&shared.latents_full);
#pragma unroll
  for (int j = lane; j < kBlocks * kPieces; j += kWarp) {
    const int to = j / kPieces, box = j % kPieces / 4, piece = j % 4;
    const auto* from = reinterpret_cast<const uint4*>(shared.merged[place][box]) + piece;
    const char* here =
        shared.latents[block / 2 * kPartBoxes + box] + swizzled(place, block % 2 * 4 + piece);
    send_16_bytes(address_in_block(shared_address(here), to), *from, address_in_block(barrier, to));
  }
}

// d = this block's numbers of o, by one warpgroup.
template <int kRows>
__device__ void multiply(Shared<kRows>& shared, float (&d)[kRows / 2]) {
  wgmma_fence();
#pragma unroll
  for (int i = 0; i < kTiles; ++i) {
    const uint64_t a = matrix_descriptor(shared_address(shared.w[i]));
    const uint64_t b = matrix_descriptor(shared_address(shared.latents[i]));
    multiply_64_columns<kRows>(d, a, b, i > 0);
  }
  wgmma_commit();
  wgmma_wait<0>();
  pin(d);
}

// d, as Wgmma lays it out, to `to`, where this thread's eight numbers of a row go, if any.
template <int kRows>
__device__ void store(Shared<kRows>& shared, const float (&d)[kRows / 2], Bf16* to) {
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarp, warp = thread / kWarp;
#pragma unroll
  for (int i = 0; i < kRows / 2; ++i)
    shared.out[warp * 16 + lane / 4 + i / 2 % 2 * 8][i / 4 * 8 + lane % 4 * 2 + i % 2] = d[i];
  sync_warpgroup(0);
  if (to == nullptr) return;
  float x[8];
#pragma unroll
  for (int j = 0; j < 8; ++j) x[j] = shared.out[thread % 8 * 8 + j][thread / 8];
  product::store_eight(to, x, true);
}

template <int kRows>
__global__ void __launch_bounds__(kThreads, 1)
    output_kernel(const OutputArgs args, const __grid_constant__ CUtensorMap w) {
  extern __shared__ char memory[];
  auto& shared =
      *reinterpret_cast<Shared<kRows>*>(memory + (1024 - shared_address(memory) % 1024) % 1024);
  const int head = static_cast<int>(blockIdx.x) / kBlocks, block = cluster_rank();
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp;
  if (thread == 0) {
    let_next_start();
    shared.w_full.init(1);
    shared.latents_full.init(1);
    shared.latents_full.arrive_expecting(args.num_rows * kDecodeLatent * 2);
    fence_barrier_init();
    request_weights(shared, head, block, w);
  }
  // The plan is there.
  const int place = warp / args.warps_per_row, stored = thread / 8;
  DecodeRow row{};
  if (place < args.num_rows) row = args.parts.rows[place];
  Bf16* to = nullptr;
  if (stored < args.num_rows)
    to = args.o[args.parts.rows[stored].token] + head * kHeadOutput + block * kFeatures +
         thread % 8 * 8;
  __syncthreads();
  arrive_at_cluster_with_barriers();  // this block's barriers may be used
  wait_for_previous();
  wait_for_cluster();
  if (place < args.num_rows) {
    const Columns columns(head, block, thread % kWarp);
    merge_row(shared, args, row, columns, place);
    __syncwarp();
    if (warp % args.warps_per_row == 0) send_row(shared, place, block);
  }
  if (warp >= kWarpgroup / kWarp) return;
  shared.w_full.wait(0);
  shared.latents_full.wait_cluster(0);
  fence_async_proxy();  // what came was not sent by the copy engine
  float d[kRows / 2];
  multiply(shared, d);
  store(shared, d, to);
}

template <int kRows>
void launch_output(cudaStream_t stream, TensorMaps& maps, const OutputInputs& inputs,
                   const OutputArgs& args) {
  const unsigned blocks = static_cast<unsigned>(inputs.w_uv.count) * kBlocks;
  launch_clusters_early(stream, kBlocks, dim3(blocks), dim3(kThreads), shared_bytes<kRows>(),
                        output_kernel<kRows>, args, maps.of_weights(inputs.w_uv, false, kFeatures));
}

}  // namespace

bool is_for_output_of_parts(const Matrix& o_latent, const MatrixStack& w_uv, int num_rows,
                            const Matrix& o) {
  return num_rows > 0 && num_rows <= kMostRows && w_uv.type == NumberType::kBf16 &&
         w_uv.rows == kHeadOutput && w_uv.cols == kDecodeLatent && is_aligned(w_uv.data) &&
         is_bf16_in_pieces(o_latent) && is_bf16_in_pieces(o);
}

void output_of_parts(cudaStream_t stream, TensorMaps& maps, const OutputInputs& inputs,
                     const Matrix& o) {
  const int rows = inputs.num_rows;
  const OutputArgs args{
      .parts = inputs.parts,
      .num_rows = rows,
      .warps_per_row = kWarps / static_cast<int>(std::bit_ceil(static_cast<unsigned>(rows))),
      .o_latent = rows_of<const Bf16>(inputs.o_latent),
      .o = rows_of<Bf16>(o)};
  if (rows <= 8)
    launch_output<8>(stream, maps, inputs, args);
  else
    launch_output<16>(stream, maps, inputs, args);
}

}  // namespace glint::cuda
