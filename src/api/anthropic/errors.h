#pragma once

// Errors in Anthropic's shape: {"type": "error", "error": {"type", "message"}}. The type follows
// from the status; its clients choose their exception by the status.

#include <string>

#include "base/result.h"
#include "http/http.h"

namespace glint {

HttpResponse anthropic_error_response(const Error& error);
HttpResponse anthropic_error_response(int status, const std::string& message);

// The data of the event `error`, which ends a stream after it began.
std::string anthropic_error_text(const Error& error);

}  // namespace glint
