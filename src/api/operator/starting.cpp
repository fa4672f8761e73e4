#include "api/operator/starting.h"

#include <string>

#include "api/dialect.h"
#include "api/whole_answers.h"

namespace glint {
namespace {

constexpr const char* kRetryAfter_s = "2";

bool asks_for_health(const HttpRequest& request) {
  return request.path == "/health" || request.path == "/health_generate" || request.path == "/ping";
}

HttpResponse starting(const HttpRequest& request, int percent_loaded) {
  const std::string message =
      cat("The server starts: ", percent_loaded, " % of the weights are loaded. Try again soon.");
  HttpResponse response = asks_for_health(request) ? text_response(503, message + "\n")
                                                   : refusal_response(request.path, 503, message);
  response.headers.emplace_back("Retry-After", kRetryAfter_s);
  return response;
}

}  // namespace

Router make_starting_router(const std::atomic<int>& percent_loaded) {
  Router::Hooks hooks;
  hooks.guard = [&percent_loaded](Access, const HttpRequest& request) {
    return std::optional(starting(request, percent_loaded));
  };
  hooks.error_body = [](const HttpRequest& request, int status, const std::string& message) {
    return refusal_response(request.path, status, message);
  };
  Router router;
  router.set_hooks(std::move(hooks));
  return router;
}

}  // namespace glint
