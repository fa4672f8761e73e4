// Decode attention on the host's side: where it can be had, its memory, its three kernels.

#include <algorithm>
#include <numbers>

#include "backend/cuda/attention_decode.cuh"
#include "backend/cuda/attention_decode_kernel.cuh"
#include "backend/cuda/attention_decode_plan.cuh"

namespace glint::cuda {
namespace {

constexpr int kMaxFullItems = 3072;
constexpr int kFewRowHeads = 132;

bool is_aligned(const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; }

}  // namespace

bool is_for_attend_decode(const Matrix& q_row, int num_heads, const KvPages& kv,
                          const Matrix& o_latent) {
  const bool is_bf16 = q_row.type == NumberType::kBf16 && kv.type == NumberType::kBf16 &&
                       o_latent.type == NumberType::kBf16;
  return is_bf16 && kv.row_size == kDecodeRow && kv.page_size == kDecodeTile && num_heads <= 32 &&
         o_latent.cols == num_heads * kDecodeLatent && is_aligned(kv.data) &&
         is_aligned(q_row.data) && q_row.stride % 8 == 0;
}

namespace {

DecodeSequences sequences_of(const StepView& step, RowList rows) {
  return {rows.data, rows.size, step.positions, step.token_sequence, step.page_begin, step.pages};
}

// A row cannot be longer than all pages together.
int most_full_items(int num_rows, const KvPages& kv) {
  const int64_t longest = static_cast<int64_t>(kv.num_pages) * kDecodeTile;
  return static_cast<int>(std::min<int64_t>(kMaxFullItems, num_rows * (longest / kSplit + 1)));
}

// The plan, its rows and its items.
PlanMemory plan_in(Scratch& scratch, bool sealed, int num_rows, const KvPages& kv) {
  const auto rows = static_cast<size_t>(num_rows) + 1;
  const auto items = static_cast<size_t>(most_full_items(num_rows, kv) + num_rows);
  const size_t bytes = sizeof(DecodePlan) + rows * sizeof(DecodeRow) + items * sizeof(DecodeItem);
  auto* plan = reinterpret_cast<DecodePlan*>(scratch.at_least<char>(bytes, sealed));
  auto* plan_rows = reinterpret_cast<DecodeRow*>(plan + 1);
  return {plan, plan_rows, reinterpret_cast<DecodeItem*>(plan_rows + rows)};
}

// Few rows do not occupy the GPU unless several warps share a row's groups.
void combine(cudaStream_t stream, int num_rows, const DecodeParts& parts, const Rows<Bf16>& out) {
  const auto rows = static_cast<unsigned>(num_rows), heads = static_cast<unsigned>(parts.num_heads);
  if (num_rows * parts.num_heads <= kFewRowHeads) {
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
               most_full_items(rows.size, kv), plan_in(plan_scratch, sealed, rows.size, kv));
}

void attend_decode(cudaStream_t stream, int num_sms, const DecodeScratch& scratch,
                   const DecodeInputs& inputs, const Matrix& o_latent) {
  const int num_rows = inputs.rows.size, heads = inputs.num_heads;
  if (num_rows == 0) return;
  const PlanMemory plan = plan_in(scratch.plan, /*sealed=*/true, num_rows, inputs.kv);
  const size_t item_heads = static_cast<size_t>(most_full_items(num_rows, inputs.kv) + num_rows) *
                            static_cast<size_t>(heads);
  float* sums = scratch.parts.at_least<float>(item_heads * (kDecodeLatent + 2), scratch.sealed);
  auto* stats = reinterpret_cast<PartStats*>(sums + item_heads * kDecodeLatent);
  const DecodeArgs args{.work = {plan.plan, plan.items, inputs.step.pages},
                        .num_heads = heads,
                        .scale_log2 = inputs.scale * std::numbers::log2e_v<float>,
                        .sums = sums,
                        .stats = stats,
                        .out = rows_of<Bf16>(o_latent)};
  attend_items(stream, num_sms, inputs, args);
  combine(stream, num_rows, {plan.plan, plan.rows, sums, stats, heads}, rows_of<Bf16>(o_latent));
}

}  // namespace glint::cuda
