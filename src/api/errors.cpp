#include "api/errors.h"

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace glint {
namespace {

const char* error_type(int status) {
  switch (status) {
    case 400:
      return "BadRequestError";
    case 401:
      return "AuthenticationError";
    case 403:
      return "PermissionDeniedError";
    case 404:
      return "NotFoundError";
    case 405:
      return "MethodNotAllowedError";
    case 413:
      return "RequestTooLargeError";
    case 503:
      return "ServiceUnavailableError";
    default:
      return status < 500 ? "BadRequestError" : "InternalServerError";
  }
}

Json error_object(int status, const std::string& message, const std::string& param) {
  Json object = {{"message", message}, {"type", error_type(status)}};
  object["param"] = param.empty() ? Json(nullptr) : Json(param);
  object["code"] = status;
  return object;
}

Json error_body(int status, const std::string& message, const std::string& param) {
  Json body = {{"object", "error"}};
  body.update(error_object(status, message, param));
  body["error"] = error_object(status, message, param);
  return body;
}

}  // namespace

bool is_over_context(const Error& error) {
  return error.code == ErrorCode::kInvalidRequest &&
         (error.message.find(kInputOverContext) != std::string::npos ||
          error.message.find(kRequestOverContext) != std::string::npos);
}

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidRequest:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kTooLarge:
      return 413;
    case ErrorCode::kOverloaded:
      return 503;
    case ErrorCode::kCancelled:
      return 499;
    case ErrorCode::kInternal:
    case ErrorCode::kStartup:
      return 500;
  }
  return 500;
}

HttpResponse error_response(const Error& error) {
  const int status = http_status(error.code);
  Json body = error_body(status, error.message, error.param);
  if (is_over_context(error)) body["error"]["code"] = "context_length_exceeded";
  return {.status = status, .body = to_json_text(body)};
}

HttpResponse error_response(int status, const std::string& message) {
  return {.status = status, .body = to_json_text(error_body(status, message, ""))};
}

std::string stream_error(const Error& error) {
  Json object = error_object(http_status(error.code), error.message, error.param);
  object["object"] = "error";
  object["retryable"] = error.code == ErrorCode::kOverloaded;
  return to_json_text(Json{{"error", std::move(object)}});
}

}  // namespace glint
