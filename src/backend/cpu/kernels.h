#pragma once

// The inner loops, compiled once for each level of x86-64's vector instructions.
//
// Every dot product has 16 FP32 partial sums: lane i adds the products of elements i, i + 16, i +
// 32
// ... in this order, and a fixed tree adds the lanes. So the bits of a result depend on the row and
// the weights alone, not on how many rows or columns are computed together. AVX2 and AVX-512 agree
// bit for bit, as both have fused multiply-add; the baseline rounds products and differs in the
// last bits.

#include <string_view>
#include <vector>

#include "backend/view.h"

namespace glint::cpu {

// Softmax attention of one head of one row over paged KV rows [0, num_rows).
struct AttendArgs {
  const float* q = nullptr;  // [kv.row_size]
  KvPages kv;
  const int32_t* pages = nullptr;  // of the sequence; entries past num_rows are not read
  int num_rows = 0;                // >= 1
  int value_size = 0;              // values are the first this many numbers of a KV row
  float scale = 1;
  float* scores = nullptr;  // [num_rows], scratch
  float* out = nullptr;     // [value_size]
};

struct Kernels {
  std::string_view name;
  bool (*supported)();

  // out[m][n] = x[m] . w[n] for m in [0, num_rows), n in [begin, end).  x[m] [w.cols]
  void (*linear)(const float* const* x, float* const* out, int num_rows, const Matrix& w, int begin,
                 int end);
  void (*attend)(const AttendArgs& args);
  float (*sum_of_squares)(const float* x, int n);
  void (*widen)(const bf16* from, float* to, int n);
  void (*narrow)(const float* from, bf16* to, int n);
};

// Best first; those that this CPU can run.
std::vector<const Kernels*> available_kernels();

}  // namespace glint::cpu
