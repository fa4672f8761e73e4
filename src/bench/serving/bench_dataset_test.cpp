#include "bench/serving/bench_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "tests/support/test_folder.h"
#include "tests/support/tiny_checkpoint.h"

namespace glint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class BenchDatasetTest : public testing::Test {
 protected:
  BenchDataset make(const DatasetOptions& options, bool has_tokenizer = true) {
    auto made = try_make(options, has_tokenizer);
    EXPECT_TRUE(made) << made.error().message;
    return made ? *made : BenchDataset{};
  }
  Result<BenchDataset> try_make(const DatasetOptions& options, bool has_tokenizer = true) {
    const int vocab_size = has_tokenizer ? plain_vocab_size(tokenizer_) : 1000;
    NumpyRandom random(options.seed);
    return make_dataset(options, {has_tokenizer ? &tokenizer_ : nullptr, vocab_size}, random);
  }
  std::string file(std::string_view text) {
    const std::string path = folder_.path() / "data";
    std::ofstream(path) << text;
    return path;
  }

  const Tokenizer tokenizer_ = *Tokenizer::parse(tiny_tokenizer_json(), "tiny");
  const TestFolder folder_;
};

std::vector<int> lengths(const BenchDataset& dataset, int BenchRequest::*length) {
  std::vector<int> all;
  for (const BenchRequest& request : dataset.requests) all.push_back(request.*length);
  return all;
}

// The first ten of the benchmark page's chat cell.
TEST_F(BenchDatasetTest, RandomHasThePagesLengths) {
  const BenchDataset made =
      make({.num_prompts = 10, .random_input_len = 1000, .random_output_len = 1000},
           /*has_tokenizer=*/false);
  EXPECT_THAT(lengths(made, &BenchRequest::prompt_len),
              ElementsAre(38, 236, 909, 73, 768, 906, 716, 646, 848, 961));
  EXPECT_THAT(lengths(made, &BenchRequest::output_len),
              ElementsAre(145, 130, 973, 584, 750, 509, 391, 282, 179, 277));
  EXPECT_THAT(made.notes, ElementsAre(HasSubstr("random ids"), HasSubstr("no tokenizer")));
}

// Offsets are drawn after the lengths; the i-th prompt counts on from offset + i.
TEST_F(BenchDatasetTest, RandomIdsCountOnFromTheirOffset) {
  const BenchDataset made =
      make({.name = "random-ids", .num_prompts = 3, .random_input_len = 20, .random_output_len = 5},
           /*has_tokenizer=*/false);
  NumpyRandom random(1);
  random.randint(1, 21, 3);
  random.randint(1, 6, 3);
  const auto offsets = random.randint(0, 1000, 3);
  for (size_t i = 0; i < 3; ++i) {
    const BenchRequest& request = made.requests[i];
    EXPECT_EQ(request.text, "");
    ASSERT_EQ(request.ids.size(), static_cast<size_t>(request.prompt_len));
    for (size_t j = 0; j < request.ids.size(); ++j)
      EXPECT_EQ(request.ids[j], (offsets[i] + static_cast<int64_t>(i + j)) % 1000);
  }
}

TEST_F(BenchDatasetTest, WithATokenizerPromptsAreText) {
  const DatasetOptions options{.name = "random-ids", .num_prompts = 4, .random_input_len = 9};
  const BenchDataset text = make(options);
  DatasetOptions as_ids = options;
  as_ids.send_ids = true;
  const BenchDataset ids = make(as_ids);
  EXPECT_THAT(text.notes, IsEmpty());
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_THAT(text.requests[i].ids, IsEmpty());
    EXPECT_EQ(text.requests[i].text, tokenizer_.decode(ids.requests[i].ids, false));
    for (const TokenId id : ids.requests[i].ids) EXPECT_FALSE(tokenizer_.is_special(id));
  }
}

TEST_F(BenchDatasetTest, SharedPrefixesAreSharedByGroups) {
  const DatasetOptions options{.name = "generated-shared-prefix",
                               .send_ids = true,
                               .gsp_num_groups = 3,
                               .gsp_prompts_per_group = 4,
                               .gsp_system_prompt_len = 30,
                               .gsp_question_len = 5,
                               .gsp_output_len = 7};
  const BenchDataset made = make(options);
  ASSERT_EQ(made.requests.size(), 12u);
  std::multiset<std::vector<TokenId>> systems;
  std::set<std::vector<TokenId>> prompts;
  for (const BenchRequest& request : made.requests) {
    EXPECT_EQ(request.prompt_len, 35);
    EXPECT_EQ(request.output_len, 7);
    systems.emplace(request.ids.begin(), request.ids.begin() + 30);
    prompts.insert(request.ids);
  }
  EXPECT_EQ(prompts.size(), 12u);
  for (const auto& system : systems) EXPECT_EQ(systems.count(system), 4u);
}

TEST_F(BenchDatasetTest, ConversationsHaveTheirGroupsPrefixAndAsManyQuestions) {
  const DatasetOptions options{.name = "generated-shared-prefix",
                               .gsp_num_groups = 2,
                               .gsp_prompts_per_group = 3,
                               .gsp_system_prompt_len = 30,
                               .gsp_question_len = 5,
                               .gsp_output_len = 7,
                               .gsp_num_turns = 4,
                               .gsp_send_routing_key = true};
  const BenchDataset made = make(options);
  ASSERT_EQ(made.requests.size(), 6u);
  std::multiset<std::string> keys, systems;
  for (const BenchRequest& request : made.requests) {
    ASSERT_EQ(request.follow_ups.size(), 3u);
    for (const auto& question : request.follow_ups) EXPECT_EQ(question.len, 5);
    keys.insert(request.routing_key);
    systems.insert(request.text.substr(0, request.text.find("\n\n")));
  }
  for (const auto& key : keys) EXPECT_EQ(keys.count(key), 3u) << key;
  for (const auto& system : systems) EXPECT_EQ(systems.count(system), 3u);
}

constexpr const char* kTurns = R"({"conversations":[{"from":"human","value":"the sea was calm"},)"
                               R"({"from":"gpt","value":"and a boat went out"}]})";

TEST_F(BenchDatasetTest, ShareGptIsConversationsAsTheyAre) {
  const std::string path = file(cat("[", kTurns, R"(,{"conversations":[{"value":"alone"}]}])"));
  const BenchDataset made = make({.name = "sharegpt", .path = path});
  ASSERT_EQ(made.requests.size(), 1u);
  EXPECT_EQ(made.requests[0].text, "the sea was calm");
  EXPECT_EQ(made.requests[0].prompt_len,
            static_cast<int>(tokenizer_.encode("the sea was calm").size()));
  EXPECT_EQ(made.requests[0].output_len,
            static_cast<int>(tokenizer_.encode("and a boat went out").size()));
}

TEST_F(BenchDatasetTest, CustomIsTheSameLineByLine) {
  const std::string path = file(cat(
      kTurns, "\n\n", R"({"conversation":[{"content":"a light"},{"content":"in the north"}]})"));
  const BenchDataset made =
      make({.name = "custom", .path = path, .apply_chat_template = true, .sharegpt_output_len = 6});
  ASSERT_EQ(made.requests.size(), 2u);
  for (const BenchRequest& request : made.requests) {
    EXPECT_THAT(request.text, HasSubstr("<|user|>"));
    EXPECT_EQ(request.output_len, 6);
  }
}

TEST_F(BenchDatasetTest, RandomTextIsCutOrRepeated) {
  const std::string path = file(cat("[", kTurns, ",", kTurns, "]"));
  const BenchDataset made = make({.path = path, .num_prompts = 2, .random_input_len = 40});
  const std::vector<TokenId> ids = tokenizer_.encode("the sea was calm");
  for (const BenchRequest& request : made.requests) {
    std::vector<TokenId> wanted;
    for (int i = 0; i < request.prompt_len; ++i)
      wanted.push_back(ids[static_cast<size_t>(i) % ids.size()]);
    EXPECT_EQ(request.text, tokenizer_.decode(wanted, false));
  }
}

TEST_F(BenchDatasetTest, WhatIsMissingIsNamed) {
  EXPECT_THAT(try_make({.name = "sharegpt"}).error().message, HasSubstr("--dataset-path"));
  EXPECT_THAT(try_make({.name = "custom", .path = "x"}, false).error().message,
              HasSubstr("--tokenizer"));
  EXPECT_THAT(try_make({.name = "custom", .path = "/none"}).error().message, HasSubstr("/none"));
  EXPECT_THAT(try_make({.name = "custom", .path = file("{}\n{oops")}).error().message,
              HasSubstr("line 2"));
  EXPECT_THAT(try_make({.name = "sharegpt", .path = file("{}")}).error().message,
              HasSubstr("custom"));
  EXPECT_THAT(try_make({.path = file(cat("[", kTurns, "]")), .num_prompts = 5}).error().message,
              HasSubstr("--num-prompts"));
}

}  // namespace
}  // namespace glint
