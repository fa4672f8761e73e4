#include "api/prompts.h"

#include <algorithm>

#include "api/generation_params.h"

namespace glint {
namespace {

// Contexts up to which a prompt is counted, so that the error can say by how much to shorten it.
constexpr size_t kCountedContexts = 2;

constexpr const char* kExpected =
    "a string, an array of strings, an array of token ids or an array of those";

class PromptReader {
 public:
  PromptReader(const RequestFields& fields, std::string_view name, const ServerContext& context)
      : fields_(fields), name_(name), context_(context) {}

  Result<std::vector<TokenId>> read(const Json& prompt) const {
    if (prompt.is_array()) return ids(prompt);
    if (!prompt.is_string()) return fields_.refuse(name_, kExpected);
    if (!context_.tokenizer) {
      return fields_.error(name_, cat(name_,
                                      " is text, but this server runs with "
                                      "--skip-tokenizer-init: send token ids."));
    }
    return encode_prompt(prompt.get_ref<const std::string&>(), std::nullopt, name_, context_);
  }

 private:
  Result<std::vector<TokenId>> ids(const Json& list) const {
    std::vector<TokenId> ids;
    ids.reserve(list.size());
    for (const Json& value : list) {
      const int64_t id = value.is_number_integer() ? value.get<int64_t>() : -1;
      if (id < 0 || id >= context_.config.vocab_size) {
        return fields_.error(
            name_, cat(fields_.path_of(name_), " holds ", shown(value),
                       "; expected token ids from 0 to ", context_.config.vocab_size - 1, "."));
      }
      ids.push_back(static_cast<TokenId>(id));
    }
    return ids;
  }

  const RequestFields& fields_;
  std::string_view name_;
  const ServerContext& context_;
};

bool is_batch(const Json& value) {
  return value.is_array() && !value.empty() && (value[0].is_string() || value[0].is_array());
}

}  // namespace

Result<std::vector<TokenId>> encode_prompt(std::string_view text,
                                           std::optional<std::span<const ByteRange>> control,
                                           std::string_view prompt_param,
                                           const ServerContext& context) {
  const size_t max_counted = kCountedContexts * static_cast<size_t>(context.limits.context_length);
  const Tokenizer& tokenizer = *context.tokenizer;
  std::optional<std::vector<TokenId>> ids =
      control ? tokenizer.encode_at_most(max_counted, text, *control)
              : tokenizer.encode_at_most(max_counted, text);
  if (!ids) return input_too_long(cat("more than ", max_counted), prompt_param, context);
  return *std::move(ids);
}

Result<std::optional<Prompts>> parse_prompts(const RequestFields& fields, std::string_view name,
                                             const ServerContext& context) {
  const Json* value = fields.find(name);
  if (value == nullptr) return std::optional<Prompts>();
  const PromptReader reader(fields, name, context);
  Prompts prompts;
  prompts.is_batch = is_batch(*value);
  if (!prompts.is_batch) {
    prompts.ids.push_back(TRY(reader.read(*value)));
    return std::optional<Prompts>(std::move(prompts));
  }
  if (value->size() > kMaxPrompts) {
    return fields.error(name, cat(fields.path_of(name), " has ", value->size(),
                                  " prompts; at most ", kMaxPrompts, " are allowed."));
  }
  for (const Json& prompt : *value) prompts.ids.push_back(TRY(reader.read(prompt)));
  return std::optional<Prompts>(std::move(prompts));
}

}  // namespace glint
