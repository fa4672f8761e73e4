// Which kernel a product on tensor cores takes. In all of them weights are the M side (64 rows a
// warpgroup), rows of x the N side, so that a few rows waste nothing but cheap columns.
//
//   gemm_small.cu    few rows, and those that are listed
//   gemm_large.cu    many rows
//   gemm_cluster.cu  few rows of a matrix that is narrow, or by head
//
// A number is summed over k in steps of 16 in order, whatever the kernel and its tile: the bits of
// a row do not depend on how many rows there are. Where a matrix is too narrow to occupy the GPU
// with few rows, k is in parts that are summed one by one and then added in order (parts_of_k): the
// blocks of a cluster take one each, and in large tiles a block takes one after another.

#include "backend/cuda/gemm_tiles.cuh"

namespace glint::cuda {
namespace product {
namespace {

constexpr int kMostParts = 8;  // of k: the blocks that a cluster may have anywhere

// With few rows a layer's weights are read about once, and are more than L2 has room for: what they
// would push out of it is everything else, the kernels' code too. So are a group's as long as most
// groups have one tile of rows.
constexpr int kFewRows = 256;
bool streams_weights(const GemmArgs& args) {
  if (args.begin != nullptr) return args.rows_of_tile_choice() <= kMostRowsWide;
  return args.max_rows <= kFewRows && args.n() > 64;
}

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
          .streams_weights = streams_weights(args),
          .stores_whole = stores_whole(args),
          .begin_is_settled = args.begin_is_settled,
          .is_swiglu = args.is_swiglu,
          .out_is_f32 = args.out.type == NumberType::kF32};
}

// Whether gemm_cluster() takes it: with k in parts or by head, all rows there are, and not more
// blocks of 64 rows than can run at once, beyond which large tiles were faster; unless one tile has
// all features: the router's, where copies are most of the work.
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
         is_aligned(args.x.data) && is_aligned(args.w.data);
}

// Up to 128 rows take small tiles, two blocks a multiprocessor; of wide matrices, large ones were
// faster from 65 on (docs/kernels/gemm.md).
constexpr int kWideMatrix = 128 * kUsualSms;
bool is_for_large_tiles(const GemmArgs& args) {
  if (args.w_is_transposed) return true;
  const bool is_wide = args.begin == nullptr && args.w.rows >= kWideMatrix;
  return args.max_rows > (is_wide ? 64 : 128) && args.rows_of_tile_choice() > 16;
}

void gemm_wgmma(cudaStream_t stream, int num_sms, TensorMaps& maps, const GemmArgs& args) {
  using namespace product;
  const Problem problem = problem_of(args);
  if (is_for_clusters(args)) return gemm_cluster(stream, maps, args, problem.parts);
  if (args.in_ids == nullptr && is_for_large_tiles(args))
    return run_large(stream, num_sms, maps, args, problem);
  CHECK(args.shared_x.data == nullptr && !args.w_is_transposed && problem.parts == 1,
        "no kernel of few rows takes other rows of shared groups, transposed weights or ",
        problem.parts, " parts of k");
  run_small(stream, num_sms, maps, args, problem);
}

}  // namespace glint::cuda
