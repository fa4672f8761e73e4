#pragma once

// y = x W^T in all the shapes that the model needs: one matrix, one for each expert over the rows
// that chose it, or one for each head over its own columns. A general kernel for any size and type,
// and on Hopper's tensor cores, for BF16 with k in multiples of 64 and n of 8, three: for few rows,
// for many, and for narrow matrices.

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <map>
#include <tuple>

#include "backend/view.h"

namespace glint::cuda {

// Group g has the weights w[g] and the rows [begin[g], begin[g + 1]), or [0, max_rows) without
// `begin`. Row i is read from x row in_ids[i] / in_divisor, and goes to out row out_ids[i]; without
// that list, i.
struct GemmArgs {
  Matrix x;  // columns [0, w.cols) of group 0; group g's lie x_group_columns * g further
  int x_group_columns = 0;
  // The last groups, which have every row. With shared_x they read that instead, from its first row
  // on, in large tiles alone.
  int num_shared = 0;
  Matrix shared_x{};
  MatrixStack w;  // [groups, n, k]; with is_swiglu [groups, 2 n, k]: gate rows, then up rows
  bool is_swiglu = false;
  bool w_is_transposed = false;  // w [groups, k, n]; gemm_wgmma() alone, to BF16
  Matrix out;  // columns [0, n) of group 0; group g's lie out_group_columns * g further
  int out_group_columns = 0;

  int max_rows = 0;                // of one group
  int mean_rows = 0;               // of groups, for the choice of a tile; 0: all have max_rows
  const int32_t* begin = nullptr;  // [groups + 1]
  const int32_t* in_ids = nullptr;
  const int32_t* out_ids = nullptr;
  int in_divisor = 1;
  // A kernel stands in the stream since `begin` and the lists were written that let nobody begin
  // before it had waited for them. So the first weights need not wait for x.
  bool begin_is_settled = false;

  int n() const { return w_is_transposed ? w.cols : is_swiglu ? w.rows / 2 : w.rows; }
  int k() const { return w_is_transposed ? w.rows : w.cols; }
  int rows_of_tile_choice() const { return mean_rows > 0 ? mean_rows : max_rows; }
};

void gemm_general(cudaStream_t stream, const GemmArgs& args);

// How the copy engine sees a weight matrix. Encoding costs about a microsecond of the host, so each
// is kept: weights do not move.
class TensorMaps {
 public:
  // Tiles of `tile_rows` rows and 64 columns, swizzled over 128 bytes. With is_swiglu the rows of a
  // tile are 8 of the gate and the same 8 of the up projection in turns.
  const CUtensorMap& of_weights(const MatrixStack& w, bool is_swiglu, int tile_rows);

 private:
  using Key = std::tuple<const void*, int, int, int, bool, int>;
  std::map<Key, CUtensorMap> maps_;  // nodes stay where they are
};

// The rows of an activation: tiles of `tile_rows` rows and 64 columns, swizzled over 128 bytes.
// Rows that are not there read as zeros. Rows begin at multiples of 16 bytes.
CUtensorMap map_of_rows(const Matrix& rows, int tile_rows);
// The same of [rows, num_heads, columns of a head]: tiles of `tile_heads` heads of one row and 64
// columns. Heads that are not there read as zeros.
CUtensorMap map_of_heads(const Matrix& rows, int num_heads, int tile_heads);
// All pages as one list of rows: tiles of `tile_rows` rows and all columns, in boxes of 64 columns
// one after another, each swizzled over 128 bytes.
CUtensorMap map_of_pages(const KvPages& kv, int tile_rows);

// Whether gemm_wgmma() takes it: decided by the weights and the layout of rows, not their number.
bool is_for_wgmma(const GemmArgs& args);
// Whether it takes large tiles if in_ids is not given, which this does not look at: listed rows are
// gathered in small ones.
bool is_for_large_tiles(const GemmArgs& args);
void gemm_wgmma(cudaStream_t stream, int num_sms, TensorMaps& maps, const GemmArgs& args);

// What gemm_wgmma() takes for narrow matrices: k in `parts` for the blocks of a cluster, or by
// head.
void gemm_cluster(cudaStream_t stream, TensorMaps& maps, const GemmArgs& args, int parts);

inline void gemm(cudaStream_t stream, int num_sms, TensorMaps& maps, const GemmArgs& args) {
  if (args.max_rows == 0) return;
  if (is_for_wgmma(args))
    gemm_wgmma(stream, num_sms, maps, args);
  else
    gemm_general(stream, args);
}

}  // namespace glint::cuda
