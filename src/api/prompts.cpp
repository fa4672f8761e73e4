#include "api/prompts.h"

#include <algorithm>

#include "api/generation_params.h"
#include "base/log.h"
#include "scheduler/admission.h"

namespace glint {
namespace {

const char* expected(PromptKind kind) {
  if (kind == PromptKind::kText) return "a string or an array of strings";
  if (kind == PromptKind::kIds) return "an array of token ids or an array of those";
  return "a string, an array of strings, an array of token ids or an array of those";
}

Result<void> check_ids(const RequestFields& fields, std::string_view name, const Json& list,
                       int vocab_size) {
  for (const Json& value : list) {
    const int64_t id = whole_number(value).value_or(-1);
    if (id < 0 || id >= vocab_size) {
      return fields.error(name, cat(fields.path_of(name), " holds ", shown(value),
                                    "; expected token ids from 0 to ", vocab_size - 1, "."));
    }
  }
  return {};
}

Result<void> check_prompt(const RequestFields& fields, std::string_view name, PromptKind kind,
                          const Json& prompt, const ServerContext& context) {
  const bool is_kind = (prompt.is_string() && kind != PromptKind::kIds) ||
                       (prompt.is_array() && kind != PromptKind::kText);
  if (!is_kind) return fields.refuse(name, expected(kind));
  const bool is_empty =
      prompt.is_string() ? prompt.get_ref<const std::string&>().empty() : prompt.empty();
  if (is_empty) return fields.error(name, cat(name, " has no tokens; expected at least one."));
  if (prompt.is_array()) return check_ids(fields, name, prompt, context.config.vocab_size);
  if (context.tokenizer) return {};
  return fields.error(name,
                      "This server runs with --skip-tokenizer-init and takes no text: send token "
                      "ids.");
}

// The beginning of `ids` that fits; all of them without --allow-auto-truncate.
std::vector<TokenId> truncated(std::vector<TokenId> ids, const ServerContext& context) {
  const auto most = static_cast<size_t>(max_prompt_tokens(context.limits));
  if (!context.options.allow_auto_truncate || ids.size() <= most) return ids;
  log_warning("prompt cut", {{"tokens", ids.size()}, {"kept", most}});
  ids.resize(most);
  return ids;
}

bool is_batch(const Json& value) {
  return value.is_array() && !value.empty() && (value[0].is_string() || value[0].is_array());
}

}  // namespace

size_t max_counted_tokens(const ServerContext& context) {
  return 2 * static_cast<size_t>(context.limits.context_length);
}

Result<std::vector<TokenId>> encode_prompt(std::string_view text,
                                           std::optional<std::span<const ByteRange>> control,
                                           std::string_view prompt_param,
                                           const ServerContext& context) {
  const Tokenizer& tokenizer = *context.tokenizer;
  if (context.options.allow_auto_truncate)
    return truncated(control ? tokenizer.encode(text, *control) : tokenizer.encode(text), context);
  const size_t max_counted = max_counted_tokens(context);
  std::optional<std::vector<TokenId>> ids =
      control ? tokenizer.encode_at_most(max_counted, text, *control)
              : tokenizer.encode_at_most(max_counted, text);
  if (!ids) return input_too_long(cat("more than ", max_counted), prompt_param, context);
  return *std::move(ids);
}

Result<std::optional<RawPrompts>> find_prompts(const RequestFields& fields, std::string_view name,
                                               PromptKind kind, const ServerContext& context) {
  const Json* value = fields.find(name);
  if (value == nullptr) return std::optional<RawPrompts>();
  RawPrompts raw{.field = name, .prompts = {}, .is_batch = is_batch(*value)};
  if (!raw.is_batch) {
    raw.prompts.push_back(value);
  } else if (value->size() > kMaxPrompts) {
    return fields.error(name, cat(fields.path_of(name), " has ", value->size(),
                                  " prompts; at most ", kMaxPrompts, " are allowed."));
  } else {
    for (const Json& prompt : *value) raw.prompts.push_back(&prompt);
  }
  for (const Json* prompt : raw.prompts) TRY(check_prompt(fields, name, kind, *prompt, context));
  return std::optional<RawPrompts>(std::move(raw));
}

Result<std::vector<SharedTokens>> encode_prompts(const RawPrompts& raw,
                                                 const ServerContext& context) {
  std::vector<SharedTokens> prompts;
  prompts.reserve(raw.prompts.size());
  for (const Json* prompt : raw.prompts) {
    if (prompt->is_array()) {
      prompts.push_back(truncated(prompt->get<std::vector<TokenId>>(), context));
    } else {
      prompts.push_back(TRY(
          encode_prompt(prompt->get_ref<const std::string&>(), std::nullopt, raw.field, context)));
    }
  }
  return prompts;
}

}  // namespace glint
