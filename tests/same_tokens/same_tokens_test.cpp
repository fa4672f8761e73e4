// A request gives the same tokens and log-probabilities alone, in any batch, chunked anyhow, with
// its prefix cached or not, and after giving way: bit for bit, through the real engine and the real
// model on the CPU backend.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <filesystem>
#include <memory>
#include <random>

#include "backend/cpu/cpu_backend.h"
#include "engine/engine.h"
#include "engine/local_model_runner.h"
#include "tests/support/late_backend.h"
#include "tests/support/tiny_checkpoint.h"

namespace glint {

void PrintTo(NumberType type, std::ostream* out) {
  *out << (type == NumberType::kF32 ? "F32" : "Bf16");
}

namespace {

// A token with its log-probabilities as bits: equal means equal.
struct TokenBits {
  TokenId id = 0;
  uint32_t logprob = 0;
  std::vector<std::pair<TokenId, uint32_t>> top;
  bool operator==(const TokenBits&) const = default;
};

std::ostream& operator<<(std::ostream& out, const TokenBits& token) {
  return out << token.id << "@" << std::bit_cast<float>(token.logprob);
}

TokenBits bits_of(const OutputToken& token) {
  TokenBits bits{
      .id = token.id, .logprob = std::bit_cast<uint32_t>(token.logprobs->chosen), .top = {}};
  for (const auto& [id, logprob] : token.logprobs->top)
    bits.top.emplace_back(id, std::bit_cast<uint32_t>(logprob));
  return bits;
}

using Answer = std::vector<TokenBits>;

SchedulerLimits roomy() {
  SchedulerLimits limits;
  limits.page_size = 16;
  limits.num_pages = 256;
  limits.max_running_requests = 16;
  limits.chunked_prefill_size = 512;
  limits.context_length = 256;
  limits.prefix_cache = false;
  return limits;
}

// Prompts of 1 to 120 tokens, half of them with a common beginning; every kind of sampling.
std::vector<GenerateRequest> random_requests(int count, uint64_t seed) {
  std::mt19937_64 rng(seed);
  const auto below = [&](int n) { return static_cast<int>(rng() % static_cast<uint64_t>(n)); };
  std::vector<TokenId> system_prompt;
  for (int i = 0; i < 70; ++i) system_prompt.push_back(below(tiny_num_tokens()));
  std::vector<GenerateRequest> requests(static_cast<size_t>(count));
  for (GenerateRequest& request : requests) {
    std::vector<TokenId> prompt;
    if (below(2) == 0) prompt = system_prompt;
    for (int i = below(50); i >= 0; --i) prompt.push_back(below(tiny_num_tokens()));
    request.prompt = std::move(prompt);
    request.max_tokens = 8 + below(24);
    request.sampling.temperature = below(3) == 0 ? 0.0f : 0.8f;
    request.sampling.top_p = below(2) == 0 ? 1.0f : 0.9f;
    request.sampling.top_k = below(2) == 0 ? -1 : 40;
    request.sampling.min_p = below(2) == 0 ? 0.0f : 0.02f;
    request.sampling.frequency_penalty = below(2) == 0 ? 0.0f : 0.5f;
    request.sampling.repetition_penalty = below(2) == 0 ? 1.0f : 1.2f;
    request.sampling.seed = rng();
    request.sampling.num_logprobs = 2;
    if (below(3) == 0)
      request.triggers = {{.after_tokens = 5, .forced_ids = {7, 8, 9}},
                          {.on_token = 9, .one_of = {{4, 5}, {4, 9}, {6, 3, 9}}, .repeats = true}};
  }
  return requests;
}

std::filesystem::path write_checkpoint() {
  const auto folder =
      std::filesystem::temp_directory_path() / cat("glint_same_tokens_", ::getpid());
  const auto written = write_tiny_checkpoint(folder);
  CHECK(written.has_value(), written.error().message);
  return folder;
}

class SameTokensTest : public testing::TestWithParam<NumberType> {
 protected:
  ~SameTokensTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Engine> make_engine(const SchedulerLimits& limits) {
    return make_engine(limits, *backend_);
  }
  std::unique_ptr<Engine> make_engine(const SchedulerLimits& limits, Backend& backend,
                                      MlaForm prompt_form = MlaForm::kAbsorbed) {
    auto checkpoint = Checkpoint::open(folder_);
    ModelOptions options = model_options(limits, GetParam());
    options.prompt_form = prompt_form;
    auto model = Model::load(backend, tiny_config(), *checkpoint, options);
    CHECK(model.has_value(), model.error().message);
    return std::make_unique<Engine>(
        limits, std::make_unique<LocalModelRunner>(backend, *std::move(model), tiny_num_tokens()),
        clock_);
  }

  // Submits `requests` between steps, some at a time, and runs until all have ended.
  static std::vector<Answer> run(Engine& engine, const std::vector<GenerateRequest>& requests,
                                 uint64_t seed) {
    std::mt19937_64 rng(seed);
    std::vector<Answer> answers(requests.size());
    std::vector<size_t> order(requests.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::shuffle(order, rng);
    size_t next = 0;
    for (bool busy = true; busy || next < order.size();) {
      for (; next < order.size() && rng() % 2 == 0; ++next) {
        Answer& answer = answers[order[next]];
        const auto id = engine.submit(requests[order[next]], [&answer](TokenEvent&& event) {
          for (const OutputToken& token : event.tokens) answer.push_back(bits_of(token));
        });
        CHECK(id.has_value(), id.error().message);
      }
      busy = engine.step();
    }
    return answers;
  }

  std::vector<Answer> run_alone(const std::vector<GenerateRequest>& requests,
                                MlaForm prompt_form = MlaForm::kAbsorbed) {
    const auto engine = make_engine(roomy(), *backend_, prompt_form);
    std::vector<Answer> answers;
    for (const GenerateRequest& request : requests)
      answers.push_back(run(*engine, {request}, 0).front());
    return answers;
  }

  const std::filesystem::path folder_ = write_checkpoint();
  const SteadyClock clock_;
  const std::unique_ptr<Backend> backend_ = make_cpu_backend(2);
  const std::vector<GenerateRequest> requests_ = random_requests(20, 1);
  const std::vector<Answer> alone_ = run_alone(requests_);
};

std::string type_name(const testing::TestParamInfo<NumberType>& info) {
  return info.param == NumberType::kF32 ? "F32" : "Bf16";
}
INSTANTIATE_TEST_SUITE_P(Numbers, SameTokensTest,
                         testing::Values(NumberType::kF32, NumberType::kBf16), type_name);

TEST_P(SameTokensTest, RequestsDiffer) {
  for (size_t i = 1; i < alone_.size(); ++i) EXPECT_NE(alone_[i], alone_[0]);
}

TEST_P(SameTokensTest, InRandomBatches) {
  const auto engine = make_engine(roomy());
  for (uint64_t seed = 0; seed < 2; ++seed) EXPECT_EQ(run(*engine, requests_, seed), alone_);
}

TEST_P(SameTokensTest, InChunksOfAnySize) {
  for (const int chunk : {1, 7, 33}) {
    SCOPED_TRACE(chunk);
    SchedulerLimits limits = roomy();
    limits.chunked_prefill_size = chunk;
    limits.mixed_chunks = chunk != 7;
    EXPECT_EQ(run(*make_engine(limits), requests_, 3), alone_);
  }
}

TEST_P(SameTokensTest, WithTheirPrefixesCached) {
  SchedulerLimits limits = roomy();
  limits.prefix_cache = true;
  const auto engine = make_engine(limits);
  EXPECT_EQ(run(*engine, requests_, 4), alone_);
  EXPECT_EQ(run(*engine, requests_, 5), alone_);  // whole prompts, and what was generated
  EXPECT_GT(engine->stats().cached_tokens_total, 1000);
}

TEST_P(SameTokensTest, AfterGivingWay) {
  for (const bool prefix_cache : {false, true}) {
    SCOPED_TRACE(prefix_cache);
    SchedulerLimits limits = roomy();
    limits.page_size = 4;
    limits.num_pages = 50;  // one request takes up to 38
    limits.chunked_prefill_size = 16;
    limits.prefix_cache = prefix_cache;
    const auto engine = make_engine(limits);
    EXPECT_EQ(run(*engine, requests_, 6), alone_);
    EXPECT_GE(engine->stats().retractions_total, 3);
  }
}

// What was asked and answered, and asked on: prompts that hold generated tokens.
std::vector<GenerateRequest> second_turns(const std::vector<GenerateRequest>& requests,
                                          const std::vector<Answer>& answers) {
  std::vector<GenerateRequest> turns = requests;
  for (size_t i = 0; i < turns.size(); ++i) {
    const std::span<const TokenId> first = turns[i].prompt;
    std::vector<TokenId> prompt(first.begin(), first.end());
    for (const TokenBits& token : answers[i]) prompt.push_back(token.id);
    for (TokenId id = 5; id < 11; ++id) prompt.push_back(id);
    turns[i].prompt = std::move(prompt);
  }
  return turns;
}

// Where prompts have an arithmetic of their own, as on a GPU, rows of one form must not stand for
// rows of the other. The second turns go first, so that a first turn that gave way could find its
// generated tokens as rows of a prompt; then again, and find them as generated rows.
TEST_P(SameTokensTest, WherePromptsHaveAFormOfTheirOwn) {
  std::vector<GenerateRequest> requests = requests_;
  std::vector<Answer> alone = run_alone(requests, MlaForm::kExpanded);
  const std::vector<GenerateRequest> turns = second_turns(requests, alone);
  const std::vector<Answer> turns_alone = run_alone(turns, MlaForm::kExpanded);
  requests.insert(requests.begin(), turns.begin(), turns.end());
  alone.insert(alone.begin(), turns_alone.begin(), turns_alone.end());
  for (const bool prompt_rows_only : {true, false}) {
    SCOPED_TRACE(prompt_rows_only);
    SchedulerLimits limits = roomy();
    limits.page_size = 4;
    limits.num_pages = 70;
    limits.chunked_prefill_size = 16;
    limits.prefix_cache = true;
    limits.share_prompt_rows_only = prompt_rows_only;
    const auto engine = make_engine(limits, *backend_, MlaForm::kExpanded);
    bool all_equal = true;
    for (uint64_t seed = 8; seed < 10; ++seed)
      all_equal = run(*engine, requests, seed) == alone && all_equal;
    EXPECT_EQ(all_equal, prompt_rows_only);
    EXPECT_GE(engine->stats().retractions_total, 1);
    EXPECT_GT(engine->stats().cached_tokens_total, 500);
  }
}

// Steps of prompts that are larger than what the model computes at once, attention aside.
TEST_P(SameTokensTest, InBlocksOfRows) {
  const std::vector<Answer> alone = run_alone(requests_, MlaForm::kExpanded);
  for (const int block : {16, 23}) {
    SCOPED_TRACE(block);
    SchedulerLimits limits = roomy();
    limits.chunked_prefill_size = 200;
    limits.max_mixed_tokens = block;
    LateBackend late;
    EXPECT_EQ(run(*make_engine(limits, late, MlaForm::kExpanded), requests_, 11), alone);
  }
}

// As a GPU would run it: memory out of the host's reach, everything done as late as it may be.
TEST_P(SameTokensTest, OnALateBackend) {
  SchedulerLimits limits = roomy();
  limits.page_size = 4;
  limits.num_pages = 60;
  limits.chunked_prefill_size = 16;
  limits.prefix_cache = true;
  LateBackend late;
  const auto engine = make_engine(limits, late);
  EXPECT_EQ(run(*engine, requests_, 7), alone_);
  EXPECT_GE(engine->stats().retractions_total, 1);
}

}  // namespace
}  // namespace glint
