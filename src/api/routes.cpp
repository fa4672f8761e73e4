#include "api/routes.h"

#include "api/native/generate.h"
#include "api/openai/chat.h"
#include "api/openai/completions.h"
#include "api/operator/configure.h"
#include "api/operator/front_page.h"
#include "api/operator/status.h"
#include "api/request_policy.h"
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

constexpr Endpoint kEndpoints[] = {
    {"GET", "/", kOpen, handle_front_page},
    {"POST", "/v1/chat/completions", kUser, handle_chat_completions},
    {"POST", "/v1/completions", kUser, handle_completions},
    {"POST", "/generate", kUser, handle_generate},
    {"PUT", "/generate", kUser, handle_generate},
    {"GET", "/v1/models", kUser, handle_models},
    {"GET", "/v1/models/{id}", kUser, handle_model},
    {"GET", "/health", kOpen, handle_health},
    {"GET", "/health_generate", kOpen, handle_health_generate},
    {"GET", "/model_info", kUser, handle_model_info},
    {"GET", "/get_model_info", kUser, handle_model_info},
    {"GET", "/server_info", kUser, handle_server_info},
    {"GET", "/get_server_info", kUser, handle_server_info},
    {"GET", "/metrics", kOpen, handle_metrics},
    {"GET", "/flush_cache", kAdmin, handle_flush_cache},
    {"POST", "/flush_cache", kAdmin, handle_flush_cache},
    {"GET", "/configure/questions", kUser, handle_configure_questions},
    {"GET", "/configure/proposal", kUser, handle_configure_proposal},
};

}  // namespace

Router make_router(ServerContext& context) {
  Router router;
  for (const Endpoint& endpoint : kEndpoints) {
    router.add(
        endpoint.method, endpoint.path,
        [&context, handle = endpoint.handle](std::shared_ptr<Exchange> exchange) {
          handle(context, std::move(exchange));
        },
        endpoint.access);
  }
  add_pages(router);
  router.set_hooks(request_policy(context));
  return router;
}

}  // namespace glint
