#include "tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "base/json.h"
#include "base/utf8.h"
#include "tests/support/tiny_checkpoint.h"
#include "tokenizer/detokenizer.h"

namespace glint {
namespace {

using Ids = std::vector<TokenId>;
using testing::HasSubstr;

const Tokenizer& tiny() {
  static const Tokenizer tokenizer = *Tokenizer::parse(tiny_tokenizer_json(), "tiny.json");
  return tokenizer;
}

TokenId added(std::string_view token) { return *tiny().find(token); }

struct Recorded {
  const char* text;
  Ids ids;
};

// Recorded from tokenizers 0.23.3 with the same tokenizer.json.
const Recorded kRecorded[] = {
    {"", {}},
    {"the", {83, 258}},
    {"the theme and the other thing",
     {83, 258, 262, 76, 68, 272, 262, 268, 83, 258, 81, 256, 71, 271}},
    {" 12345", {220, 16, 17, 18, 19, 20}},
    {"It's WE'LL '\u017F", {40, 83, 6, 82, 220, 54, 36, 6, 43, 43, 220, 6, 129, 123}},
    {"a \u4F60\u597D\U0001F600", {64, 220, 160, 121, 254, 161, 98, 121, 172, 253, 246, 222}},
    {"x  \n\n  y\t \r\n", {87, 220, 220, 198, 198, 220, 220, 88, 197, 220, 201, 198}},
    {"e\u0301\u0301!", {68, 136, 223, 136, 223, 0}},
    {"<|user|>Hi<think>\n</think>/nothink", {283, 39, 72, 297, 198, 298, 307}},
    {"[gMASK]<sop>[sMASK", {278, 280, 58, 82, 44, 32, 50, 42}},
    {"<|user|", {27, 91, 84, 82, 263, 91}},
    {"\u3000\u00A0z", {159, 222, 222, 126, 254, 89}},
    {" \037\u200B", {220, 219, 158, 222, 233}},
};

TEST(TokenizerTest, GivesTheRecordedIdsAndTheTextBack) {
  for (const auto& [text, ids] : kRecorded) {
    SCOPED_TRACE(text);
    EXPECT_EQ(tiny().encode(text), ids);
    EXPECT_EQ(tiny().decode(ids, false), text);
  }
}

TEST(TokenizerTest, EveryByteSurvivesARoundTrip) {
  std::mt19937 rng(1);
  for (int round = 0; round < 500; ++round) {
    std::string text, bytes;
    for (size_t size = rng() % 100; text.size() < size;) text += static_cast<char>(rng());
    for (const TokenId id : tiny().encode(text)) bytes += tiny().token_bytes(id);
    ASSERT_EQ(bytes, text);
  }
}

TEST(TokenizerTest, AddedTokensMatchTheLongestAtTheLeftmostPlace) {
  EXPECT_EQ(tiny().encode("<<think></think>"),
            (Ids{tiny().encode("<")[0], added("<think>"), added("</think>")}));
  EXPECT_EQ(tiny().encode("[gMASK]<sop>"), (Ids{added("[gMASK]"), added("<sop>")}));
}

// A user who types a control token must not get it.
TEST(TokenizerTest, OutsideControlRangesAnAddedTokenIsOrdinaryText) {
  const std::string text = "<|user|>say <|user|></think>";
  const ByteRange role{0, 8};
  const Ids ids = tiny().encode(text, std::span(&role, 1));
  EXPECT_EQ(ids[0], added("<|user|>"));
  for (size_t i = 1; i < ids.size(); ++i) EXPECT_LT(ids[i], added("<|endoftext|>"));
  EXPECT_EQ(tiny().decode(ids, false), text);
  for (const TokenId id : tiny().encode(text, {})) EXPECT_LT(id, added("<|endoftext|>"));
}

TEST(TokenizerTest, AControlRangeThatIsNoAddedTokenStaysText) {
  const ByteRange range{2, 4};
  EXPECT_EQ(tiny().encode("the theme", std::span(&range, 1)), tiny().encode("the theme", {}));
}

TEST(TokenizerTest, SkippingLeavesOutSpecialTokensAndKeepsTheTags) {
  const Ids ids = tiny().encode("[gMASK]<|user|>a<think>b<|endoftext|>");
  EXPECT_EQ(tiny().decode(ids, true), "a<think>b");
  EXPECT_EQ(tiny().decode(ids, false), "[gMASK]<|user|>a<think>b<|endoftext|>");
  EXPECT_TRUE(tiny().is_special(added("<|user|>")));
  EXPECT_FALSE(tiny().is_special(added("<think>")));
}

TEST(TokenizerTest, IdsWithoutATokenAreEmpty) {
  const TokenId end = tiny().num_tokens();
  EXPECT_EQ(end, tiny_num_tokens());
  for (const TokenId id : {-1, end, end + 1000}) {
    EXPECT_EQ(tiny().token_bytes(id), "");
    EXPECT_FALSE(tiny().is_special(id));
    EXPECT_EQ(tiny().decode(std::span(&id, 1), false), "");
  }
  EXPECT_EQ(tiny().find("<|nobody|>"), std::nullopt);
  EXPECT_EQ(tiny().find("the"), std::nullopt);
}

TEST(DetokenizerTest, APieceNeverCutsACharacter) {
  const Ids ids = tiny().encode("a\u4f60\U0001F600");
  Detokenizer detokenizer(tiny(), false);
  std::vector<std::string> pieces;
  for (const TokenId id : ids) pieces.push_back(detokenizer.append(id));
  EXPECT_EQ(pieces, (std::vector<std::string>{"a", "", "", "\u4f60", "", "", "", "\U0001F600"}));
  EXPECT_EQ(detokenizer.finish(), "");
}

TEST(DetokenizerTest, ACutCharacterAtTheEndBecomesOneReplacement) {
  Detokenizer detokenizer(tiny(), false);
  const Ids ids = tiny().encode("\U0001F600");
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(detokenizer.append(ids[i]), "");
  EXPECT_EQ(detokenizer.finish(), "\uFFFD");
  EXPECT_EQ(detokenizer.finish(), "");
}

TEST(DetokenizerTest, PiecesOfRandomIdsMakeTheDecodedWhole) {
  for (uint32_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(cat("seed ", seed));
    std::mt19937 rng(seed);
    const bool skip = rng() % 2 == 0;
    Detokenizer detokenizer(tiny(), skip);
    Ids ids;
    std::string text;
    for (int i = 0; i < 30; ++i) {
      ids.push_back(static_cast<TokenId>(rng() % static_cast<uint32_t>(tiny().num_tokens() + 2)));
      const std::string piece = detokenizer.append(ids.back());
      ASSERT_TRUE(is_valid_utf8(piece));
      text += piece;
    }
    ASSERT_EQ(text + detokenizer.finish(), tiny().decode(ids, skip));
  }
}

Json tiny_json() { return *parse_json(tiny_tokenizer_json()); }

std::string refusal(const Json& json) {
  const auto tokenizer = Tokenizer::parse(json.dump(), "t.json");
  return tokenizer ? "accepted" : tokenizer.error().message;
}

// The value at `path`, a JSON pointer, replaced.
std::string refusal_with(const char* path, const Json& value) {
  Json json = tiny_json();
  json[Json::json_pointer(path)] = value;
  return refusal(json);
}

TEST(TokenizerJsonTest, MergesMayBeStrings) {
  Json json = tiny_json();
  for (Json& merge : json["model"]["merges"])
    merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  const auto tokenizer = Tokenizer::parse(json.dump(), "t.json");
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->encode("the and other things"), tiny().encode("the and other things"));
}

TEST(TokenizerJsonTest, WhatWouldMakeOtherIdsIsRefused) {
  EXPECT_EQ(refusal_with("/model/type", "Unigram"),
            "t.json: model.type is \"Unigram\"; expected \"BPE\".");
  EXPECT_EQ(refusal_with("/model/ignore_merges", false),
            "t.json: model.ignore_merges is false; expected true.");
  EXPECT_EQ(refusal_with("/model/dropout", 0.1), "t.json: model.dropout is 0.1; expected null.");
  EXPECT_EQ(refusal_with("/model/byte_fallback", true),
            "t.json: model.byte_fallback is true; expected false.");
  EXPECT_EQ(refusal_with("/normalizer", {{"type", "NFC"}}),
            "t.json: normalizer is {\"type\":\"NFC\"}; expected null.");
  EXPECT_EQ(refusal_with("/decoder/type", "Metaspace"),
            "t.json: decoder.type is \"Metaspace\"; expected \"ByteLevel\".");
  EXPECT_EQ(refusal_with("/pre_tokenizer", nullptr),
            "t.json: pre_tokenizer.type is null; expected \"Sequence\".");
  EXPECT_THAT(refusal_with("/pre_tokenizer/pretokenizers/0/pattern/Regex", "\\s+"),
              HasSubstr("pretokenizers[0].pattern.Regex is \"\\\\s+\"; expected \"(?i:'s|'t"));
  EXPECT_THAT(refusal_with("/pre_tokenizer/pretokenizers/0/behavior", "Removed"),
              HasSubstr("behavior is \"Removed\"; expected \"Isolated\"."));
  EXPECT_THAT(refusal_with("/pre_tokenizer/pretokenizers/1/use_regex", true),
              HasSubstr("pretokenizers[1].use_regex is true; expected false."));
}

TEST(TokenizerJsonTest, BadVocabulariesAreRefused) {
  EXPECT_EQ(refusal_with("/model/vocab/he", 7),
            "t.json: model.vocab[\"he\"] is 7; expected an id "
            "that no other entry has.");
  EXPECT_EQ(refusal_with("/model/vocab/he", 276),
            "t.json: model.vocab[\"he\"] is 276; expected an id below the number of entries, 276.");
  EXPECT_THAT(refusal_with("/model/vocab/he", -1), HasSubstr("[\"he\"] is -1; expected an id"));
  EXPECT_THAT(refusal_with("/model/vocab", 3), HasSubstr("model.vocab is 3; expected an object"));
  Json json = tiny_json();
  json["model"]["vocab"].erase("ll");
  json["model"]["merges"].erase(json["model"]["merges"].size() - 1);
  json["model"]["vocab"]["\u4f60"] = 275;
  EXPECT_EQ(refusal(json),
            "t.json: model.vocab[\"\u4f60\"] is not written in the byte alphabet; "
            "expected GPT-2's 256 characters.");
  json["model"]["vocab"].erase("\u4f60");
  json["model"]["vocab"].erase("!");
  json["model"]["vocab"]["!!"] = 0;
  EXPECT_EQ(refusal(json),
            "t.json: model.vocab is without byte 33; expected a token for every byte.");
}

TEST(TokenizerJsonTest, BadMergesAreRefused) {
  EXPECT_EQ(refusal_with("/model/merges/2", {"q", "q"}),
            "t.json: model.merges[2] is [\"q\",\"q\"]; expected both parts and their sum in "
            "model.vocab.");
  for (const Json& bad : {Json("a"), Json("a b c"), Json::array({"a"}), Json(1)})
    EXPECT_THAT(refusal_with("/model/merges/0", bad), HasSubstr("model.merges[0] is "));
  EXPECT_EQ(refusal_with("/model/merges", nullptr),
            "t.json: model.merges is null; expected an array of pairs.");
}

TEST(TokenizerJsonTest, BadAddedTokensAreRefused) {
  EXPECT_EQ(refusal_with("/added_tokens/1/id", 400),
            "t.json: added_tokens[1].id is 400; expected 277.");
  EXPECT_EQ(refusal_with("/added_tokens/1/lstrip", true),
            "t.json: added_tokens[1].lstrip is true; expected false.");
  EXPECT_EQ(refusal_with("/added_tokens/1/content", ""),
            "t.json: added_tokens[1].content is \"\"; expected a text.");
  EXPECT_EQ(refusal_with("/added_tokens/1/content", "<|endoftext|>"),
            "t.json: added_tokens[1].content is \"<|endoftext|>\"; expected one that did not come "
            "before.");
  EXPECT_THAT(refusal_with("/added_tokens/1/content", "the"), HasSubstr("accepted"));
  EXPECT_THAT(refusal_with("/added_tokens/1/content", "he"), HasSubstr("ordinary text cannot"));
  EXPECT_EQ(refusal_with("/added_tokens/1/special", nullptr),
            "t.json: added_tokens[1].special is null; expected true or false.");
}

TEST(TokenizerJsonTest, WhatIsNoJsonIsRefusedByItsPlace) {
  const auto tokenizer = Tokenizer::parse("{\"model\": ", "t.json");
  ASSERT_FALSE(tokenizer);
  EXPECT_THAT(tokenizer.error().message, HasSubstr("t.json: invalid JSON at byte "));
}

TEST(TokenizerJsonTest, AMissingFileIsNamed) {
  const auto tokenizer = Tokenizer::load("/nowhere/tokenizer.json");
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().code, ErrorCode::kStartup);
  EXPECT_THAT(tokenizer.error().message, HasSubstr("/nowhere/tokenizer.json cannot be read"));
}

// Vectors published for the released tokenizer, where it is at hand.
TEST(TokenizerTest, TheReleasedTokenizerGivesItsKnownIds) {
  const char* path = std::getenv("GLINT_TOKENIZER_JSON");
  if (path == nullptr) GTEST_SKIP() << "GLINT_TOKENIZER_JSON names no tokenizer.json";
  const auto tokenizer = Tokenizer::load(path);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->encode("[gMASK]<sop><|user|>Hello, world!<|assistant|><think>"),
            (Ids{154822, 154824, 154827, 9703, 11, 1879, 0, 154828, 154841}));
  EXPECT_EQ(tokenizer->encode("\n"), Ids{198});
  EXPECT_EQ(tokenizer->num_tokens(), 154856);
}

}  // namespace
}  // namespace glint
