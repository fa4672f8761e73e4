#include "api/request_policy.h"

#include <algorithm>
#include <optional>

#include "api/cors.h"
#include "api/dialect.h"
#include "base/log.h"

namespace glint {
namespace {

HttpResponse unauthorized(const HttpRequest& request) {
  const bool showed_one =
      !request.header("Authorization").empty() || !request.header("x-api-key").empty();
  HttpResponse response = refusal_response(
      request.path, 401,
      showed_one ? "This API key is not one of this server's."
                 : "This server wants an API key: send it as `Authorization: Bearer KEY` or "
                   "`x-api-key: KEY`.");
  response.headers.emplace_back(
      "WWW-Authenticate",
      showed_one ? R"(Bearer realm="glint", error="invalid_token")" : R"(Bearer realm="glint")");
  return response;
}

HttpResponse forbidden(const HttpRequest& request) {
  return refusal_response(request.path, 403,
                          cat(request.path, " is for administrators: send the admin API key."));
}

HttpResponse foreign(const HttpRequest& request) {
  return refusal_response(request.path, 403,
                          "This request comes from a page of another site. If that page may ask "
                          "here, start the server with --cors-allow-origins and its origin.");
}

HttpResponse encoded(const HttpRequest& request) {
  return refusal_response(request.path, 415,
                          cat("The body has the Content-Encoding ",
                              request.header("Content-Encoding"), "; send it as it is."));
}

bool is_encoded(const HttpRequest& request) {
  const std::string_view encoding = request.header("Content-Encoding");
  return !encoding.empty() && !equals_ignoring_case(encoding, "identity");
}

std::optional<HttpResponse> guard(const ServerContext& context, Access access,
                                  const HttpRequest& request) {
  // Browsers send no key with it.
  if (is_preflight(request) && !context.options.cors.allow_origins.empty()) {
    return preflight_response(context.options.cors, request);
  }
  if (request.method == "OPTIONS") return std::nullopt;
  if (access != Access::kOpen && is_foreign(context.options.cors, request)) {
    return foreign(request);
  }
  switch (context.keys.admit(access, request)) {
    case Admission::kUnauthorized:
      return unauthorized(request);
    case Admission::kForbidden:
      return forbidden(request);
    case Admission::kAdmitted:
      break;
  }
  if (is_encoded(request)) return encoded(request);
  return std::nullopt;
}

HttpFields answer_fields(const ServerContext& context, const HttpRequest& request) {
  HttpFields fields = cors_fields(context.options.cors, request);
  // Proxies and clients find their request again by it.
  if (const auto id = request_id(request); !id.empty()) fields.emplace_back("X-Request-Id", id);
  return fields;
}

// No query and no header: a client may have put its key there. No body either.
void log_request(const HttpRequest& request, const HttpOutcome& outcome) {
  log_info("http", {{"method", request.method},
                    {"path", request.path},
                    {"status", outcome.status},
                    {"body_bytes", outcome.body_bytes},
                    {"seconds", outcome.seconds},
                    {"complete", outcome.complete ? "yes" : "no"},
                    {"peer", request.peer},
                    {"x_request_id", request_id(request)}});
}

}  // namespace

Router::Hooks request_policy(ServerContext& context) {
  Router::Hooks hooks;
  hooks.guard = [&context](Access access, const HttpRequest& request) {
    return guard(context, access, request);
  };
  hooks.answer_fields = [&context](const HttpRequest& request) {
    return answer_fields(context, request);
  };
  hooks.error_body = [](const HttpRequest& request, int status, const std::string& message) {
    return refusal_response(request.path, status, message);
  };
  if (context.options.log_requests) hooks.ended = log_request;
  return hooks;
}

}  // namespace glint
