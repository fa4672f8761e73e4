#include "api/dialect.h"

#include <nlohmann/json.hpp>

#include "api/errors.h"
#include "base/json.h"

namespace glint {
namespace {

const char* anthropic_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    default:
      return status < 500 ? "invalid_request_error" : "api_error";
  }
}

HttpResponse json_response(int status, const Json& body) {
  return {.status = status, .body = to_json_text(body)};
}

HttpResponse native_response(int status, const std::string& message) {
  HttpResponse response = error_response(status, message);
  if (status != 401 && status != 403) return response;
  Json body = *parse_json(response.body);
  body["error"] = status == 401 ? "Unauthorized" : "Forbidden";
  return json_response(status, body);
}

}  // namespace

Dialect dialect_of(std::string_view path) {
  if (path == "/v1/messages" || path.starts_with("/v1/messages/")) return Dialect::kAnthropic;
  if (path.starts_with("/v1/")) return Dialect::kOpenAi;
  return path.starts_with("/api/") ? Dialect::kOllama : Dialect::kNative;
}

HttpResponse refusal_response(std::string_view path, int status, const std::string& message) {
  switch (dialect_of(path)) {
    case Dialect::kAnthropic:
      return json_response(
          status,
          {{"type", "error"}, {"error", {{"type", anthropic_type(status)}, {"message", message}}}});
    case Dialect::kOllama:
      return json_response(status, {{"error", message}});
    case Dialect::kNative:
      return native_response(status, message);
    case Dialect::kOpenAi:
      break;
  }
  return error_response(status, message);
}

}  // namespace glint
