#include "api/ollama/answers.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "api/chat_start.h"
#include "api/ollama/ollama_request.h"
#include "api/ollama/ollama_writer.h"
#include "api/ollama/shapes.h"
#include "api/prompts.h"
#include "api/request_fields.h"

namespace glint {
namespace {

void answer_loaded(Exchange& exchange, const OllamaRequest& request) {
  Json line = ollama_line(request.endpoint, request.chat.model, {});
  line["done"] = true;
  line["done_reason"] = "load";
  exchange.respond({.status = 200, .body = to_json_text(line)});
}

// Control tokens are matched in the text, and nothing in the answer is reasoning or a call.
Result<void> start_raw(ServerContext& context, const std::shared_ptr<Exchange>& exchange,
                       const OllamaRequest& request, double started_s) {
  const ChatRequest& chat = request.chat;
  std::vector<TokenId> ids = TRY(encode_prompt(*request.raw, std::nullopt, "prompt", context));
  std::vector<GenerateRequest> requests =
      TRY(make_requests({std::move(ids)}, chat.params, chat.max_tokens_if_room, "prompt", context));
  const OutputParserOptions plain{
      .parse_reasoning = false, .parse_tool_calls = false, .starts_in_reasoning = false};
  return Answer::start(context, exchange, std::move(requests), {chat.params.text}, {chat.id},
                       make_ollama_writer(context, exchange, request, plain, started_s));
}

Result<void> start(ServerContext& context, const std::shared_ptr<Exchange>& exchange,
                   OllamaEndpoint endpoint) {
  const double started_s = context.clock.now_s();
  TRY(check_takes_messages(context));
  const Json body = TRY(parse_request_body(/*content_type=*/"", exchange->request().body));
  const OllamaRequest request = TRY(parse_ollama_request(body, endpoint, context));
  if (request.load_only) {
    answer_loaded(*exchange, request);
    return {};
  }
  if (request.raw) return start_raw(context, exchange, request, started_s);
  return start_chat(context, exchange, request.chat, [&](const OutputParserOptions& parser) {
    return make_ollama_writer(context, exchange, request, parser, started_s);
  });
}

void answer(ServerContext& context, const std::shared_ptr<Exchange>& exchange,
            OllamaEndpoint endpoint) {
  const Result<void> started = start(context, exchange, endpoint);
  if (!started) exchange->respond(ollama_error_response(started.error()));
}

}  // namespace

void handle_ollama_chat(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  answer(context, exchange, OllamaEndpoint::kChat);
}

void handle_ollama_generate(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  answer(context, exchange, OllamaEndpoint::kGenerate);
}

}  // namespace glint
