#include "tokenizer/encoder.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/support/tiny_checkpoint.h"

namespace glint {
namespace {

const TokenizerData& tiny_data() {
  static const auto data = *parse_tokenizer_json(tiny_tokenizer_json(), "tiny.json");
  return *data;
}

std::vector<TokenId> all_ids(std::string_view text) {
  Encoder encoder(tiny_data(), SIZE_MAX);
  encoder.encode(text);
  return std::move(encoder).take();
}

std::string repeated(std::string_view unit, size_t num_bytes) {
  std::string text;
  while (text.size() < num_bytes) text += unit;
  return text;
}

std::string random_text(std::mt19937& rng) {
  static const std::vector<std::string> kUnits = {"the ", "a", "  ", "\n", "<|user|>", "<think>",
                                                  "7",    "é", "好", "!",  "\xFF",     "thing "};
  std::string text;
  for (size_t size = rng() % 60; text.size() < size;) text += kUnits[rng() % kUnits.size()];
  return text;
}

// At exactly the number of ids a text is taken, at one less it is not: nothing valid is refused.
TEST(EncoderTest, EndsEarlyExactlyIfTheIdsAreMoreThanAllowed) {
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(cat("seed ", seed));
    std::mt19937 rng(seed);
    const std::string text = random_text(rng);
    const std::vector<TokenId> ids = all_ids(text);
    EXPECT_LE(tiny_data().reach.min_tokens(text), ids.size());
    Encoder at_limit(tiny_data(), ids.size());
    at_limit.encode(text);
    ASSERT_FALSE(at_limit.over());
    EXPECT_EQ(std::move(at_limit).take(), ids);
    if (ids.empty()) continue;
    Encoder over_limit(tiny_data(), ids.size() - 1);
    over_limit.encode(text);
    EXPECT_TRUE(over_limit.over());
  }
}

TEST(EncoderTest, ControlTokensCountToo) {
  const ByteRange role{0, 8};
  for (const size_t limit : {size_t{2}, size_t{1}, size_t{0}}) {
    Encoder encoder(tiny_data(), limit);
    encoder.encode("<|user|>a", std::span(&role, 1));
    EXPECT_EQ(encoder.over(), limit < 2);
  }
}

// The work follows what is allowed, not what was sent. 100 tokens of the longest kind are under
// 2,000 bytes.
TEST(EncoderTest, WorkIsBoundedByTheTokensAllowed) {
  for (const char* unit : {"a", " ", "word ", "the ", "!", "\n", "<|user|>", "\u0301", "7"}) {
    SCOPED_TRACE(unit);
    Encoder encoder(tiny_data(), 100);
    encoder.encode(repeated(unit, 1 << 20));
    EXPECT_TRUE(encoder.over());
    EXPECT_LE(encoder.num_steps(), 6000u);
  }
}

TEST(EncoderTest, EncodingEndsAtTheTokenThatIsTooMany) {
  const std::string text = repeated("word ", 1 << 20);
  const size_t at_least = tiny_data().reach.min_tokens(text);
  Encoder all(tiny_data(), SIZE_MAX), some(tiny_data(), at_least);
  all.encode(text);
  some.encode(text);
  EXPECT_TRUE(some.over());
  const size_t num_ids = all_ids(text).size();
  EXPECT_LE(some.num_steps(), all.num_steps() * (at_least + 10) / num_ids);
}

// A word that cannot fit is not merged, though its text as a whole might.
TEST(EncoderTest, AWordThatCannotFitIsNotMerged) {
  const std::string text = repeated("<|endoftext|>", 13 * 1000) + repeated("\xE5\xA5\xBD", 20'000);
  const size_t at_least = tiny_data().reach.min_tokens(text);
  Encoder encoder(tiny_data(), at_least);
  encoder.encode(text);
  EXPECT_TRUE(encoder.over());
  EXPECT_LE(encoder.num_steps(), 3 * text.size());
}

TEST(TokenReachTest, NoTokenReachesFurtherThanTheLongestOfItsFirstByte) {
  TokenReach reach;
  for (const char* token : {"a", "b", "c", "aaaa", "bcc"}) reach.add(token);
  EXPECT_EQ(reach.min_tokens(""), 0u);
  EXPECT_EQ(reach.min_tokens("aaaa"), 1u);
  EXPECT_EQ(reach.min_tokens("aaaaa"), 2u);
  EXPECT_EQ(reach.min_tokens("ccc"), 3u);
  EXPECT_EQ(reach.min_tokens("cbcca"), 3u);
  EXPECT_EQ(reach.min_tokens("cbccc"), 3u);
}

}  // namespace
}  // namespace glint
