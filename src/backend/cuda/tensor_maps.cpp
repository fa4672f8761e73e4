#include <cuda_runtime_api.h>

#include "backend/cuda/device.h"
#include "backend/cuda/gemm.h"

namespace glint::cuda {
namespace {

using Encode = decltype(&cuTensorMapEncodeTiled);

// The driver's function, found at run time: nothing links against libcuda.
Encode encode_function() {
  static const Encode encode = [] {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult found;
    CUDA_CHECK(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000,
                                                cudaEnableDefault, &found));
    CHECK(found == cudaDriverEntryPointSuccess, "the driver has no cuTensorMapEncodeTiled");
    return reinterpret_cast<Encode>(function);
  }();
  return encode;
}

// A tensor of BF16 with the fastest dimension first, as the copy engine counts.
struct Layout {
  unsigned rank;
  cuuint64_t sizes[5];
  cuuint64_t stride_bytes[4];  // of the dimensions after the first
  cuuint32_t box[5];
};

Layout plain(const MatrixStack& w, cuuint32_t tile_rows) {
  const auto k = static_cast<cuuint64_t>(w.cols), n = static_cast<cuuint64_t>(w.rows);
  return {.rank = 3,
          .sizes = {k, n, static_cast<cuuint64_t>(w.count)},
          .stride_bytes = {2 * k, 2 * k * n},
          .box = {64, tile_rows, 1}};
}

// [count, gate or up, width / 8, 8, k], walked so that eight gate rows and their eight up rows
// follow each other.
Layout interleaved(const MatrixStack& w, cuuint32_t tile_rows) {
  const auto k = static_cast<cuuint64_t>(w.cols), width = static_cast<cuuint64_t>(w.rows / 2);
  return {.rank = 5,
          .sizes = {k, 8, 2, width / 8, static_cast<cuuint64_t>(w.count)},
          .stride_bytes = {2 * k, 2 * k * width, 2 * k * 8, 2 * k * width * 2},
          .box = {64, 8, 2, tile_rows / 16, 1}};
}

CUtensorMap encode(void* data, const Layout& layout) {
  CUtensorMap map;
  const cuuint32_t steps[5] = {1, 1, 1, 1, 1};
  const CUresult result = encode_function()(
      &map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, layout.rank, data, layout.sizes, layout.stride_bytes,
      layout.box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
      CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  CHECK(result == CUDA_SUCCESS, "cuTensorMapEncodeTiled: error ", static_cast<int>(result),
        " for [", layout.sizes[2], ", ", layout.sizes[1], ", ", layout.sizes[0], "]");
  return map;
}

}  // namespace

const CUtensorMap& TensorMaps::of_weights(const MatrixStack& w, bool is_swiglu, int tile_rows) {
  const Key key{w.data, w.count, w.rows, w.cols, is_swiglu, tile_rows};
  const auto found = maps_.find(key);
  if (found != maps_.end()) return found->second;
  const auto rows = static_cast<cuuint32_t>(tile_rows);
  return maps_.emplace(key, encode(w.data, is_swiglu ? interleaved(w, rows) : plain(w, rows)))
      .first->second;
}

CUtensorMap map_of_rows(const Matrix& rows, int tile_rows) {
  const auto stride = static_cast<cuuint64_t>(rows.stride);
  const auto num_rows = static_cast<cuuint64_t>(rows.rows);
  return encode(rows.data, {.rank = 3,
                            .sizes = {static_cast<cuuint64_t>(rows.cols), num_rows, 1},
                            .stride_bytes = {2 * stride, 2 * stride * num_rows},
                            .box = {64, static_cast<cuuint32_t>(tile_rows), 1}});
}

CUtensorMap map_of_heads(const Matrix& rows, int num_heads, int tile_heads) {
  const auto head_size = static_cast<cuuint64_t>(rows.cols / num_heads);
  return encode(
      rows.data,
      {.rank = 3,
       .sizes = {head_size, static_cast<cuuint64_t>(num_heads), static_cast<cuuint64_t>(rows.rows)},
       .stride_bytes = {2 * head_size, 2 * static_cast<cuuint64_t>(rows.stride)},
       .box = {64, static_cast<cuuint32_t>(tile_heads), 1}});
}

CUtensorMap map_of_pages(const KvPages& kv, int tile_rows) {
  const auto boxes = static_cast<cuuint32_t>(kv.row_size / 64);
  const auto rows = static_cast<cuuint64_t>(kv.num_pages) * static_cast<cuuint64_t>(kv.page_size);
  return encode(kv.data, {.rank = 3,
                          .sizes = {64, rows, boxes},
                          .stride_bytes = {2 * static_cast<cuuint64_t>(kv.row_size), 2 * 64},
                          .box = {64, static_cast<cuuint32_t>(tile_rows), boxes}});
}

}  // namespace glint::cuda
