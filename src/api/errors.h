#pragma once

// An Error as HTTP: the status, and a body that OpenAI's clients and SGLang's both can read.

#include <string>
#include <string_view>

#include "base/result.h"
#include "http/http.h"

namespace glint {

int http_status(ErrorCode code);

// SGLang's words for what the context cannot hold: agents look for them, and then shorten the
// conversation.
inline constexpr std::string_view kInputOverContext = "is longer than the model's context length";
inline constexpr std::string_view kRequestOverContext =
    "exceeds the model's maximum context length";
// Whether the error says so, in these words.
bool is_over_context(const Error& error);

// {"error": {"message", "type", "param", "code"}, "object": "error", "message", "type", "param",
// "code"}: OpenAI's clients read the nested object, SGLang's the flat keys. The nested code of what
// is_over_context() is OpenAI's "context_length_exceeded".
HttpResponse error_response(const Error& error);
// The same for what the HTTP layer itself refuses (404, 405, 413 …).
HttpResponse error_response(int status, const std::string& message);

// The data of the event that ends a stream after it began, as SGLang sends it.
std::string stream_error(const Error& error);

}  // namespace glint
