#include "api/anthropic/messages.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "api/anthropic/errors.h"
#include "api/anthropic/messages_request.h"
#include "api/anthropic/messages_writer.h"
#include "api/chat_start.h"
#include "api/errors.h"
#include "api/prompts.h"
#include "api/request_fields.h"
#include "scheduler/admission.h"

namespace glint {
namespace {

Result<ChatRequest> parse(ServerContext& context, const Exchange& exchange, MessagesUse use) {
  TRY(check_takes_messages(context));
  const HttpRequest& http = exchange.request();
  const Json body = TRY(parse_request_body(http.header("Content-Type"), http.body));
  return parse_messages_request(body, use, context);
}

// Anthropic's own sentence: agents read both numbers, and shorten the conversation.
Error too_long(const std::string& num_tokens, const ServerContext& context) {
  return {ErrorCode::kInvalidRequest,
          cat("prompt is too long: ", num_tokens, " tokens > ", max_prompt_tokens(context.limits),
              " maximum"),
          "messages"};
}

Result<ChatPrompt> rendered(ServerContext& context, const ChatRequest& request) {
  Result<ChatPrompt> prompt = chat_prompt(context, request);
  if (prompt || !is_over_context(prompt.error())) return prompt;
  return too_long(cat("more than ", max_counted_tokens(context)), context);
}

Result<void> start(ServerContext& context, const std::shared_ptr<Exchange>& exchange) {
  const ChatRequest request = TRY(parse(context, *exchange, MessagesUse::kAnswer));
  ChatPrompt prompt = TRY(rendered(context, request));
  if (prompt.ids.size() > static_cast<size_t>(max_prompt_tokens(context.limits)))
    return too_long(std::to_string(prompt.ids.size()), context);
  return start_chat(context, exchange, request, std::move(prompt),
                    [&](const OutputParserOptions& parser) {
                      return make_messages_writer(context, exchange, request, parser);
                    });
}

Result<size_t> count_tokens(ServerContext& context, const Exchange& exchange) {
  const ChatRequest request = TRY(parse(context, exchange, MessagesUse::kCount));
  return TRY(rendered(context, request)).ids.size();
}

}  // namespace

void handle_messages(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const Result<void> started = start(context, exchange);
  if (!started) exchange->respond(anthropic_error_response(started.error()));
}

void handle_count_tokens(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const Result<size_t> count = count_tokens(context, *exchange);
  if (!count) return exchange->respond(anthropic_error_response(count.error()));
  exchange->respond({.status = 200, .body = to_json_text(Json{{"input_tokens", *count}})});
}

}  // namespace glint
