#include "configure/proposal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace glint {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr Machine cuda_machine() { return {.gpu_name = "", .has_cuda = true}; }

Proposal proposal(const Answers& answers, const Machine& machine = cuda_machine()) {
  const auto setup = read_answers(configure_questions(machine), answers);
  EXPECT_TRUE(setup) << setup.error().message;
  return propose(*setup, machine);
}

TEST(Proposal, OfThePresetsIsACommandWithNothingMissing) {
  const Proposal all = proposal({});
  EXPECT_EQ(all.command,
            "glint serve zai-org/GLM-4.7-Flash --context-length 16384 --reasoning-parser glm45 "
            "--tool-call-parser glm47");
  EXPECT_THAT(all.problems, IsEmpty());
  EXPECT_THAT(all.not_yet, IsEmpty());
  EXPECT_THAT(all.notes, IsEmpty());
  EXPECT_EQ(all.fitting_requests, 16);
  ASSERT_TRUE(all.memory && all.speed);
  EXPECT_THAT(proposal_text(all), StartsWith(all.command + "\n"));
}

TEST(Proposal, AnswersBecomeFlags) {
  EXPECT_EQ(
      proposal({{"listen", "network"},
                {"port", "8000"},
                {"context", "202752"},
                {"reasoning", "off"},
                {"tools", "off"},
                {"concurrency", "1"},
                {"model", "my models/it's"}})
          .command,
      "glint serve 'my models/it'\\''s' --host 0.0.0.0 --api-key \"$GLINT_API_KEY\" --port 8000 "
      "--reasoning-parser none --tool-call-parser none");
  EXPECT_THAT(proposal({{"concurrency", "300"}, {"context", "512"}}).command,
              HasSubstr(" --context-length 512 --max-running-requests 300 "));
  EXPECT_THAT(proposal({{"tp", "2"}, {"dp", "4"}, {"mtp", "on"}, {"quantization", "fp8"}}).command,
              HasSubstr(" --quantization fp8 --tp 2 --dp 4 --speculative-algorithm EAGLE "));
}

TEST(Proposal, OnTheNetworkThereIsAKey) {
  EXPECT_THAT(proposal({{"listen", "network"}}).notes, ElementsAre(HasSubstr("GLINT_API_KEY")));
  EXPECT_THAT(proposal({}).command, Not(HasSubstr("--api-key")));
}

TEST(Proposal, WhatThisBuildCannotDoIsMarkedAndStillPlanned) {
  const Proposal all = proposal({{"mtp", "on"}}, {});
  EXPECT_THAT(all.not_yet, ElementsAre(HasSubstr("MTP"), HasSubstr("without CUDA")));
  EXPECT_FALSE(all.command.empty());
  EXPECT_GT(all.memory->weights_bytes, proposal({}).memory->weights_bytes);
  EXPECT_THAT(proposal_text(all), HasSubstr("not possible in this build yet\n  - MTP"));
}

TEST(Proposal, RequestsThatMustWaitAreCounted) {
  const Proposal all = proposal({{"concurrency", "64"}, {"context", "32768"}});
  const int64_t room = all.memory->kv_tokens();
  EXPECT_EQ(all.fitting_requests, room / 32'768);
  EXPECT_EQ(all.wanted_tokens, int64_t{64} * 32'768);
  EXPECT_EQ(all.speed->rows, all.fitting_requests);
  EXPECT_THAT(
      all.notes,
      Contains(HasSubstr(cat("need 2097152 tokens of cache, ", 2'097'152 - room, " more"))));
}

TEST(Proposal, OneRequestIsSingular) {
  EXPECT_THAT(proposal_text(proposal({{"concurrency", "1"}})),
              HasSubstr("  1 request at its full length fits at once\n"));
  EXPECT_THAT(proposal({{"concurrency", "2"}, {"context", "202752"}}).notes,
              Contains(HasSubstr(": 1 at its full length runs at once, the other waits.")));
}

TEST(Proposal, TheImpossibleIsRefusedWithTheSum) {
  const auto problem = [](const Answers& answers) {
    const Proposal all = proposal(answers);
    EXPECT_TRUE(all.command.empty());
    EXPECT_FALSE(all.speed);
    EXPECT_THAT(proposal_text(all), StartsWith("impossible: "));
    return all.problems.empty() ? "" : all.problems[0];
  };
  EXPECT_THAT(problem({{"tp", "8"}}), HasSubstr("20 / 8 attention heads"));
  EXPECT_THAT(problem({{"tp", "4"}, {"dp", "4"}}), HasSubstr("4 x 4 = 16 GPUs"));
  EXPECT_THAT(problem({{"context", "202753"}}),
              HasSubstr("1 more than the model's context of 202752"));
}

// The largest context of the model does not fit on the smallest card beside a huge batch's state.
TEST(Proposal, TooLittleMemoryIsRefusedWithThePlan) {
  const Proposal all = proposal({{"concurrency", "10000"}, {"context", "202752"}});
  ASSERT_EQ(all.problems.size(), 1U);
  EXPECT_THAT(all.problems[0], HasSubstr("Not enough memory for one request of 202752 tokens."));
  EXPECT_THAT(all.problems[0], HasSubstr("weights, bf16"));
  EXPECT_THAT(all.problems[0], HasSubstr("10000 requests at once"));
  EXPECT_TRUE(all.command.empty());
}

TEST(Proposal, Fp8WeightsTakeHalfButForEmbeddingAndHead) {
  const MemoryPlan bf16 = *proposal({}).memory, fp8 = *proposal({{"quantization", "fp8"}}).memory;
  const int64_t kept = int64_t{2} * 154'880 * 2048;  // a byte each that is not saved
  EXPECT_NEAR(static_cast<double>(fp8.weights_bytes - kept),
              static_cast<double>(bf16.weights_bytes) / 2, 1e7);
  EXPECT_EQ(fp8.kv_bytes - bf16.kv_bytes, bf16.weights_bytes - fp8.weights_bytes);
  EXPECT_EQ(fp8.kv_bytes_per_token, bf16.kv_bytes_per_token);
  EXPECT_THAT(memory_table(fp8), HasSubstr("per token (bf16)"));  // the cache stays as it is
}

// Two GPUs: 15,039,524,480 numbers each, of which 46 x 64 in FP32 (memory_plan_test.cpp has their
// sum); in FP8 a byte of each is saved but for half of two tables, as it is on one GPU.
TEST(Proposal, OfGpusThatShareAModelIsThePlanOfEach) {
  const Proposal one = proposal({}), two = proposal({{"tp", "2"}});
  ASSERT_TRUE(one.memory && two.memory);
  EXPECT_EQ(two.memory->num_gpus, 2);
  EXPECT_EQ(two.memory->weights_bytes, 2 * int64_t{15'039'524'480} + 46 * 64 * 2);
  EXPECT_EQ(two.memory->kv_bytes_per_token, one.memory->kv_bytes_per_token);
  EXPECT_EQ(two.memory->kv_tokens(), two.memory->kv_bytes / (54'144 * 64) * 64);
  EXPECT_GT(two.memory->kv_tokens(), one.memory->kv_tokens());
  EXPECT_EQ(two.fitting_requests, 16);
  EXPECT_EQ(two.command,
            "glint serve zai-org/GLM-4.7-Flash --tp 2 --context-length 16384 --reasoning-parser "
            "glm45 --tool-call-parser glm47");
  EXPECT_THAT(two.not_yet, ElementsAre("several GPUs are not available yet"));
  EXPECT_THAT(two.notes, ElementsAre(HasSubstr("not GPUs that share a model."),
                                     HasSubstr("Each of the 2 GPUs holds its part of heads")));
  EXPECT_THAT(proposal_text(two), HasSubstr("\nmemory of each of the 2 GPUs of a copy\n  NVIDIA "));
  EXPECT_THAT(proposal_text(one), HasSubstr("\nmemory\n  NVIDIA "));
  EXPECT_EQ(proposal_json(two)["memory"]["num_gpus"], 2);
  const MemoryPlan fp8 = *proposal({{"tp", "2"}, {"quantization", "fp8"}}).memory;
  EXPECT_EQ(two.memory->weights_bytes - fp8.weights_bytes,
            15'039'524'480 - 46 * 64 - 154'880 * 2048);
}

TEST(Proposal, OfCopiesOnSeveralGpusIsTheMemoryOfOneCopysGpus) {
  const Proposal all = proposal({{"tp", "2"}, {"dp", "2"}, {"concurrency", "5"}});
  EXPECT_EQ(all.fitting_requests, 3);
  EXPECT_EQ(all.memory->kv_tokens(), proposal({{"tp", "2"}}).memory->kv_tokens());
  EXPECT_THAT(all.notes,
              Contains("Memory is that of one of the 2 copies, with 3 of the requests."));
}

// Each of four gathers all logits of all requests: 100,000 x 1.4 MB.
TEST(Proposal, TooLittleMemoryOnEachGpuIsRefusedWithThePlan) {
  const Proposal all = proposal({{"tp", "4"}, {"concurrency", "100000"}});
  ASSERT_EQ(all.problems.size(), 1U);
  EXPECT_THAT(all.problems[0], HasSubstr("Not enough memory for one request of 16384 tokens on "
                                         "each of 4 GPUs that share the model.\n"));
  EXPECT_THAT(all.problems[0], HasSubstr("weights, bf16, each GPU's part   -14.1\n"));
  EXPECT_TRUE(all.command.empty());
}

TEST(Proposal, OfFp8OrMtpHasNoSpeed) {
  const auto reason = [](const Answers& answers) {
    const Proposal all = proposal(answers);
    EXPECT_TRUE(all.memory && !all.speed);
    EXPECT_EQ(all.notes.size(), 1U);
    return all.notes.empty() ? "" : all.notes[0];
  };
  EXPECT_THAT(reason({{"quantization", "fp8"}}), HasSubstr("not FP8 weights."));
  EXPECT_THAT(reason({{"mtp", "on"}}), HasSubstr("not MTP."));
  EXPECT_THAT(reason({{"quantization", "fp8"}, {"mtp", "on"}}), HasSubstr("FP8 weights or MTP."));
}

TEST(Proposal, OfSeveralCopiesIsAboutOneOfThem) {
  const Proposal all = proposal({{"dp", "2"}, {"concurrency", "5"}});
  EXPECT_EQ(all.fitting_requests, 3);
  EXPECT_THAT(all.notes, Contains(HasSubstr("one of the 2 copies, with 3 of the requests")));
}

TEST(Proposal, OfGpusWithoutRatesHasNoSpeed) {
  const Proposal b200 = proposal({{"hardware", "b200"}});
  EXPECT_FALSE(b200.speed);
  EXPECT_THAT(b200.notes, Contains(HasSubstr("rates of NVIDIA B200 are not known")));
  EXPECT_THAT(b200.not_yet, ElementsAre(HasSubstr("Hopper")));
  EXPECT_THAT(proposal({{"hardware", "h200"}}).notes, Not(Contains(HasSubstr("untried"))));
  EXPECT_THAT(proposal({{"hardware", "gh200"}}).notes,
              Contains(HasSubstr("H100 and H200 only; GH200 is untried")));
}

TEST(Proposal, AsJsonHasTheSameNumbers) {
  const Proposal all = proposal({});
  const Json json = proposal_json(all);
  EXPECT_EQ(json["possible"], true);
  EXPECT_EQ(json["command"], all.command);
  EXPECT_EQ(json["memory"]["kv_tokens"], all.memory->kv_tokens());
  EXPECT_EQ(json["speed"]["step_ms"], all.speed->step_ms);
  const Json refused = proposal_json(proposal({{"tp", "8"}}));
  EXPECT_EQ(refused["possible"], false);
  EXPECT_TRUE(refused["command"].is_null() && refused["memory"].is_null());
}

TEST(QuestionsJson, HasEveryQuestionWithItsKind) {
  const auto questions = configure_questions({});
  const Json json = questions_json(questions);
  ASSERT_EQ(json.size(), questions.size());
  EXPECT_EQ(json[0]["id"], "hardware");
  EXPECT_EQ(json[0]["kind"], "choice");
  EXPECT_TRUE(json[0]["values"][0]["not_yet"].is_null());
  for (const Json& one : json) {
    if (one["id"] == "context") {
      EXPECT_EQ(one["kind"], "number");
      EXPECT_EQ(one["least"], 1);
    }
  }
  EXPECT_EQ(json.back()["kind"], "text");
}

TEST(ShellWord, QuotesWhatAShellWouldRead) {
  EXPECT_EQ(shell_word("zai-org/GLM-4.7-Flash"), "zai-org/GLM-4.7-Flash");
  EXPECT_EQ(shell_word("a b"), "'a b'");
  EXPECT_EQ(shell_word("$(rm)"), "'$(rm)'");
  EXPECT_EQ(shell_word(""), "''");
}

}  // namespace
}  // namespace glint
