#include "api/routes.h"

#include "api/errors.h"
#include "api/native/generate.h"
#include "api/openai/chat.h"
#include "api/openai/completions.h"
#include "api/operator/configure.h"
#include "api/operator/control.h"
#include "api/operator/front_page.h"
#include "api/operator/loads.h"
#include "api/operator/status.h"
#include "api/operator/unsupported.h"
#include "api/text/parse_output.h"
#include "api/text/tokenize.h"
#include "web/pages.h"

namespace glint {
namespace {

struct Endpoint {
  const char* method;
  const char* path;
  void (*handle)(ServerContext& context, std::shared_ptr<Exchange> exchange);
};

constexpr Endpoint kEndpoints[] = {
    {"GET", "/", handle_front_page},
    {"POST", "/v1/chat/completions", handle_chat_completions},
    {"POST", "/v1/completions", handle_completions},
    {"POST", "/generate", handle_generate},
    {"PUT", "/generate", handle_generate},
    {"POST", "/tokenize", handle_tokenize},
    {"POST", "/v1/tokenize", handle_tokenize},
    {"POST", "/detokenize", handle_detokenize},
    {"POST", "/v1/detokenize", handle_detokenize},
    {"POST", "/parse_function_call", handle_parse_function_call},
    {"POST", "/separate_reasoning", handle_separate_reasoning},
    {"GET", "/v1/models", handle_models},
    {"GET", "/v1/models/{id}", handle_model},
    {"GET", "/health", handle_health},
    {"GET", "/health_generate", handle_health_generate},
    {"GET", "/ping", handle_health},
    {"POST", "/invocations", handle_chat_completions},
    {"GET", "/version", handle_version},
    {"GET", "/v1/loads", handle_loads},
    {"GET", "/get_load", handle_get_load},
    {"GET", "/model_info", handle_model_info},
    {"GET", "/get_model_info", handle_model_info},
    {"GET", "/server_info", handle_server_info},
    {"GET", "/get_server_info", handle_server_info},
    {"GET", "/metrics", handle_metrics},
    {"GET", "/metrics/", handle_metrics},
    {"GET", "/flush_cache", handle_flush_cache},
    {"POST", "/flush_cache", handle_flush_cache},
    {"POST", "/abort_request", handle_abort_request},
    {"POST", "/pause_generation", handle_pause_generation},
    {"POST", "/continue_generation", handle_continue_generation},
    {"GET", "/start_profile", handle_no_op},
    {"POST", "/start_profile", handle_no_op},
    {"GET", "/stop_profile", handle_no_op},
    {"POST", "/stop_profile", handle_no_op},
    {"GET", "/freeze_gc", handle_no_op},
    {"POST", "/freeze_gc", handle_no_op},
    {"POST", "/configure_logging", handle_no_op},
    {"POST", "/set_internal_state", handle_no_op},
    {"POST", "/slow_down", handle_no_op},
    {"GET", "/configure/questions", handle_configure_questions},
    {"GET", "/configure/proposal", handle_configure_proposal},
};

}  // namespace

Router make_router(ServerContext& context) {
  Router router;
  for (const Endpoint& endpoint : kEndpoints) {
    router.add(endpoint.method, endpoint.path,
               [&context, handle = endpoint.handle](std::shared_ptr<Exchange> exchange) {
                 handle(context, std::move(exchange));
               });
  }
  add_unsupported(router);
  add_pages(router);
  router.set_error_body(
      [](int status, const std::string& message) { return error_response(status, message); });
  return router;
}

}  // namespace glint
