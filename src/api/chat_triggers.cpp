#include "api/chat_triggers.h"

#include <algorithm>
#include <limits>

#include "chat/tags.h"

namespace glint {
namespace {

struct ControlIds {
  TokenId think_end, tool_call, tool_call_end, arg_key;
};

Result<ControlIds> control_ids(const Tokenizer& tokenizer) {
  std::vector<TokenId> ids;
  for (const std::string_view tag :
       {tags::kThinkEnd, tags::kToolCall, tags::kToolCallEnd, tags::kArgKey}) {
    const std::optional<TokenId> id = tokenizer.find(tag);
    if (!id)
      return Error{ErrorCode::kInvalidRequest,
                   cat("This model's tokenizer has no token ", tag,
                       ": neither thinking budgets nor forced tool calls are possible.")};
    ids.push_back(*id);
  }
  return ControlIds{ids[0], ids[1], ids[2], ids[3]};
}

// <tool_call> ends the thinking as well: the model may forget </think>.
std::optional<Trigger> end_of_thinking(const ForcedAnswer& forced, const ControlIds& ids) {
  const ThinkingLimits& limits = forced.thinking;
  int most = limits.budget.value_or(std::numeric_limits<int>::max());
  if (limits.answer_reserve > 0)  // </think> itself takes one
    most = std::min(most, std::max(forced.max_tokens - limits.answer_reserve - 1, 0));
  if (most >= forced.max_tokens) return std::nullopt;
  return Trigger{.after_tokens = most,
                 .unless_seen = {ids.think_end, ids.tool_call},
                 .forced_ids = {ids.think_end}};
}

// What ends a name goes with it, so that the model cannot make another name of it, and so that no
// name begins another one.
Result<std::vector<std::vector<TokenId>>> encoded_names(const ToolChoice& choice,
                                                        const std::vector<Tool>& tools,
                                                        const Tokenizer& tokenizer,
                                                        const ControlIds& control) {
  std::vector<std::vector<TokenId>> names;
  for (const Tool& tool : tools) {
    const std::string name = tool_name(tool);
    if (choice.mode == ToolChoice::kNamed && name != choice.name) continue;
    const auto ids = tokenizer.encode_at_most(kMaxTriggerIds, name, {});
    if (!ids)
      return Error{
          ErrorCode::kInvalidRequest,
          cat("A tool's name of ", name.size(), " bytes is too long to be forced: at most ",
              kMaxTriggerIds, " tokens are allowed."),
          "tool_choice"};
    for (const TokenId end : {control.arg_key, control.tool_call_end}) {
      names.push_back(*ids);
      names.back().push_back(end);
    }
  }
  return names;
}

// The first call is opened where the answer begins; every call has one of the names.
void add_calls(const ForcedAnswer& forced, std::vector<std::vector<TokenId>> names,
               const ControlIds& ids, std::vector<Trigger>& triggers) {
  Trigger first{.forced_ids = {ids.tool_call}};
  if (forced.starts_in_thinking) {
    first.on_token = ids.think_end;
    first.unless_seen = {ids.tool_call};
  } else {
    first.after_tokens = 0;
  }
  triggers.push_back(std::move(first));
  triggers.push_back(
      {.on_token = ids.tool_call, .one_of = std::move(names), .repeats = true, .holds_stop = true});
}

}  // namespace

Result<std::vector<Trigger>> chat_triggers(const ForcedAnswer& forced,
                                           const std::vector<Tool>& tools,
                                           const Tokenizer& tokenizer) {
  const bool has_limits = forced.thinking.budget || forced.thinking.answer_reserve > 0;
  std::vector<Trigger> triggers;
  if (!has_limits && !forced.tool_choice.forces_call()) return triggers;
  const ControlIds ids = TRY(control_ids(tokenizer));
  if (forced.starts_in_thinking)
    if (auto trigger = end_of_thinking(forced, ids)) triggers.push_back(*std::move(trigger));
  if (!forced.tool_choice.forces_call()) return triggers;
  add_calls(forced, TRY(encoded_names(forced.tool_choice, tools, tokenizer, ids)), ids, triggers);
  if (const size_t size = num_trigger_ids(triggers); size > kMaxTriggerIds)
    return Error{ErrorCode::kInvalidRequest,
                 cat("The names of the ", tools.size(), " tools take ", size,
                     " tokens; a forced tool_choice allows ", kMaxTriggerIds,
                     ". Send fewer tools, or tool_choice \"auto\"."),
                 "tool_choice"};
  return triggers;
}

}  // namespace glint
