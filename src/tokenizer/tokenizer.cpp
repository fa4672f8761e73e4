#include "tokenizer/tokenizer.h"

#include <fstream>
#include <sstream>

#include "base/utf8.h"
#include "tokenizer/encoder.h"
#include "tokenizer/tokenizer_data.h"

namespace glint {
Result<Tokenizer> Tokenizer::load(const std::filesystem::path& tokenizer_json) {
  std::ifstream file(tokenizer_json, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return Error{ErrorCode::kStartup,
                 cat(tokenizer_json.string(),
                     " cannot be read. A model's folder holds its tokenizer.json; --tokenizer-path "
                     "names another folder.")};
  }
  return parse(std::move(text).str(), tokenizer_json.string());
}

Result<Tokenizer> Tokenizer::parse(std::string_view json_text, std::string_view name) {
  return Tokenizer(TRY(parse_tokenizer_json(json_text, name)));
}

std::vector<TokenId> Tokenizer::encode(std::string_view text) const {
  return *encode_at_most(kNoLimit, text);
}

std::vector<TokenId> Tokenizer::encode(std::string_view text,
                                       std::span<const ByteRange> control) const {
  return *encode_at_most(kNoLimit, text, control);
}

std::optional<std::vector<TokenId>> Tokenizer::encode_at_most(size_t max_tokens,
                                                              std::string_view text) const {
  Encoder encoder(*data_, max_tokens);
  encoder.encode(text);
  if (encoder.over()) return std::nullopt;
  return std::move(encoder).take();
}

std::optional<std::vector<TokenId>> Tokenizer::encode_at_most(
    size_t max_tokens, std::string_view text, std::span<const ByteRange> control) const {
  Encoder encoder(*data_, max_tokens);
  encoder.encode(text, control);
  if (encoder.over()) return std::nullopt;
  return std::move(encoder).take();
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special_tokens) const {
  std::string bytes;
  for (const TokenId id : ids) {
    if (!skip_special_tokens || !is_special(id)) bytes += token_bytes(id);
  }
  return is_valid_utf8(bytes) ? bytes : to_valid_utf8(bytes);
}

std::string_view Tokenizer::token_bytes(TokenId id) const {
  return data_->vocab.has(id) ? data_->vocab.bytes(id) : std::string_view();
}

std::optional<TokenId> Tokenizer::find(std::string_view token) const {
  return data_->added.find(token);
}

bool Tokenizer::is_special(TokenId id) const { return data_->added.is_special(id); }

int Tokenizer::num_tokens() const { return data_->vocab.num_tokens(); }

}  // namespace glint
