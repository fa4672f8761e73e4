#pragma once

// The general attention kernels: any size and any mix of types, summed in FP32. The expanded form
// runs on them too, by way of the absorbed one.

#include "backend/backend.h"
#include "backend/cuda/kernel.cuh"

namespace glint::cuda {

// Which rows of a matrix an operand's rows are: row i of the list is row list.data[i] of the
// matrix, or, in matrices that hold the listed rows alone, row i.
struct RowMap {
  const int32_t* rows = nullptr;
  __device__ int64_t operator[](int i) const { return rows == nullptr ? i : rows[i]; }
};

struct HeadRows {
  Matrix matrix;  // [.., H * head_size]
  int head_size = 0;
  RowMap map;
};

// For each of num_rows rows and each head h:  y[h] = w[h] x[h][:w.cols] | what follows in x[h].
// w [H, n, k]; a head of y has n numbers and those of x past its first k.
void multiply_heads(cudaStream_t stream, const HeadRows& x, const MatrixStack& w, const HeadRows& y,
                    int num_rows);

// The last numbers of each head of `from`, rotated, become the last of each head of `to`, in the
// listed rows. Both may be the same matrix.
void rotate_heads(cudaStream_t stream, const Matrix& from, const Matrix& to, int num_heads,
                  const Rotation& rotation, RowList rows);

// o[h] = softmax(scale q[h] . kv^T) kv[:, :o.head_size] of the listed rows, each over the rows of
// its sequence up to itself.
void attend_rows(cudaStream_t stream, const StepView& step, const HeadRows& q, int num_heads,
                 const KvPages& kv, float scale, RowList rows, const HeadRows& o);

}  // namespace glint::cuda
