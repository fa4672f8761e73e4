#include "api/chat_start.h"

#include <utility>

#include "api/prompts.h"

namespace glint {
namespace {

OutputParserOptions parser_options(const ServerContext& context, const ChatRequest& request,
                                   const ChatPrompt& prompt) {
  return {.parse_reasoning = context.options.parse_reasoning && request.separate_reasoning,
          .parse_tool_calls = context.options.parse_tool_calls && !request.tools.empty(),
          .starts_in_reasoning = prompt.opens_thinking,
          .tools = request.tools};
}

}  // namespace

Result<void> check_takes_messages(const ServerContext& context) {
  if (context.tokenizer) return {};
  return Error{ErrorCode::kInvalidRequest,
               "This server runs with --skip-tokenizer-init: it takes /generate with input_ids "
               "only.",
               "messages"};
}

Result<ChatPrompt> make_chat_prompt(const ServerContext& context, const ChatRequest& request) {
  const RenderedPrompt prompt =
      TRY(render_chat(request.messages, request.tools, request.template_options));
  return ChatPrompt{.ids = TRY(encode_prompt(prompt.text, prompt.control, "messages", context)),
                    .opens_thinking = prompt.opens_thinking};
}

Result<void> start_chat(ServerContext& context, const std::shared_ptr<Exchange>& exchange,
                        const ChatRequest& request, const MakeChatWriter& make_writer) {
  ChatPrompt prompt = TRY(make_chat_prompt(context, request));
  std::vector<GenerateRequest> requests = TRY(
      make_requests({std::move(prompt.ids)}, request.params, std::nullopt, "messages", context));
  return Answer::start(context, exchange, std::move(requests), {request.params.text}, {request.id},
                       make_writer(parser_options(context, request, prompt)));
}

}  // namespace glint
