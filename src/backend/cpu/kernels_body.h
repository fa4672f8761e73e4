// The kernels of one instruction level: included by kernels_baseline.cpp, kernels_avx2.cpp and
// kernels_avx512.cpp, which differ in their compiler flags and in
//
//   GLINT_KERNELS              the name of the table
//   GLINT_CPU_HAS              whether this CPU can run it
//   kRowBlock, kColumnBlock    dot products held in registers at once
//
// Nothing from the standard library is called but the C library's expf: an inline function of a
// header, compiled here with AVX-512, could be the copy that the linker keeps for everyone.

#include "backend/cpu/kernels.h"
#include "backend/cpu/simd.h"

namespace glint::cpu {
namespace {

// R x C dot products of length k. Each pair is summed exactly as in the 1 x 1 block.
template <int R, int C, typename W>
inline void dot_block(const float* const* x, const W* w, int64_t stride, int k, float* const* out,
                      int column) {
  F32x16 sums[R][C];
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c) sums[r][c] = broadcast(0);
  const auto add = [&](const F32x16(&xs)[R], const F32x16(&ws)[C]) {
    for (int r = 0; r < R; ++r)
      for (int c = 0; c < C; ++c) sums[r][c] = multiply_add(xs[r], ws[c], sums[r][c]);
  };
  int i = 0;
  F32x16 xs[R], ws[C];
  for (; i + kLanes <= k; i += kLanes) {
    for (int r = 0; r < R; ++r) xs[r] = load(x[r] + i);
    for (int c = 0; c < C; ++c) ws[c] = load(w + c * stride + i);
    add(xs, ws);
  }
  if (i < k) {
    for (int r = 0; r < R; ++r) xs[r] = load_first(x[r] + i, k - i);
    for (int c = 0; c < C; ++c) ws[c] = load_first(w + c * stride + i, k - i);
    add(xs, ws);
  }
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c) out[r][column + c] = sum(sums[r][c]);
}

template <int C, typename W>
inline void dot_rows(const float* const* x, const W* w, int64_t stride, int k, float* const* out,
                     int num_rows, int column) {
  int m = 0;
  for (; m + kRowBlock <= num_rows; m += kRowBlock)
    dot_block<kRowBlock, C>(x + m, w, stride, k, out + m, column);
  for (; m < num_rows; ++m) dot_block<1, C>(x + m, w, stride, k, out + m, column);
}

template <typename W>
void linear_of(const float* const* x, float* const* out, int num_rows, const Matrix& w, int begin,
               int end) {
  // Rows of x that stay in the second-level cache while all columns pass: 64 x 4 KB at width 1024.
  constexpr int kRowTile = 64;
  const W* data = static_cast<const W*>(w.data);
  for (int m = 0; m < num_rows; m += kRowTile) {
    const int rows = num_rows - m < kRowTile ? num_rows - m : kRowTile;
    int n = begin;
    for (; n + kColumnBlock <= end; n += kColumnBlock)
      dot_rows<kColumnBlock>(x + m, data + n * w.stride, w.stride, w.cols, out + m, rows, n);
    for (; n < end; ++n)
      dot_rows<1>(x + m, data + n * w.stride, w.stride, w.cols, out + m, rows, n);
  }
}

void linear(const float* const* x, float* const* out, int num_rows, const Matrix& w, int begin,
            int end) {
  if (w.type == NumberType::kBf16)
    linear_of<bf16>(x, out, num_rows, w, begin, end);
  else
    linear_of<float>(x, out, num_rows, w, begin, end);
}

template <typename T>
inline const T* kv_row(const AttendArgs& args, int position) {
  const int page_size = args.kv.page_size;
  return static_cast<const T*>(args.kv.row(args.pages[position / page_size], position % page_size));
}

// scores[t] = exp(scale q . row[t] - max); returns their sum. Two passes: the plain definition.
template <typename T>
double softmax_scores(const AttendArgs& args) {
  float largest = -__builtin_inff();
  for (int t = 0; t < args.num_rows; ++t) {
    const T* row = kv_row<T>(args, t);
    float* score = args.scores + t;
    dot_block<1, 1>(&args.q, row, 0, args.kv.row_size, &score, 0);
    *score *= args.scale;
    if (*score > largest) largest = *score;
  }
  double total = 0;
  for (int t = 0; t < args.num_rows; ++t) {
    args.scores[t] = __builtin_expf(args.scores[t] - largest);
    total += args.scores[t];
  }
  return total;
}

// V x 16 columns of the weighted sum of value rows, in the order of positions.
template <int V, typename T>
inline void weighted_rows(const AttendArgs& args, float scale, int column) {
  F32x16 sums[V];
  for (int v = 0; v < V; ++v) sums[v] = broadcast(0);
  for (int t = 0; t < args.num_rows; ++t) {
    const T* row = kv_row<T>(args, t) + column;
    const F32x16 weight = broadcast(args.scores[t] * scale);
    for (int v = 0; v < V; ++v) sums[v] = multiply_add(weight, load(row + v * kLanes), sums[v]);
  }
  for (int v = 0; v < V; ++v) store(args.out + column + v * kLanes, sums[v]);
}

template <typename T>
inline void weighted_tail(const AttendArgs& args, float scale, int column) {
  const int n = args.value_size - column;
  F32x16 sums = broadcast(0);
  for (int t = 0; t < args.num_rows; ++t)
    sums = multiply_add(broadcast(args.scores[t] * scale),
                        load_first(kv_row<T>(args, t) + column, n), sums);
  float lane[kLanes];
  store(lane, sums);
  for (int i = 0; i < n; ++i) args.out[column + i] = lane[i];
}

template <typename T>
void attend_of(const AttendArgs& args) {
  const float scale = static_cast<float>(1.0 / softmax_scores<T>(args));
  constexpr int kVectors = 4;
  int column = 0;
  for (; column + kVectors * kLanes <= args.value_size; column += kVectors * kLanes)
    weighted_rows<kVectors, T>(args, scale, column);
  for (; column + kLanes <= args.value_size; column += kLanes)
    weighted_rows<1, T>(args, scale, column);
  if (column < args.value_size) weighted_tail<T>(args, scale, column);
}

void attend(const AttendArgs& args) {
  if (args.kv.type == NumberType::kBf16)
    attend_of<bf16>(args);
  else
    attend_of<float>(args);
}

float sum_of_squares(const float* x, int n) {
  float out = 0;
  float* row = &out;
  dot_block<1, 1>(&x, x, 0, n, &row, 0);
  return out;
}

void widen(const bf16* from, float* to, int n) {
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) store(to + i, load(from + i));
  for (; i < n; ++i) to[i] = __builtin_bit_cast(float, uint32_t{from[i].bits} << 16);
}

void narrow(const float* from, bf16* to, int n) {
  for (int i = 0; i < n; ++i) {
    const uint32_t bits = __builtin_bit_cast(uint32_t, from[i]);
    const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    const bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
    to[i].bits = static_cast<uint16_t>(is_nan ? bits >> 16 | 0x40 : rounded);
  }
}

bool supported() {
  __builtin_cpu_init();
  return GLINT_CPU_HAS;
}

}  // namespace

extern const Kernels GLINT_KERNELS;
const Kernels GLINT_KERNELS = {GLINT_ISA_NAME, supported, linear, attend,
                               sum_of_squares, widen,     narrow};

}  // namespace glint::cpu
