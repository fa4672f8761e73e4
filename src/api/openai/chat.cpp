#include "api/openai/chat.h"

#include <utility>

#include "api/chat_request.h"
#include "api/chat_start.h"
#include "api/errors.h"
#include "api/openai/chat_writer.h"
#include "api/request_fields.h"

namespace glint {
namespace {

Result<void> start(ServerContext& context, const std::shared_ptr<Exchange>& exchange) {
  TRY(check_takes_messages(context));
  const HttpRequest& http = exchange->request();
  const Json body = TRY(parse_request_body(http.header("Content-Type"), http.body));
  ChatRequest request = TRY(parse_chat_request(body, context));
  ChatPrompt prompt = TRY(chat_prompt(context, request));
  if (request.needs_prompt_ids()) request.prompt_ids = prompt.ids;
  return start_chat(context, exchange, request, std::move(prompt),
                    [&](const OutputParserOptions& parser) {
                      return make_chat_writer(context, exchange, request, parser);
                    });
}

}  // namespace

void handle_chat_completions(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const Result<void> started = start(context, exchange);
  if (!started) exchange->respond(error_response(started.error()));
}

}  // namespace glint
