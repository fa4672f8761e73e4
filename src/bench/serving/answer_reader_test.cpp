#include "bench/serving/answer_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace glint {
namespace {

using testing::ElementsAre;

// Events come one second after the other, the first at 11; the request began at 10.
RequestRecord read(ServingApi api, const std::vector<std::string>& events, bool incremental = false,
                   int asked_len = 9, const std::string& error = "") {
  RequestRecord record{.start_s = 10};
  AnswerReader reader(api, incremental, asked_len, record);
  double time_s = 10;
  for (const std::string& event : events) reader.on_event(event, ++time_s);
  reader.finish(error, ++time_s);
  return record;
}

std::string native(const std::string& text, int tokens) {
  return R"({"text":")" + text +
         R"(","output_ids":[1],"meta_info":{"id":"a","completion_tokens":)" +
         std::to_string(tokens) + R"(,"prompt_tokens":70,"cached_tokens":64}})";
}

TEST(AnswerReaderTest, TokensOfOneEventShareTheGapBeforeIt) {
  const RequestRecord record =
      read(ServingApi::kGenerate, {native("a", 1), native("ab", 2), native("abcd", 6), "[DONE]"});
  EXPECT_EQ(record.ttft_s(), 1);
  EXPECT_EQ(record.latency_s(), 4);  // [DONE] included
  EXPECT_EQ(record.output_len, 6);
  EXPECT_EQ(record.tpot_s(), 0.6);
  EXPECT_THAT(inter_token_latencies_s(record), ElementsAre(1, .25, .25, .25, .25));
  EXPECT_EQ(record.text, "abcd");
  EXPECT_EQ(record.server_prompt_len, 70);
  EXPECT_EQ(record.cached_tokens, 64);
}

TEST(AnswerReaderTest, WithoutTextAnEventIsNoFirstToken) {
  const RequestRecord record =
      read(ServingApi::kGenerate, {native("", 1), native("x", 2), native("xy", 3), "[DONE]"});
  EXPECT_EQ(record.ttft_s(), 2);
  EXPECT_EQ(record.output_len, 3);
  EXPECT_THAT(inter_token_latencies_s(record), ElementsAre(1));
}

TEST(AnswerReaderTest, AnAnswerWithoutAnyTextIsCountedByItsTokens) {
  const RequestRecord record = read(ServingApi::kGenerate, {native("", 1), native("", 2)});
  EXPECT_EQ(record.ttft_s(), 1);
  EXPECT_EQ(record.output_len, 2);
}

TEST(AnswerReaderTest, IncrementsAreJoined) {
  const RequestRecord record =
      read(ServingApi::kGenerate, {native("caf\\u00e9", 1), native("", 2), native("\\n", 3)}, true);
  EXPECT_EQ(record.text, "café\n");
  EXPECT_EQ(record.output_len, 3);
  EXPECT_THAT(inter_token_latencies_s(record), ElementsAre(1, 1));
}

TEST(AnswerReaderTest, CompletionsCountEventsAndTakeTheAskedLength) {
  const auto chunk = [](const std::string& text) {
    return R"({"choices":[{"index":0,"text":")" + text + R"(","finish_reason":null}]})";
  };
  const RequestRecord record = read(
      ServingApi::kCompletions, {chunk("a"), chunk("b"), chunk(""), R"({"choices":[]})", "[DONE]"});
  EXPECT_EQ(record.output_len, 9);
  EXPECT_EQ(record.ttft_s(), 1);
  EXPECT_EQ(record.latency_s(), 5);
  EXPECT_THAT(inter_token_latencies_s(record), ElementsAre(1));
  EXPECT_EQ(record.text, "ab");
}

TEST(AnswerReaderTest, UsageSaysHowManyTokensThereWere) {
  const RequestRecord record = read(
      ServingApi::kCompletions,
      {R"({"choices":[{"text":"ab"}],"usage":{"completion_tokens":2}})",
       R"({"choices":[{"text":"cde"}],"usage":{"completion_tokens":4}})",
       R"({"choices":[],"usage":{"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":3}}})"});
  EXPECT_EQ(record.output_len, 5);
  EXPECT_EQ(record.cached_tokens, 3);
  EXPECT_THAT(inter_token_latencies_s(record), ElementsAre(.5, .5));
}

TEST(AnswerReaderTest, ChatsCountReasoningAndContent) {
  const auto delta = [](const std::string& members) {
    return R"({"choices":[{"delta":{)" + members + "}}]}";
  };
  const RequestRecord record =
      read(ServingApi::kChat, {delta(R"("role":"assistant","content":"")"),
                               delta(R"("reasoning_content":"why","reasoning":"why")"),
                               delta(R"("content":"so")"), "[DONE]"});
  EXPECT_EQ(record.ttft_s(), 2);
  EXPECT_THAT(inter_token_latencies_s(record), ElementsAre(1));
  EXPECT_EQ(record.text, "whyso");
}

TEST(AnswerReaderTest, AWholeAnswerHasAllItsTokensAtOnce) {
  const RequestRecord record =
      read(ServingApi::kChat, {R"({"choices":[{"message":{"content":"all"}}],)"
                               R"("usage":{"completion_tokens":4}})"});
  EXPECT_EQ(record.output_len, 4);
  EXPECT_EQ(record.ttft_s(), record.latency_s());
}

TEST(AnswerReaderTest, AFailedRequestHasNoTokens) {
  const RequestRecord broken =
      read(ServingApi::kGenerate, {native("a", 1)}, false, 9, "The connection broke.");
  EXPECT_FALSE(broken.ok());
  EXPECT_EQ(broken.output_len, 0);
  const RequestRecord told = read(
      ServingApi::kGenerate, {native("a", 1), R"({"error":{"message":"NaN \"x\""}})", "[DONE]"});
  EXPECT_EQ(told.error, "NaN \"x\"");
  EXPECT_EQ(told.output_len, 0);
}

}  // namespace
}  // namespace glint
