// tokenizer.json. An input that begins with + is a JSON merge patch (RFC 7396) of the tiny
// tokenizer's file, which alone is larger than most inputs; another one is the file itself.

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/tiny_checkpoint.h"
#include "tokenizer/tokenizer.h"

namespace glint {
namespace {

std::string file_of(std::string_view input) {
  if (!input.starts_with('+')) return std::string(input);
  const auto patch = parse_json(input.substr(1));
  if (!patch) return "";
  Json file = Json::parse(tiny_tokenizer_json());
  file.merge_patch(*patch);
  return to_json_text(file);
}

void check_tokenizer(const Tokenizer& tokenizer) {
  std::string text;
  for (TokenId id = 0; id < tokenizer.num_tokens(); ++id) {
    const std::string_view bytes = tokenizer.token_bytes(id);
    CHECK(!bytes.empty(), "id ", id, " stands for nothing");
    if (const auto added = tokenizer.find(bytes))
      CHECK(tokenizer.encode(bytes) == std::vector{*added}, "an added token is cut up");
    text += bytes;
  }
  std::string back;
  for (const TokenId id : tokenizer.encode(text)) back += tokenizer.token_bytes(id);
  CHECK(back == text, "the vocabulary's text does not come back");
}

}  // namespace

void check_input(std::string_view input) {
  const std::string file = file_of(input);
  auto tokenizer = Tokenizer::parse(file, "tokenizer.json");
  if (tokenizer) return check_tokenizer(*tokenizer);
  const Error& error = tokenizer.error();
  CHECK(error.code == ErrorCode::kStartup, error.message);
  CHECK(error.message.starts_with("tokenizer.json: "), error.message);
  CHECK(is_valid_utf8(error.message), "the error is not UTF-8");
}

}  // namespace glint
