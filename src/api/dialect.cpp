#include "api/dialect.h"

#include <nlohmann/json.hpp>

#include "api/anthropic/errors.h"
#include "api/errors.h"
#include "base/json.h"

namespace glint {
namespace {

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

enum class PathDialect {
  kOpenAi,     // /v1/…
  kAnthropic,  // /v1/messages…
  kOllama,     // /api/…
  kNative,     // SGLang's, and what operators ask
};

PathDialect dialect_of(std::string_view path) {
  if (path == "/v1/messages" || path.starts_with("/v1/messages/")) return PathDialect::kAnthropic;
  if (path.starts_with("/v1/")) return PathDialect::kOpenAi;
  return path.starts_with("/api/") ? PathDialect::kOllama : PathDialect::kNative;
}

}  // namespace

HttpResponse refusal_response(std::string_view path, int status, const std::string& message) {
  switch (dialect_of(path)) {
    case PathDialect::kAnthropic:
      return anthropic_error_response(status, message);
    case PathDialect::kOllama:
      return json_response(status, {{"error", message}});
    case PathDialect::kNative:
      return native_response(status, message);
    case PathDialect::kOpenAi:
      break;
  }
  return error_response(status, message);
}

}  // namespace glint
