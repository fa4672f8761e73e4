// MLA in the absorbed form: the general kernels, and which kernel an op takes.

#include <cmath>

#include "backend/cuda/attention.cuh"
#include "backend/cuda/attention_decode.cuh"
#include "backend/cuda/attention_output.cuh"
#include "backend/cuda/attention_query.cuh"
#include "backend/cuda/cuda_backend.h"

namespace glint {
namespace cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kRowsPerWarp = 8;   // of x that share one reading of a weight
constexpr int kTile = 2 * kWarp;  // KV rows between two updates of the softmax

template <typename T>
struct HeadView {
  T* data;
  int64_t stride;
  int head_size;
  RowMap map;
  __device__ T* operator()(int i, int head) const {
    return data + map[i] * stride + static_cast<int64_t>(head) * head_size;
  }
};

template <typename T>
HeadView<T> view_of(const HeadRows& rows) {
  return {static_cast<T*>(rows.matrix.data), rows.matrix.stride, rows.head_size, rows.map};
}

// A warp makes number n of head blockIdx.y for kRowsPerWarp rows.
template <typename X, typename W, typename Y>
__global__ void multiply_heads_kernel(HeadView<const X> x, const W* w, int n_out, int k,
                                      HeadView<Y> y, int num_rows) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, head = static_cast<int>(blockIdx.y);
  const int n = static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / kWarp;
  const int first = static_cast<int>(blockIdx.z) * kRowsPerWarp;
  if (n >= y.head_size) return;
  const int row = first + lane;
  const bool stores = lane < kRowsPerWarp && row < num_rows;
  if (n >= n_out) {
    if (stores) y(row, head)[n] = from_f32<Y>(to_f32(x(row, head)[k + n - n_out]));
    return;
  }
  const X* x_row[kRowsPerWarp];
  float sums[kRowsPerWarp] = {};
#pragma unroll
  for (int r = 0; r < kRowsPerWarp; ++r) x_row[r] = x(min(first + r, num_rows - 1), head);
  const W* w_row = w + (static_cast<int64_t>(head) * n_out + n) * k;
  for (int i = lane; i < k; i += kWarp) {
    const float weight = to_f32(w_row[i]);
#pragma unroll
    for (int r = 0; r < kRowsPerWarp; ++r) sums[r] = fmaf(weight, to_f32(x_row[r][i]), sums[r]);
  }
  float result = 0;
#pragma unroll
  for (int r = 0; r < kRowsPerWarp; ++r) {
    const float sum = warp_sum(sums[r]);
    if (lane == r) result = sum;
  }
  if (stores) y(row, head)[n] = from_f32<Y>(result);
}

struct Sequences {
  const int32_t* rows;  // the listed tokens
  const int32_t* positions;
  const int32_t* token_sequence;
  const int32_t* page_begin;
  const int32_t* pages;
};

template <typename T>
struct Cache {
  const T* data;
  int page_size;
  int row_size;
  __device__ const T* row(const int32_t* pages, int position) const {
    const int64_t page = pages[position / page_size];
    return data + (page * page_size + position % page_size) * row_size;
  }
};

// softmax(scores[0, count)) over what came before: the same in every lane of every warp.
struct OnlineSoftmax {
  float max = -INFINITY, total = 0;
  float rescale = 0;  // of what was summed so far

  // A lane's two scores, -inf where there is none, become their weights.
  __device__ void add(float (&scores)[2]) {
    const float new_max = fmaxf(max, warp_max(fmaxf(scores[0], scores[1])));
    rescale = expf(max - new_max);
    for (float& score : scores) score = expf(score - new_max);
    total = total * rescale + warp_sum(scores[0] + scores[1]);
    max = new_max;
  }
};

// A block attends with one row's head blockIdx.y, in tiles of kTile KV rows.
template <typename Q, typename T, typename O>
__global__ void attend_rows_kernel(Sequences step, HeadView<const Q> q, Cache<T> kv, float scale,
                                   HeadView<O> o) {
  extern __shared__ float shared[];
  float* query = shared;               // [row_size]
  float* sums = query + kv.row_size;   // [o.head_size]
  float* scores = sums + o.head_size;  // [kTile]
  float* weights = scores + kTile;     // [kTile]
  const int i = static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y);
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarp, warp = thread / kWarp;
  const int token = step.rows[i];
  const int sequence = step.token_sequence[token];
  const int num_rows = sequence < 0 ? 0 : step.positions[token] + 1;
  const int32_t* pages = step.pages + step.page_begin[max(sequence, 0)];
  const Q* q_head = q(i, head);
  for (int c = thread; c < kv.row_size; c += kThreads) query[c] = to_f32(q_head[c]);
  for (int c = thread; c < o.head_size; c += kThreads) sums[c] = 0;
  __syncthreads();

  OnlineSoftmax softmax;
  for (int begin = 0; begin < num_rows; begin += kTile) {
    const int count = min(kTile, num_rows - begin);
    for (int j = warp; j < count; j += kWarps) {
      const T* row = kv.row(pages, begin + j);
      float sum = 0;
      for (int c = lane; c < kv.row_size; c += kWarp) sum = fmaf(query[c], to_f32(row[c]), sum);
      sum = warp_sum(sum);
      if (lane == 0) scores[j] = scale * sum;
    }
    __syncthreads();
    float mine[2] = {lane < count ? scores[lane] : -INFINITY,
                     lane + kWarp < count ? scores[lane + kWarp] : -INFINITY};
    softmax.add(mine);
    if (warp == 0) {
      weights[lane] = mine[0];
      weights[lane + kWarp] = mine[1];
    }
    __syncthreads();
    for (int c = thread; c < o.head_size; c += kThreads) {
      float sum = sums[c] * softmax.rescale;
      for (int j = 0; j < count; ++j)
        sum = fmaf(weights[j], to_f32(kv.row(pages, begin + j)[c]), sum);
      sums[c] = sum;
    }
  }
  O* out = o(i, head);
  for (int c = thread; c < o.head_size; c += kThreads)
    out[c] = from_f32<O>(num_rows == 0 ? 0.0f : sums[c] / softmax.total);
}

}  // namespace

void multiply_heads(cudaStream_t stream, const HeadRows& x, const MatrixStack& w, const HeadRows& y,
                    int num_rows) {
  const dim3 grid(blocks_for(y.head_size, kWarps), static_cast<unsigned>(w.count),
                  blocks_for(num_rows, kRowsPerWarp));
  with_type(x.matrix.type, [&]<typename X>(X) {
    with_type(w.type, [&]<typename W>(W) {
      with_type(y.matrix.type, [&]<typename Y>(Y) {
        launch(stream, grid, kThreads, 0, multiply_heads_kernel<X, W, Y>, view_of<const X>(x),
               static_cast<const W*>(w.data), w.rows, w.cols, view_of<Y>(y), num_rows);
      });
    });
  });
}

void attend_rows(cudaStream_t stream, const StepView& step, const HeadRows& q, int num_heads,
                 const KvPages& kv, float scale, RowList rows, const HeadRows& o) {
  const Sequences sequences{rows.data, step.positions, step.token_sequence, step.page_begin,
                            step.pages};
  const dim3 grid(static_cast<unsigned>(rows.size), static_cast<unsigned>(num_heads));
  const size_t shared = static_cast<size_t>(kv.row_size + o.head_size + 2 * kTile) * sizeof(float);
  with_type(q.matrix.type, [&]<typename Q>(Q) {
    with_type(kv.type, [&]<typename T>(T) {
      with_type(o.matrix.type, [&]<typename O>(O) {
        launch(stream, grid, kThreads, shared, attend_rows_kernel<Q, T, O>, sequences,
               view_of<const Q>(q),
               Cache<T>{static_cast<const T*>(kv.data), kv.page_size, kv.row_size}, scale,
               view_of<O>(o));
      });
    });
  });
}

}  // namespace cuda
namespace {

// The listed rows of `num_rows` as a product takes them: all of them are found without a list.
const int32_t* ids_of(RowList rows, int num_rows) {
  return rows.size == num_rows ? nullptr : rows.data;
}

}  // namespace

void CudaBackend::mla_absorb_query(Matrix q, MatrixStack w_uk, const Rotation& rotation,
                                   RowList rows, Matrix q_row) {
  const int num_heads = w_uk.count, latent = w_uk.rows;
  const int head_dim = q.cols / num_heads, row_size = q_row.cols / num_heads;
  const int rope = rotation.cos_sin.cols;
  CHECK(q_row.rows == q.rows && row_size == latent + rope && head_dim == w_uk.cols + rope,
        "q_row of ", row_size, " a head");
  const int32_t* ids = ids_of(rows, q.rows);
  const cuda::GemmArgs product{.x = q.columns(0, w_uk.cols),
                               .x_group_columns = head_dim,
                               .w = w_uk,
                               .out = q_row,
                               .out_group_columns = row_size,
                               .max_rows = rows.size,
                               .in_ids = ids,
                               .out_ids = ids};
  const cuda::RowMap map{rows.data};
  if (rows.size > 0 && cuda::is_for_wgmma(product))
    gemm(product);
  else
    cuda::multiply_heads(stream_, {q, head_dim, map}, w_uk, {q_row, row_size, map}, rows.size);
  cuda::rotate_heads(stream_, q, q_row, num_heads, rotation, rows);
}

void CudaBackend::mla_query(Matrix c_q, Matrix w_q_b, MatrixStack w_uk, const Rotation& rotation,
                            RowList rows, Matrix q, Matrix q_row) {
  CHECK(rows.size == c_q.rows && q.rows == c_q.rows && q_row.rows == c_q.rows, rows.size,
        " rows listed of ", c_q.rows);
  const int rope = rotation.cos_sin.cols;
  CHECK(w_q_b.cols == c_q.cols && w_q_b.rows == w_uk.count * (w_uk.cols + rope) &&
            rotation.cos_sin.rows == c_q.rows && rotation.cos_sin.type == NumberType::kF32,
        "w_q_b [", w_q_b.rows, ", ", w_q_b.cols, "] for c_q of ", c_q.cols);
  CHECK(q_row.cols == w_uk.count * (w_uk.rows + rope), "q_row of ", q_row.cols);
  const cuda::QueryInputs inputs{c_q, w_q_b, w_uk, rotation};
  if (!cuda::is_for_make_query(inputs, q_row))
    return Backend::mla_query(c_q, w_q_b, w_uk, rotation, rows, q, q_row);
  cuda::make_query(stream_, tensor_maps_, inputs, q_row);
}

void CudaBackend::plan_attend(const StepView& step, RowList rows, KvPages kv) {
  if (!cuda::is_for_attend_decode(kv)) return;
  cuda::plan_attend_decode(stream_, num_sms_, plan_scratch_, sealed_, step, rows, kv);
  planned_rows_ = rows;
}

namespace {

void check_planned(RowList planned, RowList rows) {
  CHECK(planned.data == rows.data && planned.size == rows.size,
        "rows that plan_attend() has not seen");
}

}  // namespace

void CudaBackend::mla_attend(const StepView& step, Matrix q_row, int num_heads, KvPages kv,
                             float scale, RowList rows, Matrix o_latent) {
  const int latent = o_latent.cols / num_heads;
  CHECK(q_row.cols == num_heads * kv.row_size && latent <= kv.row_size, "q_row of ", q_row.cols,
        " for rows of ", kv.row_size);
  if (cuda::is_for_attend_decode(q_row, num_heads, kv, o_latent)) {
    check_planned(planned_rows_, rows);
    cuda::attend_decode(stream_, num_sms_, {plan_scratch_, attention_scratch_, sealed_},
                        {step, q_row, num_heads, kv, scale, rows}, o_latent);
    return;
  }
  const cuda::RowMap map{rows.data};
  cuda::attend_rows(stream_, step, {q_row, kv.row_size, map}, num_heads, kv, scale, rows,
                    {o_latent, latent, map});
}

void CudaBackend::mla_expand_output(Matrix o_latent, MatrixStack w_uv, RowList rows, Matrix o) {
  const int num_heads = w_uv.count, latent = w_uv.cols, v_dim = w_uv.rows;
  CHECK(
      o_latent.cols == num_heads * latent && o.cols == num_heads * v_dim && o.rows == o_latent.rows,
      "o [", o.rows, ", ", o.cols, "]");
  const int32_t* ids = ids_of(rows, o.rows);
  const cuda::GemmArgs product{.x = o_latent.columns(0, latent),
                               .x_group_columns = latent,
                               .w = w_uv,
                               .out = o,
                               .out_group_columns = v_dim,
                               .max_rows = rows.size,
                               .in_ids = ids,
                               .out_ids = ids};
  if (rows.size > 0 && cuda::is_for_wgmma(product)) return gemm(product);
  const cuda::RowMap map{rows.data};
  cuda::multiply_heads(stream_, {o_latent, latent, map}, w_uv, {o, v_dim, map}, rows.size);
}

void CudaBackend::mla_attend_output(const StepView& step, Matrix q_row, MatrixStack w_uv,
                                    KvPages kv, float scale, RowList rows, Matrix o_latent,
                                    Matrix o) {
  const int heads = w_uv.count;
  CHECK(q_row.cols == heads * kv.row_size && o.cols == heads * w_uv.rows && o.rows == q_row.rows,
        "q_row of ", q_row.cols, " for rows of ", kv.row_size, ", o [", o.rows, ", ", o.cols, "]");
  if (!cuda::is_for_attend_decode(q_row, heads, kv, o_latent) ||
      !cuda::is_for_output_of_parts(o_latent, w_uv, rows.size, o))
    return Backend::mla_attend_output(step, q_row, w_uv, kv, scale, rows, o_latent, o);
  check_planned(planned_rows_, rows);
  const cuda::DecodeParts parts =
      cuda::attend_in_parts(stream_, num_sms_, {plan_scratch_, attention_scratch_, sealed_},
                            {step, q_row, heads, kv, scale, rows}, o_latent);
  cuda::output_of_parts(stream_, tensor_maps_, {parts, rows.size, o_latent, w_uv}, o);
}

}  // namespace glint
