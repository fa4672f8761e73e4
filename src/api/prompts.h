#pragma once

// Prompts as text or ids, one or many: `prompt` of /v1/completions, `text` and `input_ids` of
// /generate.

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "api/request_fields.h"
#include "api/server_context.h"
#include "base/byte_range.h"
#include "base/result.h"
#include "scheduler/shared_tokens.h"

namespace glint {

// What a field may hold, or an array of it.
enum class PromptKind { kText, kIds, kTextOrIds };

// As the body has them: all that can be wrong with a prompt is checked, but for its length, and
// nothing is encoded yet. Points into the body.
struct RawPrompts {
  std::string_view field;
  std::vector<const Json*> prompts;  // each a string or an array of ids of the vocabulary
  bool is_batch = false;             // an array of prompts, be it of one
};

// One prompt or an array of them. Nothing if the field is absent.
Result<std::optional<RawPrompts>> find_prompts(const RequestFields& fields, std::string_view name,
                                               PromptKind kind, const ServerContext& context);

// Texts are raw: control tokens are matched in them. With --allow-auto-truncate, each is cut to
// what fits.
Result<std::vector<SharedTokens>> encode_prompts(const RawPrompts& raw,
                                                 const ServerContext& context);

// Up to so many a prompt is counted, so that the error can say by how much to shorten it.
size_t max_counted_tokens(const ServerContext& context);

// Control tokens are matched in `control`; nothing: everywhere, as in raw text. A text that the
// context cannot hold is given up as soon as that is certain, or, with --allow-auto-truncate, cut
// at its end. Needs a tokenizer.
Result<std::vector<TokenId>> encode_prompt(std::string_view text,
                                           std::optional<std::span<const ByteRange>> control,
                                           std::string_view prompt_param,
                                           const ServerContext& context);

}  // namespace glint
