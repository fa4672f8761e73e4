#pragma once

// Which API a path belongs to: each has its own words for an error.

#include <string>
#include <string_view>

#include "http/http.h"

namespace glint {

// What is refused before a handler has it (no key, too large, no such path …), as the path's
// clients read it. OpenAI's: api/errors.h; Anthropic's: {"type": "error", "error": {"type",
// "message"}}; Ollama's: {"error": "…"}. SGLang's own endpoints name a missing key as {"error":
// "Unauthorized"}, with the flat keys beside it, and other errors as OpenAI's.
HttpResponse refusal_response(std::string_view path, int status, const std::string& message);

}  // namespace glint
