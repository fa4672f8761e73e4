// The tokenizer of tests/support/tiny_checkpoint.h.

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "tests/support/tiny_checkpoint.h"

namespace glint {
namespace {

using Json = nlohmann::ordered_json;

// The released tokenizer's split pattern.
constexpr const char* kPattern =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
    " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

// Its added tokens, in the order of their ids. The first kNumSpecial are `special`.
constexpr std::array kAddedTokens = {
    "<|endoftext|>",
    "[MASK]",
    "[gMASK]",
    "[sMASK]",
    "<sop>",
    "<eop>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|observation|>",
    "<|begin_of_image|>",
    "<|end_of_image|>",
    "<|begin_of_video|>",
    "<|end_of_video|>",
    "<|begin_of_audio|>",
    "<|end_of_audio|>",
    "<|begin_of_transcription|>",
    "<|end_of_transcription|>",
    "<|code_prefix|>",
    "<|code_middle|>",
    "<|code_suffix|>",
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<arg_key>",
    "</arg_key>",
    "<arg_value>",
    "</arg_value>",
    "/nothink",
    "<|begin_of_box|>",
    "<|end_of_box|>",
    "<|image|>",
    "<|video|>",
};
constexpr size_t kNumSpecial = 18;

// Frequent pairs of English, each made of bytes and earlier pairs. "\u0120" is the byte alphabet's
// blank.
constexpr std::array<std::array<const char*, 2>, 20> kMerges = {{
    {"\u0120", "t"}, {"\u0120", "a"},   {"h", "e"},      {"i", "n"},       {"r", "e"},
    {"o", "n"},      {"\u0120t", "he"}, {"e", "r"},      {"\u0120", "s"},  {"a", "t"},
    {"\u0120", "w"}, {"n", "d"},        {"\u0120", "o"}, {"i", "s"},       {"o", "u"},
    {"in", "g"},     {"\u0120a", "nd"}, {"e", "n"},      {"\u0120o", "f"}, {"l", "l"},
}};

// GPT-2's byte alphabet: printable bytes stand for themselves, the other 68 for U+0100 and up.
// Listed in the order of their characters, as the `tokenizers` package numbers them.
std::vector<std::string> byte_alphabet() {
  const auto printable = [](int byte) {
    return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  };
  std::vector<char32_t> characters;
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    characters.push_back(printable(byte) ? static_cast<char32_t>(byte) : next++);
  }
  std::sort(characters.begin(), characters.end());
  std::vector<std::string> alphabet;
  for (const char32_t character : characters) append_utf8(alphabet.emplace_back(), character);
  return alphabet;
}

int num_model_tokens() { return 256 + static_cast<int>(kMerges.size()); }

Json bpe_model() {
  Json vocab = Json::object();
  int id = 0;
  for (const std::string& character : byte_alphabet()) vocab[character] = id++;
  Json merges = Json::array();
  for (const auto& [left, right] : kMerges) {
    vocab[std::string(left) + right] = id++;
    merges.push_back({left, right});
  }
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", true},
          {"vocab", vocab},
          {"merges", merges}};
}

Json added_token(size_t index) {
  return {{"content", kAddedTokens[index]},
          {"single_word", false},
          {"lstrip", false},
          {"rstrip", false},
          {"normalized", false},
          {"special", index < kNumSpecial}};
}

Json byte_level(bool add_prefix_space, bool trim_offsets, bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", add_prefix_space},
          {"trim_offsets", trim_offsets},
          {"use_regex", use_regex}};
}

Json pre_tokenizer() {
  const Json split = {{"type", "Split"},
                      {"pattern", {{"Regex", kPattern}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  return {{"type", "Sequence"},
          {"pretokenizers", Json::array({split, byte_level(false, true, false)})}};
}

}  // namespace

int tiny_num_tokens() { return num_model_tokens() + static_cast<int>(kAddedTokens.size()); }

TokenId tiny_token_id(std::string_view token) {
  const auto found = std::find(kAddedTokens.begin(), kAddedTokens.end(), token);
  CHECK(found != kAddedTokens.end(), token, " is no added token");
  return static_cast<TokenId>(num_model_tokens() + (found - kAddedTokens.begin()));
}

std::string tiny_tokenizer_json() {
  Json added = Json::array();
  for (size_t index = 0; index < kAddedTokens.size(); ++index) {
    Json token = {{"id", tiny_token_id(kAddedTokens[index])}};
    token.update(added_token(index));
    added.push_back(token);
  }
  const Json tokenizer = {{"version", "1.0"},
                          {"truncation", nullptr},
                          {"padding", nullptr},
                          {"added_tokens", added},
                          {"normalizer", nullptr},
                          {"pre_tokenizer", pre_tokenizer()},
                          {"post_processor", byte_level(true, false, true)},
                          {"decoder", byte_level(true, true, true)},
                          {"model", bpe_model()}};
  return tokenizer.dump(2) + "\n";
}

std::string tiny_tokenizer_config_json() {
  Json decoder = Json::object();
  Json special = Json::array();
  for (size_t index = 0; index < kAddedTokens.size(); ++index) {
    decoder[cat(tiny_token_id(kAddedTokens[index]))] = added_token(index);
    if (index < kNumSpecial) special.push_back(kAddedTokens[index]);
  }
  const Json config = {{"added_tokens_decoder", decoder},
                       {"additional_special_tokens", special},
                       {"clean_up_tokenization_spaces", false},
                       {"do_lower_case", false},
                       {"eos_token", "<|endoftext|>"},
                       {"extra_special_tokens", Json::object()},
                       {"model_max_length", 128000},
                       {"pad_token", "<|endoftext|>"},
                       {"padding_side", "left"},
                       {"remove_space", false},
                       {"tokenizer_class", "PreTrainedTokenizer"}};
  return config.dump(2) + "\n";
}

}  // namespace glint
