#pragma once

// An Error as HTTP: the status, and a body that OpenAI's clients and SGLang's both can read.

#include <string>

#include "base/result.h"
#include "http/http.h"

namespace glint {

int http_status(ErrorCode code);

// {"error": {"message", "type", "param", "code"}, "object": "error", "message", "type", "param",
// "code"}: OpenAI's clients read the nested object, SGLang's the flat keys.
HttpResponse error_response(const Error& error);
// The same for what the HTTP layer itself refuses (404, 405, 413 …).
HttpResponse error_response(int status, const std::string& message);

// The data of the event that ends a stream after it began, as SGLang sends it.
std::string stream_error(const Error& error);

}  // namespace glint
