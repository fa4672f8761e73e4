// Decode attention on the host's side: where it can be had, its memory, its kernels.

#include <algorithm>
#include <numbers>

#include "backend/cuda/attention_decode.cuh"
#include "backend/cuda/attention_decode.h"
#include "backend/cuda/attention_decode_kernel.cuh"
#include "backend/cuda/attention_decode_plan.cuh"

namespace glint::cuda {
bool is_for_attend_decode(const KvPages& kv) {
  return kv.type == NumberType::kBf16 && kv.row_size == kDecodeRow && kv.page_size == kDecodeTile &&
         is_aligned(kv.data);
}
bool is_for_attend_decode(const Matrix& q_row, int num_heads, const KvPages& kv,
                          const Matrix& o_latent) {
  return is_for_attend_decode(kv) && is_bf16_in_pieces(q_row) && num_heads <= 32 &&
         o_latent.type == NumberType::kBf16 && o_latent.cols == num_heads * kDecodeLatent;
}

namespace {

DecodeSequences sequences_of(const StepView& step, RowList rows) {
  return {rows.data, rows.size, step.positions, step.token_sequence, step.page_begin, step.pages};
}

// A row cannot be longer than all pages together.
int most_parts(int num_rows, const KvPages& kv) {
  return static_cast<int>(
      std::min<int64_t>(kMostDecodeParts, static_cast<int64_t>(num_rows) * kv.num_pages));
}

// The plan, its rows and its items: more than a GPU has blocks, each of which reads its first item
// before it knows whether there is one.
PlanMemory plan_in(Scratch& scratch, bool sealed, int num_rows) {
  const auto rows = static_cast<size_t>(num_rows), items = rows + kMostDecodeParts;
  const size_t row_bytes = sizeof(DecodeRow) + sizeof(int);
  const size_t bytes = sizeof(DecodeItem) * (1 + items) + row_bytes * rows;
  auto* plan = scratch.at_least<char>(bytes, sealed);
  auto* plan_items = reinterpret_cast<DecodeItem*>(plan) + 1;
  auto* plan_rows = reinterpret_cast<DecodeRow*>(plan_items + items);
  return {reinterpret_cast<DecodePlan*>(plan), plan_rows, plan_items,
          reinterpret_cast<int*>(plan_rows + rows)};
}

// Few rows do not occupy the GPU unless several warps share a row's groups.
void combine(cudaStream_t stream, int num_rows, const DecodeParts& parts, const Rows<Bf16>& out) {
  const auto rows = static_cast<unsigned>(num_rows), heads = static_cast<unsigned>(parts.num_heads);
  if (num_rows * parts.num_heads <= kUsualSms) {
    launch_early(stream, dim3(rows, heads, kCombineQuarters), dim3(kWarp, kCombineWarps), 0,
                 combine_few, parts, out);
  } else {
    launch_early(stream, dim3(rows, blocks_for(parts.num_heads, kCombineHeads)),
                 dim3(kWarp, kCombineQuarters, kCombineHeads), 0, combine_many, parts, out);
  }
}

}  // namespace

void plan_attend_decode(cudaStream_t stream, int num_sms, Scratch& plan_scratch, bool sealed,
                        const StepView& step, RowList rows, const KvPages& kv) {
  if (rows.size == 0) return;
  launch_early(stream, 1, kPlanThreads, 0, plan_decode, sequences_of(step, rows), num_sms,
               most_parts(rows.size, kv), plan_in(plan_scratch, sealed, rows.size));
  launch_early(stream, 1, kWarp, 0, settle_plan);
}

DecodeParts attend_in_parts(cudaStream_t stream, int num_sms, const DecodeScratch& scratch,
                            const DecodeInputs& inputs, const Matrix& o_latent) {
  const int num_rows = inputs.rows.size, heads = inputs.num_heads;
  const PlanMemory plan = plan_in(scratch.plan, /*sealed=*/true, num_rows);
  const size_t part_heads =
      static_cast<size_t>(most_parts(num_rows, inputs.kv)) * static_cast<size_t>(heads);
  const size_t bytes = part_heads * decode_part_bytes(1, kDecodeLatent);
  auto* sums = reinterpret_cast<float*>(scratch.parts.at_least<char>(bytes, scratch.sealed));
  auto* stats = reinterpret_cast<PartStats*>(sums + part_heads * kDecodeLatent);
  const DecodeArgs args{.work = {plan.plan, plan.items, inputs.step.pages},
                        .num_heads = heads,
                        .scale_log2 = inputs.scale * std::numbers::log2e_v<float>,
                        .sums = sums,
                        .stats = stats,
                        .out = rows_of<Bf16>(o_latent)};
  attend_items(stream, num_sms, inputs, args);
  return {plan.rows, sums, stats, heads};
}

void attend_decode(cudaStream_t stream, int num_sms, const DecodeScratch& scratch,
                   const DecodeInputs& inputs, const Matrix& o_latent) {
  if (inputs.rows.size == 0) return;
  const DecodeParts parts = attend_in_parts(stream, num_sms, scratch, inputs, o_latent);
  combine(stream, inputs.rows.size, parts, rows_of<Bf16>(o_latent));
}

}  // namespace glint::cuda
