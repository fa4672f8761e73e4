#include "api/routes.h"

#include "api/operator/configure.h"
#include "api/errors.h"
#include "api/operator/front_page.h"
#include "api/native/generate.h"
#include "api/openai/chat.h"
#include "api/openai/completions.h"
#include "api/openapi/openapi.h"
#include "api/operator/status.h"
#include "api/responses/responses.h"
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
    {"POST", "/v1/responses", handle_create_response},
    {"POST", "/v1/responses/input_tokens", handle_count_input_tokens},
    {"GET", "/v1/responses/{id}", handle_get_response},
    {"DELETE", "/v1/responses/{id}", handle_delete_response},
    {"POST", "/v1/responses/{id}/cancel", handle_cancel_response},
    {"GET", "/v1/responses/{id}/input_items", handle_response_input_items},
    {"GET", "/v1/models", handle_models},
    {"GET", "/v1/models/{id}", handle_model},
    {"GET", "/health", handle_health},
    {"GET", "/health_generate", handle_health_generate},
    {"GET", "/model_info", handle_model_info},
    {"GET", "/get_model_info", handle_model_info},
    {"GET", "/server_info", handle_server_info},
    {"GET", "/get_server_info", handle_server_info},
    {"GET", "/metrics", handle_metrics},
    {"GET", "/openapi.json", handle_openapi},
    {"GET", "/flush_cache", handle_flush_cache},
    {"POST", "/flush_cache", handle_flush_cache},
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
  add_pages(router);
  router.set_error_body(
      [](int status, const std::string& message) { return error_response(status, message); });
  return router;
}

}  // namespace glint
