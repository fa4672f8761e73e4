// How a chat's answer begins and how much it thinks: the ways that clients have to say so.

#include <algorithm>
#include <array>
#include <limits>

#include "api/chat_request.h"

namespace glint {
namespace {

// -1 is no budget, as in vLLM.
Result<void> read_budget(const RequestFields& fields, std::string_view name,
                         std::optional<int>& budget) {
  const auto value = TRY(fields.integer(name, -1, std::numeric_limits<int>::max()));
  if (value && *value >= 0 && !budget) budget = static_cast<int>(*value);
  return {};
}

Result<void> read_nested_budget(const RequestFields& fields, std::string_view object,
                                std::string_view name, std::optional<int>& budget) {
  const Json* nested = TRY(fields.object(object));
  if (nested == nullptr) return {};
  return read_budget(RequestFields(*nested, std::string(object)), name, budget);
}

// A message that is continued is its own generation prompt.
Result<TemplateOptions> parse_generation_prompt(const RequestFields& fields) {
  TemplateOptions options;
  options.continue_final_message = TRY(fields.boolean("continue_final_message")).value_or(false);
  const auto add = TRY(fields.boolean("add_generation_prompt"));
  if (options.continue_final_message && add == true)
    return fields.error("add_generation_prompt",
                        "add_generation_prompt and continue_final_message are both true: the "
                        "last message would be ended and continued. Leave one out.");
  options.add_generation_prompt = add.value_or(true);
  return options;
}

// OpenAI's words and those that others added. To the template they are all one, but for none.
constexpr std::array<std::string_view, 7> kEfforts = {"none", "minimal", "low", "medium",
                                                      "high", "xhigh",   "max"};

// Whether the field `name` says not to think at all.
Result<bool> is_without_effort(const RequestFields& fields, std::string_view name) {
  const Json* effort = fields.find(name);
  if (effort == nullptr || effort->is_number()) return false;
  std::string expected;
  for (const std::string_view one : kEfforts) {
    if (*effort == one) return one == "none";
    expected += cat(one, ", ");
  }
  expected.resize(expected.size() - 2);
  return fields.refuse(name, cat(expected, " or a number"));
}

// The field of Z.ai's own API for this model, whose clients come here too: {"type": "disabled"},
// clear_thinking. Enabled, which is the default, is thinking, and so is Anthropic's adaptive.
Result<void> parse_thinking(const RequestFields& fields, TemplateOptions& options) {
  const Json* thinking = TRY(fields.object("thinking"));
  if (thinking == nullptr) return {};
  const RequestFields nested(*thinking, "thinking");
  const std::string type = TRY(nested.string("type")).value_or("enabled");
  if (type == "disabled")
    options.enable_thinking = false;
  else if (type != "enabled" && type != "adaptive")
    return nested.refuse("type", "enabled, disabled or adaptive");
  if (const auto value = TRY(nested.boolean("clear_thinking"))) options.clear_thinking = value;
  return {};
}

}  // namespace

// Explicit template kwargs win over the other ways to say how much to think.
Result<TemplateOptions> parse_template_options(const RequestFields& fields) {
  TemplateOptions options = TRY(parse_generation_prompt(fields));
  if (TRY(is_without_effort(fields, "reasoning_effort"))) options.enable_thinking = false;
  if (const Json* reasoning = TRY(fields.object("reasoning"))) {
    const RequestFields nested(*reasoning, "reasoning");
    const bool no_effort = TRY(is_without_effort(nested, "effort"));
    if (no_effort || TRY(nested.boolean("enabled")) == false) options.enable_thinking = false;
  }
  TRY(parse_thinking(fields, options));
  TRY(parse_template_kwargs(fields, options));
  return options;
}

Result<void> parse_template_kwargs(const RequestFields& fields, TemplateOptions& options) {
  const Json* kwargs = TRY(fields.object("chat_template_kwargs"));
  if (kwargs == nullptr) return {};
  const RequestFields nested(*kwargs, "chat_template_kwargs");
  if (const auto value = TRY(nested.boolean("enable_thinking"))) options.enable_thinking = value;
  if (const auto value = TRY(nested.boolean("clear_thinking"))) options.clear_thinking = value;
  return {};
}

Result<ThinkingLimits> parse_thinking_limits(const RequestFields& fields) {
  ThinkingLimits limits;
  TRY(read_budget(fields, "thinking_budget", limits.budget));
  TRY(read_budget(fields, "thinking_token_budget", limits.budget));
  TRY(read_nested_budget(fields, "custom_params", "thinking_budget", limits.budget));
  TRY(read_nested_budget(fields, "reasoning", "max_tokens", limits.budget));
  TRY(read_nested_budget(fields, "chat_template_kwargs", "thinking_budget", limits.budget));
  TRY(read_nested_budget(fields, "thinking", "budget_tokens", limits.budget));
  const auto reserve = TRY(fields.integer("answer_reserve", 0, std::numeric_limits<int>::max()));
  limits.answer_reserve = static_cast<int>(reserve.value_or(0));
  return limits;
}

}  // namespace glint
