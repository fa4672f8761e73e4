// Any text to ids and back, and with every limit on their number.

#include <algorithm>

#include "base/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/tiny_checkpoint.h"
#include "tokenizer/tokenizer.h"

namespace glint {
namespace {

std::vector<TokenId> check_ids(const Tokenizer& tokenizer, const std::vector<TokenId>& ids,
                               std::string_view text) {
  std::string bytes;
  for (const TokenId id : ids) {
    CHECK(id >= 0 && id < tokenizer.num_tokens(), "id ", id);
    bytes += tokenizer.token_bytes(id);
  }
  CHECK(bytes == text, "\"", bytes, "\" came back from \"", text, '"');
  CHECK(tokenizer.decode(ids, false) == to_valid_utf8(text), "decode() of \"", text, '"');
  return ids;
}

void check_limits(const Tokenizer& tokenizer, const std::vector<TokenId>& ids,
                  std::string_view text) {
  const size_t size = ids.size();
  for (const size_t limit :
       {size_t{0}, size / 2, size - std::min<size_t>(size, 1), size, size + 1}) {
    const auto limited = tokenizer.encode_at_most(limit, text);
    CHECK(limited.has_value() == (size <= limit), size, " ids with a limit of ", limit);
    CHECK(!limited || *limited == ids, "other ids with a limit");
  }
}

}  // namespace

void check_input(std::string_view input) {
  static const Tokenizer tokenizer = *Tokenizer::parse(tiny_tokenizer_json(), "tiny");
  const std::vector<TokenId> ids = check_ids(tokenizer, tokenizer.encode(input), input);
  check_limits(tokenizer, ids, input);

  // Where no control token is allowed, none comes up, whatever the text spells.
  const auto plain = check_ids(tokenizer, tokenizer.encode(input, {}), input);
  const TokenId first_added = tiny_token_id("<|endoftext|>");
  for (const TokenId id : plain) CHECK(id < first_added, "control token ", id, " in plain text");
}

}  // namespace glint
