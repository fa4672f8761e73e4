#pragma once

// Pieces of JSON that Ollama's endpoints share.

#include <string>

#include "api/ollama/ollama_request.h"
#include "base/json.h"
#include "base/result.h"
#include "http/http.h"

namespace glint {

// {"error": "…"}: its clients expect text there.
HttpResponse ollama_error_response(const Error& error);
std::string ollama_error_text(const Error& error);

// RFC 3339 in UTC with nanoseconds, as Go writes it.
std::string rfc3339(int64_t unix_ns);
std::string rfc3339_now();

// A piece of an answer, or all of it.
struct OllamaPiece {
  std::string thinking, content;
  Json tool_calls;  // an array, or null
  Json logprobs;    // an array, or null

  bool empty() const {
    return thinking.empty() && content.empty() && tool_calls.is_null() && logprobs.is_null();
  }
};

// {"model", "created_at", "message" or "response", …, "done": false}
Json ollama_line(OllamaEndpoint endpoint, const std::string& model, OllamaPiece piece);

}  // namespace glint
