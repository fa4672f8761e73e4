#include "api/routes.h"

#include "api/anthropic/messages.h"
#include "api/dialect.h"
#include "api/native/generate.h"
#include "api/ollama/answers.h"
#include "api/ollama/models.h"
#include "api/openai/chat.h"
#include "api/openai/completions.h"
#include "api/openapi/openapi.h"
#include "api/operator/configure.h"
#include "api/operator/control.h"
#include "api/operator/front_page.h"
#include "api/operator/loads.h"
#include "api/operator/status.h"
#include "api/operator/unsupported.h"
#include "api/request_policy.h"
#include "api/responses/responses.h"
#include "api/text/parse_output.h"
#include "api/text/tokenize.h"
#include "web/pages.h"

namespace glint {
namespace {

using enum Access;

struct Endpoint {
  const char* method;
  const char* path;
  Access access;
  void (*handle)(ServerContext& context, std::shared_ptr<Exchange> exchange);
};

// What a server that shuts down does not begin any more.
constexpr Endpoint kWork[] = {
    {"POST", "/v1/chat/completions", kUser, handle_chat_completions},
    {"POST", "/v1/completions", kUser, handle_completions},
    {"POST", "/v1/messages", kUser, handle_messages},
    {"POST", "/v1/responses", kUser, handle_create_response},
    {"POST", "/api/chat", kUser, handle_ollama_chat},
    {"POST", "/api/generate", kUser, handle_ollama_generate},
    {"POST", "/generate", kUser, handle_generate},
    {"PUT", "/generate", kUser, handle_generate},
    {"POST", "/invocations", kUser, handle_chat_completions},
    {"POST", "/pause_generation", kAdmin, handle_pause_generation},
};

constexpr Endpoint kEndpoints[] = {
    {"GET", "/", kOpen, handle_front_page},
    {"POST", "/v1/messages/count_tokens", kUser, handle_count_tokens},
    {"GET", "/api/tags", kUser, handle_ollama_tags},
    {"GET", "/api/ps", kUser, handle_ollama_ps},
    {"POST", "/api/show", kUser, handle_ollama_show},
    {"GET", "/api/version", kUser, handle_ollama_version},
    {"POST", "/v1/responses/input_tokens", kUser, handle_count_input_tokens},
    {"GET", "/v1/responses/{id}", kUser, handle_get_response},
    {"DELETE", "/v1/responses/{id}", kUser, handle_delete_response},
    {"POST", "/v1/responses/{id}/cancel", kUser, handle_cancel_response},
    {"GET", "/v1/responses/{id}/input_items", kUser, handle_response_input_items},
    {"POST", "/tokenize", kUser, handle_tokenize},
    {"POST", "/v1/tokenize", kUser, handle_tokenize},
    {"POST", "/detokenize", kUser, handle_detokenize},
    {"POST", "/v1/detokenize", kUser, handle_detokenize},
    {"POST", "/parse_function_call", kUser, handle_parse_function_call},
    {"POST", "/separate_reasoning", kUser, handle_separate_reasoning},
    {"GET", "/v1/models", kUser, handle_models},
    {"GET", "/v1/models/{id}", kUser, handle_model},
    {"GET", "/health", kOpen, handle_health},
    {"GET", "/health_generate", kOpen, handle_health_generate},
    {"GET", "/ping", kOpen, handle_health},
    {"GET", "/version", kUser, handle_version},
    {"GET", "/v1/loads", kUser, handle_loads},
    {"GET", "/get_load", kUser, handle_get_load},
    {"GET", "/model_info", kUser, handle_model_info},
    {"GET", "/get_model_info", kUser, handle_model_info},
    {"GET", "/server_info", kUser, handle_server_info},
    {"GET", "/get_server_info", kUser, handle_server_info},
    {"GET", "/metrics", kOpen, handle_metrics},
    {"GET", "/openapi.json", kOpen, handle_openapi},
    {"GET", "/flush_cache", kAdmin, handle_flush_cache},
    {"POST", "/flush_cache", kAdmin, handle_flush_cache},
    {"POST", "/abort_request", kAdmin, handle_abort_request},
    {"POST", "/continue_generation", kAdmin, handle_continue_generation},
    {"GET", "/start_profile", kAdmin, handle_no_op},
    {"POST", "/start_profile", kAdmin, handle_no_op},
    {"GET", "/stop_profile", kAdmin, handle_no_op},
    {"POST", "/stop_profile", kAdmin, handle_no_op},
    {"GET", "/freeze_gc", kAdmin, handle_no_op},
    {"POST", "/freeze_gc", kAdmin, handle_no_op},
    {"POST", "/configure_logging", kAdmin, handle_no_op},
    {"POST", "/set_internal_state", kAdmin, handle_no_op},
    {"POST", "/slow_down", kAdmin, handle_no_op},
    {"GET", "/configure/questions", kUser, handle_configure_questions},
    {"GET", "/configure/proposal", kUser, handle_configure_proposal},
};

Handler bound(ServerContext& context, const Endpoint& endpoint) {
  return [&context, handle = endpoint.handle](std::shared_ptr<Exchange> exchange) {
    handle(context, std::move(exchange));
  };
}

Handler unless_shutting_down(ServerContext& context, Handler handler) {
  return [&context, handler = std::move(handler)](std::shared_ptr<Exchange> exchange) {
    if (!context.shutting_down) return handler(std::move(exchange));
    exchange->respond(refusal_response(exchange->request().path, 503,
                                       "The server shuts down: it finishes what it has begun and "
                                       "takes nothing new. Try another one, or later."));
  };
}

}  // namespace

Router make_router(ServerContext& context) {
  Router router;
  for (const Endpoint& work : kWork) {
    router.add(work.method, work.path, unless_shutting_down(context, bound(context, work)),
               work.access);
  }
  for (const Endpoint& endpoint : kEndpoints) {
    router.add(endpoint.method, endpoint.path, bound(context, endpoint), endpoint.access);
  }
  add_unsupported(router);
  add_pages(router);
  router.set_hooks(request_policy(context));
  return router;
}

}  // namespace glint
