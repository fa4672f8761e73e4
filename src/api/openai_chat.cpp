#include "api/openai_chat.h"

#include <nlohmann/json.hpp>

#include "api/chat_request.h"
#include "api/chat_writer.h"
#include "api/errors.h"
#include "api/prompts.h"
#include "api/stream.h"

namespace glint {
namespace {

OutputParserOptions parser_options(const ServerContext& context, const ChatRequest& request,
                                   const RenderedPrompt& prompt) {
  return {.parse_reasoning = context.options.parse_reasoning && request.separate_reasoning,
          .parse_tool_calls = context.options.parse_tool_calls && !request.tools.empty(),
          .starts_in_reasoning = prompt.opens_thinking,
          .tools = request.tools};
}

Result<void> start(ServerContext& context, const std::shared_ptr<Exchange>& exchange) {
  if (!context.tokenizer) {
    return Error{ErrorCode::kInvalidRequest,
                 "This server runs with --skip-tokenizer-init: it takes /generate with input_ids "
                 "only.",
                 "messages"};
  }
  const HttpRequest& http = exchange->request();
  const Json body = TRY(parse_request_body(http.header("Content-Type"), http.body));
  const ChatRequest request = TRY(parse_chat_request(body, context));
  const RenderedPrompt prompt =
      TRY(render_chat(request.messages, request.tools, request.template_options));
  std::vector<TokenId> ids = TRY(encode_prompt(prompt.text, prompt.control, "messages", context));
  std::vector<GenerateRequest> requests =
      TRY(make_requests({std::move(ids)}, request.params, std::nullopt, "messages", context));
  return Answer::start(
      context, exchange, std::move(requests), {request.params.text},
      make_chat_writer(context, exchange, request, parser_options(context, request, prompt)));
}

}  // namespace

void handle_chat_completions(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const Result<void> started = start(context, exchange);
  if (!started) exchange->respond(error_response(started.error()));
}

}  // namespace glint
