// MLA: rotation, KV rows, and attention in the absorbed and the expanded form.

#include <algorithm>
#include <cmath>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/rows.h"

namespace glint {
namespace {

// Rotates `dim` numbers in place. cos_sin: dim / 2 cosines, then dim / 2 sines.
void rotate(float* x, const float* cos_sin, int dim, bool interleave) {
  const int half = dim / 2;
  for (int i = 0; i < half; ++i) {
    float& a = interleave ? x[2 * i] : x[i];
    float& b = interleave ? x[2 * i + 1] : x[i + half];
    const float cos = cos_sin[i], sin = cos_sin[half + i];
    const float rotated = a * cos - b * sin;
    b = b * cos + a * sin;
    a = rotated;
  }
}

// This thread's room for the scores of one row's head.
float* score_scratch(int num_rows) {
  thread_local Scratch scratch;
  return scratch.floats(static_cast<size_t>(num_rows));
}

// Of the token's sequence, itself included; 0 of no sequence.
int context_of(const StepView& step, int token) {
  return step.token_sequence[token] < 0 ? 0 : step.positions[token] + 1;
}

void check_pages(const StepView& step, const KvPages& kv, int token) {
  const int32_t* pages = step.pages + step.page_begin[step.token_sequence[token]];
  const int last = step.positions[token] / kv.page_size;
  for (int i = 0; i <= last; ++i)
    CHECK(pages[i] >= 0 && pages[i] < kv.num_pages, "page ", pages[i], " of ", kv.num_pages);
}

const int32_t* page_table(const StepView& step, int token) {
  return step.pages + step.page_begin[step.token_sequence[token]];
}

}  // namespace

void CpuBackend::rope_table(const StepView& step, double theta, Matrix cos_sin) {
  CHECK(cos_sin.type == NumberType::kF32 && cos_sin.rows == step.num_tokens, "cos_sin [",
        cos_sin.rows, ", ", cos_sin.cols, "]");
  const int half = cos_sin.cols / 2;
  for (int i = 0; i < half; ++i) {
    const double frequency = std::pow(theta, -2.0 * i / cos_sin.cols);
    for (int t = 0; t < cos_sin.rows; ++t) {
      const double angle = step.positions[t] * frequency;
      float* row = static_cast<float*>(cos_sin.at(t, 0));
      row[i] = static_cast<float>(std::cos(angle));
      row[half + i] = static_cast<float>(std::sin(angle));
    }
  }
}

// The numbers at `from`, rotated as the token's, to `to`, which may be the same place.
void CpuBackend::rotate_row(const void* from, NumberType from_type, void* to, NumberType to_type,
                            const Rotation& rotation, int token) {
  const int dim = rotation.cos_sin.cols;
  float* x = inputs_.floats(static_cast<size_t>(dim));
  cpu::load_row(kernels_, from, from_type, x, dim);
  rotate(x, static_cast<const float*>(rotation.cos_sin.at(token, 0)), dim, rotation.interleave);
  cpu::store_row(kernels_, x, to, to_type, dim);
}

void CpuBackend::rope_query(Matrix q, int num_heads, const Rotation& rotation, RowList rows) {
  CHECK(rotation.cos_sin.rows == q.rows && q.cols % num_heads == 0, "q [", q.rows, ", ", q.cols,
        "]");
  const int head_dim = q.cols / num_heads;
  for (int i = 0; i < rows.size; ++i)
    for (int h = 0; h < num_heads; ++h) {
      void* pe = q.at(rows.data[i], (h + 1) * head_dim - rotation.cos_sin.cols);
      rotate_row(pe, q.type, pe, q.type, rotation, rows.data[i]);
    }
}

void CpuBackend::split_qkv_a(const StepView& step, Matrix qkv_a, const QkvNorms& norms,
                             const Rotation& rotation, Matrix c_q, KvPages kv) {
  const int q_rank = norms.q.cols, latent = norms.kv.cols, rope = rotation.cos_sin.cols;
  CHECK(qkv_a.rows == step.num_tokens && qkv_a.cols == q_rank + kv.row_size, "qkv_a [", qkv_a.rows,
        ", ", qkv_a.cols, "]");
  CHECK(latent + rope == kv.row_size, "a row of ", kv.row_size);
  rms_norm(qkv_a.columns(0, q_rank), norms.q, norms.eps, c_q);
  for (int t = 0; t < step.num_tokens; ++t) {
    if (context_of(step, t) == 0) continue;
    check_pages(step, kv, t);
    const int position = step.positions[t];
    void* row = kv.row(page_table(step, t)[position / kv.page_size], position % kv.page_size);
    const Matrix out = contiguous(row, kv.type, 1, kv.row_size);
    rms_norm(contiguous(qkv_a.at(t, q_rank), qkv_a.type, 1, latent), norms.kv, norms.eps,
             out.columns(0, latent));
    rotate_row(qkv_a.at(t, q_rank + latent), qkv_a.type, out.at(0, latent), kv.type, rotation, t);
  }
}

void CpuBackend::mla_absorb_query(Matrix q, MatrixStack w_uk, const Rotation& rotation,
                                  RowList rows, Matrix q_row) {
  const int num_heads = w_uk.count, latent = w_uk.rows;
  const int head_dim = q.cols / num_heads, row_size = q_row.cols / num_heads;
  const int rope_dim = rotation.cos_sin.cols;
  CHECK(head_dim == w_uk.cols + rope_dim && q_row.rows == q.rows && row_size == latent + rope_dim,
        "q_row of ", row_size, " a head");
  const auto wide = widened_rows(q, inputs_);
  const auto num_rows = static_cast<size_t>(rows.size);
  float* y = outputs_.floats(num_rows * static_cast<size_t>(q_row.cols));
  pool_.parallel_for(num_heads, int64_t{rows.size} * latent * w_uk.cols, [&](int h) {
    std::vector<const float*> x(num_rows);
    std::vector<float*> out(num_rows);
    for (size_t i = 0; i < num_rows; ++i) {
      x[i] = wide[static_cast<size_t>(rows.data[i])] + h * head_dim;
      out[i] = y + static_cast<int64_t>(i) * q_row.cols + h * row_size;
    }
    kernels_.linear(x.data(), out.data(), rows.size, w_uk[h], 0, latent);
    for (size_t i = 0; i < num_rows; ++i) {
      std::copy_n(x[i] + w_uk.cols, rope_dim, out[i] + latent);
      rotate(out[i] + latent, static_cast<const float*>(rotation.cos_sin.at(rows.data[i], 0)),
             rope_dim, rotation.interleave);
      cpu::store_row(kernels_, out[i], q_row.at(rows.data[i], h * row_size), q_row.type, row_size);
    }
  });
}

void CpuBackend::mla_attend(const StepView& step, Matrix q_row, int num_heads, KvPages kv,
                            float scale, RowList rows, Matrix o_latent) {
  const int latent = o_latent.cols / num_heads;
  CHECK(q_row.cols == num_heads * kv.row_size && latent <= kv.row_size, "q_row of ", q_row.cols,
        " for rows of ", kv.row_size);
  const auto wide = widened_rows(q_row, inputs_);
  float* y = outputs_.floats(static_cast<size_t>(o_latent.rows) * o_latent.cols);
  int64_t longest = 0;
  for (int i = 0; i < rows.size; ++i) {
    const int context = context_of(step, rows.data[i]);
    if (context > 0) check_pages(step, kv, rows.data[i]);
    longest = std::max<int64_t>(longest, context);
  }
  const int64_t cost = longest * (kv.row_size + latent);
  pool_.parallel_for(rows.size * num_heads, cost, [&](int task) {
    const int t = rows.data[task / num_heads], h = task % num_heads;
    const int num_rows = context_of(step, t);
    float* out = y + int64_t{t} * o_latent.cols + h * latent;
    std::fill_n(out, latent, 0.0f);
    if (num_rows > 0) {
      kernels_.attend({.q = wide[static_cast<size_t>(t)] + h * kv.row_size,
                       .kv = kv,
                       .pages = page_table(step, t),
                       .num_rows = num_rows,
                       .value_size = latent,
                       .scale = scale,
                       .scores = score_scratch(num_rows),
                       .out = out});
    }
    cpu::store_row(kernels_, out, o_latent.at(t, h * latent), o_latent.type, latent);
  });
}

void CpuBackend::mla_expand_output(Matrix o_latent, MatrixStack w_uv, RowList rows, Matrix o) {
  const int num_heads = w_uv.count, latent = w_uv.cols, v_dim = w_uv.rows;
  CHECK(
      o_latent.cols == num_heads * latent && o.cols == num_heads * v_dim && o.rows == o_latent.rows,
      "o [", o.rows, ", ", o.cols, "]");
  const auto wide = widened_rows(o_latent, inputs_);
  const auto num_rows = static_cast<size_t>(rows.size);
  float* y = outputs_.floats(num_rows * static_cast<size_t>(o.cols));
  pool_.parallel_for(num_heads, int64_t{rows.size} * latent * v_dim, [&](int h) {
    std::vector<const float*> x(num_rows);
    std::vector<float*> out(num_rows);
    for (size_t i = 0; i < num_rows; ++i) {
      x[i] = wide[static_cast<size_t>(rows.data[i])] + h * latent;
      out[i] = y + static_cast<int64_t>(i) * o.cols + h * v_dim;
    }
    kernels_.linear(x.data(), out.data(), rows.size, w_uv[h], 0, v_dim);
    for (size_t i = 0; i < num_rows; ++i)
      cpu::store_row(kernels_, out[i], o.at(rows.data[i], h * v_dim), o.type, v_dim);
  });
}

}  // namespace glint
