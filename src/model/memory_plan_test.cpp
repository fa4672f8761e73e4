#include "model/memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/cuda/attention_decode.h"
#include "backend/cuda/attention_prefill.h"
#include "model/checkpoint_tensors.h"
#include "model/gpu_table.h"
#include "tests/support/tiny_checkpoint.h"

namespace glint {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

MemoryPlanRequest request_for(const char* gpu) {
  const GpuInfo* found = find_gpu(gpu);
  CHECK(found != nullptr, gpu);
  MemoryPlanRequest request;
  request.device = std::string(found->name);
  request.total_bytes = found->memory_bytes;
  return request;
}

MemoryPlan plan(const MemoryPlanRequest& request) {
  return plan_memory(glm_4_7_flash_config(), request);
}

// All parts of a plan are the device's memory.
int64_t sum(const MemoryPlan& p) {
  return p.used_by_others_bytes + p.weights_bytes + p.activation_bytes + p.runtime_bytes +
         p.unused_bytes + p.kv_bytes;
}

TEST(GpuTable, FindsByNameShortNameOrPartInAnyCase) {
  EXPECT_EQ(find_gpu("H100")->name, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(find_gpu("nvidia h100 nvl")->memory_bytes, int64_t{95335} << 20);
  EXPECT_EQ(find_gpu("h100 nvl")->name, "NVIDIA H100 NVL");
  EXPECT_EQ(find_gpu("gh2")->short_name, "GH200");
  EXPECT_EQ(find_gpu("b200")->compute_capability, 100);
  EXPECT_EQ(find_gpu("h200")->name, "NVIDIA H200");
  EXPECT_EQ(find_gpu("H300"), nullptr);
  EXPECT_EQ(find_gpu(""), nullptr);
}

// The weights of zai-org/GLM-4.7-Flash: 29,943,393,920 numbers without the MTP layer and
// 31,221,488,576 with it (its index's total_size), of which 46 and 47 x 64 are FP32.
TEST(MemoryPlan, WeightsAndCacheRowsOfTheReleasedModel) {
  const ModelConfig config = glm_4_7_flash_config();
  for (const ExpertLayout layout : {ExpertLayout::kSeparate, ExpertLayout::kStacked}) {
    EXPECT_EQ(num_elements(model_tensors(config, layout, false)), 29'943'393'920);
    EXPECT_EQ(num_elements(model_tensors(config, layout, true)), 31'221'488'576);
  }
  EXPECT_EQ(weights_bytes(config, 2, false), 59'886'787'840 + 46 * 64 * 2);
  EXPECT_EQ(weights_bytes(config, 2, true), 62'442'977'152 + 47 * 64 * 2);
  EXPECT_EQ(weights_bytes(config, 4, false), 4 * 29'943'393'920);
  EXPECT_EQ(kv_bytes_per_token(config, 2, false), 54'144);
  EXPECT_EQ(kv_bytes_per_token(config, 2, true), 55'296);
  EXPECT_EQ(kv_bytes_per_token(config, 1, false), 27'072);
}

// Whole on each GPU are, of a layer, q_a and kv_a (768 + 576) x 2048, their norms 768 + 512, two
// norms of 2048 and, in 46 of the 47, the router 64 x 2048 + 64; and the last norm: 135,655,040
// numbers. Of the MTP layer the same, three norms and eh_proj 2048 x 4096: 11,283,776. The rest is
// split: heads 20 x ((192 + 64) x 768 + (192 + 256) x 512 + 256 x 2048) of a layer, experts
// 65 x 3 x 1536 x 2048, the dense layer 3 x 10240 x 2048, two tables 154,880 x 2048.
TEST(MemoryPlan, GpusThatShareTheModelHaveAPartOfItsWeights) {
  const ModelConfig config = glm_4_7_flash_config();
  const int64_t split =
      47 * int64_t{19'005'440} + 46 * int64_t{613'416'960} + 62'914'560 + 2 * int64_t{317'194'240};
  const int64_t mtp = 19'005'440 + 613'416'960 + 2 * int64_t{317'194'240};
  for (const int gpus : {1, 2, 4}) {
    const ModelConfig part = gpu_part(config, gpus);
    EXPECT_EQ(weights_bytes(part, 2, false), 2 * (135'655'040 + split / gpus) + 46 * 64 * 2);
    EXPECT_EQ(weights_bytes(part, 2, true),
              2 * (135'655'040 + 11'283'776 + (split + mtp) / gpus) + 47 * 64 * 2);
    EXPECT_EQ(kv_bytes_per_token(part, 2, false), 54'144);  // the cache is whole on each
  }
}

// With two, of 8192 rows of a step: 20 / 2 heads' queries and outputs (256 + 256); per row of a
// block 10 heads' absorbed forms 256 + 576 + 512 + 256, and 5 experts of half their width beside
// what attention and the MLPs have whole. What attention keeps beside is halved but for the
// latents of the expanded form. Logits are gathered: whole, and a half more.
TEST(MemoryPlan, GpusThatShareTheModelHaveAPartOfItsActivations) {
  MemoryPlanRequest request = request_for("H100");
  const MemoryPlan one = plan(request);
  request.num_gpus = 2;
  const MemoryPlan two = plan(request);
  const int64_t of_row = 10 * (256 + 256) + 10 * (256 + 576 + 512 + 256) + 5 * 3 * 768;
  const int64_t keys_values = cuda::kPrefillBlockRows * 10 * (256 + 256);
  const int64_t running = int64_t{8192} * 10 * (256 + 8);
  const int64_t parts = cuda::kMostDecodeParts *
                        (cuda::decode_part_bytes(20, 512) - cuda::decode_part_bytes(10, 512));
  EXPECT_EQ(one.activation_bytes - two.activation_bytes,
            2 * (8192 * of_row + keys_values) + 4 * running + parts - 256 * 4 * (154'880 / 2));
  EXPECT_EQ(two.runtime_bytes - one.runtime_bytes, 2 * (128 << 20));
  EXPECT_EQ(sum(two), two.total_bytes);
  EXPECT_EQ(two.kv_pages(), two.kv_bytes / (54'144 * 64));
}

TEST(MemoryPlan, OfGpusThatShareTheModelSaysSo) {
  MemoryPlanRequest request = request_for("H100");
  request.num_gpus = 2;
  EXPECT_THAT(memory_table(plan(request)),
              StartsWith("  NVIDIA H100 80GB HBM3             79.2 GiB\n"
                         "  weights, bf16, each GPU's part   -28.0\n"));
  EXPECT_THAT(memory_table(plan(request)),
              HasSubstr("\n  CUDA context, graphs, NCCL        -1.5\n"));
  request.total_bytes = int64_t{24} << 30;
  const Result<void> refused = check_memory(plan(request));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("on each of 2 GPUs that share the model.\n  NV"));
}

TEST(MemoryPlan, TheCacheGetsWhatIsLeft) {
  for (const char* gpu : {"H100", "H200", "B200"}) {
    const MemoryPlan p = plan(request_for(gpu));
    EXPECT_EQ(sum(p), p.total_bytes) << gpu;
    EXPECT_EQ(p.kv_pages(), p.kv_bytes / (54'144 * 64)) << gpu;
    EXPECT_EQ(p.kv_tokens(), p.kv_pages() * 64) << gpu;
    EXPECT_EQ(p.context_length, 202752) << gpu;
    EXPECT_TRUE(check_memory(p)) << gpu;
  }
}

TEST(MemoryPlan, EachPartGrowsWithItsCause) {
  const MemoryPlan base = plan(request_for("H100"));
  MemoryPlanRequest request = request_for("H100");
  request.chunked_prefill_size *= 2;
  EXPECT_GT(plan(request).activation_bytes, base.activation_bytes);
  request = request_for("H100");
  request.max_running_requests *= 2;
  // FP32 logits of 256 more rows; as many tables of counts, and 28 KiB of lists each.
  EXPECT_EQ(plan(request).activation_bytes - base.activation_bytes,
            256 * (154'880 * 4 * 2 + 28 * 1024));
  request = request_for("H100");
  request.kv_element_bytes = 1;
  EXPECT_EQ(plan(request).kv_pages(), base.kv_bytes / (27'072 * 64));
  request.with_mtp = true;
  EXPECT_EQ(plan(request).kv_bytes_per_token, 27'648);
  EXPECT_EQ(plan(request).weights_bytes, weights_bytes(glm_4_7_flash_config(), 2, true));
  request = request_for("H100");
  request.used_by_others_bytes = 1 << 30;
  EXPECT_EQ(plan(request).kv_bytes, base.kv_bytes - (1 << 30));
  EXPECT_EQ(sum(plan(request)), base.total_bytes);
}

// Weights and cache get the fraction, unless the workspace needs more than the rest.
TEST(MemoryPlan, TheStaticFractionBoundsWeightsAndCache) {
  MemoryPlanRequest request = request_for("H200");
  request.mem_fraction_static = 0.5;
  const MemoryPlan half = plan(request);
  EXPECT_EQ(sum(half), half.total_bytes);
  EXPECT_EQ(half.weights_bytes + half.kv_bytes, half.total_bytes - half.total_bytes / 2);
  request.mem_fraction_static = 1.0;
  EXPECT_EQ(plan(request).unused_bytes, 0);
  EXPECT_EQ(plan(request).kv_bytes, plan(request_for("H200")).kv_bytes);
}

TEST(MemoryPlan, TheContextIsAtMostTheModels) {
  MemoryPlanRequest request = request_for("H100");
  request.context_length = 4096;
  EXPECT_EQ(plan(request).context_length, 4096);
  request.context_length = 1'000'000;
  EXPECT_EQ(plan(request).context_length, 202752);
}

TEST(MemoryPlan, TheTableHasALineForEachPartThatIsThere) {
  MemoryPlan p = plan(request_for("H100"));
  EXPECT_EQ(memory_table(p),
            "  NVIDIA H100 80GB HBM3             79.2 GiB\n"
            "  weights, bf16                    -55.8\n"
            "  activations and logits            -2.4\n"
            "  CUDA context and graphs           -1.2\n"
            "  left for the KV cache             19.7 GiB\n"
            "  at 52.9 KiB per token (bf16): room for 391424 tokens in 6116 pages of 64\n");
  p.used_by_others_bytes = p.unused_bytes = int64_t{3} << 30;
  EXPECT_THAT(memory_table(p), HasSubstr("\n  used by other processes           -3.0\n"));
  EXPECT_THAT(memory_table(p), HasSubstr("\n  kept free (memory fraction)       -3.0\n"));
}

TEST(MemoryPlan, ALargeStepTakesLessInBlocks) {
  MemoryPlanRequest request = request_for("H100");
  request.chunked_prefill_size = 32768;
  const int64_t whole = plan(request).activation_bytes;
  request.block_rows = 8192 + 256;
  const int64_t in_blocks = plan(request).activation_bytes;
  EXPECT_LT(in_blocks, int64_t{4} << 30);
  EXPECT_GT(2 * whole, 3 * in_blocks);
  request.chunked_prefill_size = 8192;
  EXPECT_LT(plan(request).activation_bytes, in_blocks);
}

TEST(MemoryPlan, WhatDoesNotFitSaysWhatHelps) {
  MemoryPlanRequest request = request_for("H100");
  request.used_by_others_bytes = int64_t{15} << 30;  // 4.7 GiB are left: 94,016 tokens
  const Result<void> tight = check_memory(plan(request));
  ASSERT_FALSE(tight);
  EXPECT_THAT(tight.error().message,
              StartsWith("Not enough memory for one request of 202752 tokens.\n  NVIDIA H100"));
  EXPECT_THAT(tight.error().message,
              HasSubstr("Try --context-length 93184, a smaller "
                        "--chunked-prefill-size or --max-running-requests, or "
                        "stop the other"));
  request.context_length = 93184;  // the advice helps
  EXPECT_TRUE(check_memory(plan(request)));

  request = request_for("H100");
  request.total_bytes = int64_t{24} << 30;
  EXPECT_EQ(plan(request).kv_tokens(), 0);
  const Result<void> hopeless = check_memory(plan(request));
  ASSERT_FALSE(hopeless);
  EXPECT_THAT(hopeless.error().message, EndsWith("Try a GPU with more memory."));

  request = request_for("H100");
  request.max_running_requests = 20'000;  // their logits and counts alone take 25 GiB
  const Result<void> many = check_memory(plan(request));
  ASSERT_FALSE(many);
  EXPECT_THAT(many.error().message,
              EndsWith("Try a smaller --chunked-prefill-size or --max-running-requests."));

  request = request_for("H100");
  request.mem_fraction_static = 0.75;
  const Result<void> kept_free = check_memory(plan(request));
  ASSERT_FALSE(kept_free);
  EXPECT_THAT(kept_free.error().message, HasSubstr(", a larger --mem-fraction-static, a smaller "));
}

}  // namespace
}  // namespace glint
