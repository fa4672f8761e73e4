#pragma once

// The body of /v1/chat/completions as our types. Everything that can be wrong with a request but
// its length is found here.

#include <optional>
#include <string>
#include <vector>

#include "api/chat_triggers.h"
#include "api/generation_params.h"
#include "api/openai/extras.h"
#include "api/server_context.h"
#include "api/tool_choice.h"
#include "base/json.h"
#include "base/result.h"
#include "chat/message.h"
#include "chat/template.h"

namespace glint {

struct ChatRequest {
  std::string model;  // echoed
  std::string id;     // the request's rid, or a new one
  std::vector<Message> messages;
  std::string messages_field = "messages";        // where the body has them
  std::optional<std::vector<TokenId>> input_ids;  // the prompt, instead of the messages
  std::vector<Tool> tools;                        // none with tool_choice none
  ToolChoice tool_choice;
  TemplateOptions template_options;
  ThinkingLimits thinking;
  GenerationParams params;
  // For dialects whose clients send their maximum: where params.max_tokens is unset, so many at
  // most, and no more than context and pool allow.
  std::optional<int> max_tokens_if_room;
  bool stream = false;
  bool include_usage = false;
  bool continuous_usage = false;
  bool logprobs = false;
  std::optional<int> prompt_logprobs;  // vLLM's; k: the k likeliest ones', too
  Extras extras;
  SharedTokens prompt_ids;  // for the writer, where prompt_logprobs or `extras` need them
  bool separate_reasoning = true;
  bool include_reasoning = true;  // false: it is thought, and not sent
  bool stream_reasoning = true;
  bool parallel_tool_calls = true;

  bool needs_prompt_ids() const { return prompt_logprobs || extras.wants_prompt_ids(); }
  bool one_call_only() const {
    return !parallel_tool_calls || tool_choice.mode == ToolChoice::kNamed;
  }
};

Result<ChatRequest> parse_chat_request(const Json& body, ServerContext& context);

// `messages`, with what the template would trip over put right: roles in any case, developer →
// system, function → tool, null content → "", text parts of a tool's content joined by a blank,
// arguments given as a string parsed, reasoning and thinking → reasoning_content.
Result<std::vector<Message>> parse_messages(const RequestFields& fields);

// The last message is an assistant's, without calls. To Anthropic's and Ollama's clients it is the
// beginning of the answer.
bool begins_answer(const std::vector<Message>& messages);

// One of them.
Result<Message> parse_chat_message(const RequestFields& fields);
// A tool message whose content is the field `name`.
Result<Message> parse_tool_result(const RequestFields& fields, std::string_view name);
// `arguments` of a call: an object, also as a string, which may be empty.
Result<Json> parse_call_arguments(const RequestFields& function);

// `tools`; none with tool_choice none.
Result<std::vector<Tool>> parse_tools(const RequestFields& fields);

// add_generation_prompt, continue_final_message, chat_template_kwargs, thinking, and
// reasoning_effort and reasoning where they turn thinking off.
Result<TemplateOptions> parse_template_options(const RequestFields& fields);

// `chat_template_kwargs` into `options`.
Result<void> parse_template_kwargs(const RequestFields& fields, TemplateOptions& options);

// thinking_budget under all its names, the first in docs/api.md's order, and answer_reserve.
Result<ThinkingLimits> parse_thinking_limits(const RequestFields& fields);

// stream_options; without stream it means nothing, as in SGLang.
struct StreamOptions {
  bool include_usage = false;
  bool continuous_usage = false;
};
Result<StreamOptions> parse_stream_options(const RequestFields& fields);

// {"type": "text"} or nothing: grammars are refused.
Result<void> check_response_format(const RequestFields& fields);

}  // namespace glint
