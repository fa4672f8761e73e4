#pragma once

// The body of /v1/chat/completions as our types. Everything that can be wrong with a request but
// its length is found here.

#include <optional>
#include <string>
#include <vector>

#include "api/generation_params.h"
#include "api/server_context.h"
#include "base/json.h"
#include "base/result.h"
#include "chat/message.h"
#include "chat/template.h"

namespace glint {

struct ChatRequest {
  std::string model;  // echoed
  std::string id;     // the request's rid, or a new one
  std::vector<Message> messages;
  std::vector<Tool> tools;  // none with tool_choice none
  TemplateOptions template_options;
  std::optional<int> thinking_budget;  // tokens after which </think> is forced
  GenerationParams params;
  // For dialects whose clients send their maximum: where params.max_tokens is unset, so many at
  // most, and no more than context and pool allow.
  std::optional<int> max_tokens_if_room;
  bool stream = false;
  bool include_usage = false;
  bool continuous_usage = false;
  bool logprobs = false;
  bool separate_reasoning = true;
  bool stream_reasoning = true;
  bool parallel_tool_calls = true;
};

Result<ChatRequest> parse_chat_request(const Json& body, ServerContext& context);

// `messages`, with what the template would trip over put right: roles in any case, developer →
// system, function → tool, null content → "", text parts of a tool's content joined by a blank,
// arguments given as a string parsed, reasoning and thinking → reasoning_content.
Result<std::vector<Message>> parse_messages(const RequestFields& fields);

// The last message is an assistant's, without calls. To Anthropic's and Ollama's clients it is the
// beginning of the answer.
bool begins_answer(const std::vector<Message>& messages);

// `tools` and `tool_choice`.
Result<std::vector<Tool>> parse_tools(const RequestFields& fields);

// `chat_template_kwargs` into `options`.
Result<void> parse_template_kwargs(const RequestFields& fields, TemplateOptions& options);

// stream_options; without stream it means nothing, as in SGLang.
struct StreamOptions {
  bool include_usage = false;
  bool continuous_usage = false;
};
Result<StreamOptions> parse_stream_options(const RequestFields& fields);

// {"type": "text"} or nothing: grammars are refused.
Result<void> check_response_format(const RequestFields& fields);

}  // namespace glint
