#pragma once

// Text to ids and back: Hugging Face byte-level BPE as tokenizer.json of GLM-4.7-Flash has it.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_range.h"
#include "base/result.h"
#include "base/token_id.h"

namespace glint {

struct TokenizerData;  // vocabulary, merges, added tokens: immutable after loading

// Immutable and cheap to copy; all functions may be called from several threads at once.
class Tokenizer {
 public:
  // Reads `tokenizer_json`. A file of another kind (model type, pattern, normalizer, decoder) is
  // refused: the Error names the file, the key, what was found and what was expected.
  static Result<Tokenizer> load(const std::filesystem::path& tokenizer_json);
  // The same from text; `name` stands for the file in errors.
  static Result<Tokenizer> parse(std::string_view json_text, std::string_view name);

  // As the `tokenizers` package with add_special_tokens on: added tokens are matched wherever they
  // occur. For raw prompts.
  std::vector<TokenId> encode(std::string_view text) const;
  // Added tokens are matched only where `control` has exactly their bytes; everywhere else a
  // "<|user|>" is ordinary text. For rendered chats, whose control ranges the template knows.
  // `control` is sorted and does not overlap.
  std::vector<TokenId> encode(std::string_view text, std::span<const ByteRange> control) const;

  // The same for texts from strangers: nothing if the ids are more than `max_tokens`. That is
  // noticed early: the work is bounded by max_tokens, whatever the text's size.
  std::optional<std::vector<TokenId>> encode_at_most(size_t max_tokens,
                                                     std::string_view text) const;
  std::optional<std::vector<TokenId>> encode_at_most(size_t max_tokens, std::string_view text,
                                                     std::span<const ByteRange> control) const;

  // Invalid UTF-8 becomes U+FFFD, ids outside the vocabulary nothing.
  std::string decode(std::span<const TokenId> ids, bool skip_special_tokens) const;
  // The bytes that `id` stands for, possibly a cut character; empty for an id without a token.
  std::string_view token_bytes(TokenId id) const;

  std::optional<TokenId> find(std::string_view token) const;  // an added token, by its content
  bool is_special(TokenId id) const;
  // Ids that have a token: 0 ... num_tokens() - 1, if the file has no holes (it is refused else).
  int num_tokens() const;

 private:
  friend class Detokenizer;
  static constexpr size_t kNoLimit = SIZE_MAX;
  explicit Tokenizer(std::shared_ptr<const TokenizerData> data) : data_(std::move(data)) {}
  std::shared_ptr<const TokenizerData> data_;
};

}  // namespace glint
