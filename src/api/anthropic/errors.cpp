#include "api/anthropic/errors.h"

#include <nlohmann/json.hpp>

#include "api/errors.h"
#include "base/json.h"

namespace glint {
namespace {

const char* error_type(int status) {
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
    case 529:
      return "overloaded_error";
    default:
      return status < 499 ? "invalid_request_error" : "api_error";
  }
}

std::string error_text(int status, const std::string& message) {
  const Json object = {{"type", error_type(status)}, {"message", message}};
  return to_json_text(Json{{"type", "error"}, {"error", object}});
}

// Agents look for Anthropic's words, and then shorten the conversation.
std::string message_of(const Error& error) {
  return is_over_context(error) ? "prompt is too long: " + error.message : error.message;
}

}  // namespace

HttpResponse anthropic_error_response(int status, const std::string& message) {
  return {.status = status, .body = error_text(status, message)};
}

HttpResponse anthropic_error_response(const Error& error) {
  return anthropic_error_response(http_status(error.code), message_of(error));
}

std::string anthropic_error_text(const Error& error) {
  return error_text(http_status(error.code), message_of(error));
}

}  // namespace glint
