#include "bench/serving/request_format.h"

#include <gtest/gtest.h>

namespace glint {
namespace {

std::string body(std::string_view backend, const BenchRequest& request, Json extra = {}) {
  RequestFormat format{.backend = find_serving_backend(backend), .model = "m"};
  format.extra = std::move(extra);
  return request_body(format, request);
}

const BenchRequest kText{.text = "the sea", .prompt_len = 2, .output_len = 7};
const BenchRequest kIds{.ids = {3, 1}, .prompt_len = 2, .output_len = 7};

TEST(RequestFormatTest, GenerateIsAskedAsByBenchServing) {
  EXPECT_EQ(body("sglang", kText),
            R"({"text":"the sea","sampling_params":{"temperature":0.0,"max_new_tokens":7,)"
            R"("ignore_eos":true},"stream":true,"lora_path":null,"return_logprob":false,)"
            R"("return_routed_experts":false,"logprob_start_len":-1})");
  EXPECT_EQ(body("glint", kIds),
            R"({"input_ids":[3,1],"sampling_params":{"temperature":0.0,"max_new_tokens":7,)"
            R"("ignore_eos":true},"stream":true,"lora_path":null,"return_logprob":false,)"
            R"("return_routed_experts":false,"logprob_start_len":-1,"incremental":true})");
}

TEST(RequestFormatTest, OpenAIsServersAreAskedForUsage) {
  EXPECT_EQ(body("vllm", kIds),
            R"({"model":"m","prompt":[3,1],"best_of":1,"max_tokens":7,"temperature":0.0,)"
            R"("stream":true,"stream_options":{"include_usage":true},"ignore_eos":true})");
  EXPECT_EQ(body("openai-chat", kText),
            R"({"model":"m","messages":[{"role":"user","content":"the sea"}],)"
            R"("max_completion_tokens":7,"temperature":0.0,"stream":true,)"
            R"("stream_options":{"include_usage":true},"ignore_eos":true})");
}

TEST(RequestFormatTest, ExtraMembersReplaceOurs) {
  const std::string text = body("vllm", kText, {{"temperature", 1}, {"seed", 5}});
  const Json sent = *parse_json(text);
  EXPECT_EQ(sent["temperature"], 1);
  EXPECT_EQ(sent["seed"], 5);
}

TEST(RequestFormatTest, AnUnknownBackendIsNone) { EXPECT_EQ(find_serving_backend("tgi"), nullptr); }

}  // namespace
}  // namespace glint
