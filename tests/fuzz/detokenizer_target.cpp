// Ids to text. The input is numbers: ids of the tiny tokenizer, or of none.

#include <charconv>

#include "base/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/tiny_checkpoint.h"
#include "tokenizer/detokenizer.h"

namespace glint {
namespace {

std::vector<TokenId> read_ids(std::string_view text) {
  std::vector<TokenId> ids;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    TokenId id = 0;
    const auto [rest, problem] = std::from_chars(at, end, id);
    if (problem == std::errc()) ids.push_back(id);
    at = rest > at ? rest : at + 1;
  }
  return ids;
}

void check_detokenizer(const Tokenizer& tokenizer, const std::vector<TokenId>& ids, bool skips) {
  Detokenizer detokenizer(tokenizer, skips);
  const std::string whole = tokenizer.decode(ids, skips);
  CHECK(is_valid_utf8(whole), "decode() is not UTF-8");
  std::string text;
  for (const TokenId id : ids) {
    const std::string piece = detokenizer.append(id);
    CHECK(is_valid_utf8(piece), "id ", id, " gave a cut character");
    text += piece;
    CHECK(whole.starts_with(text), "\"", text, "\" does not begin \"", whole, '"');
  }
  text += detokenizer.finish();
  CHECK(text == whole, "\"", text, "\" and \"", whole, '"');
}

}  // namespace

void check_input(std::string_view input) {
  static const Tokenizer tokenizer = *Tokenizer::parse(tiny_tokenizer_json(), "tiny");
  const std::vector<TokenId> ids = read_ids(input);
  for (const bool skips : {false, true}) check_detokenizer(tokenizer, ids, skips);
}

}  // namespace glint
