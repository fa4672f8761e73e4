#pragma once

// The parsers of answers, for text that a client has already.

#include <memory>

#include "api/server_context.h"
#include "http/http.h"

namespace glint {

// POST /parse_function_call {"text", "tools", "tool_call_parser"} to {"normal_text", "calls":
// [{"tool_index", "name", "parameters"}]}; tool_index counts the calls, parameters is JSON text. A
// call that is cut off is left out.
void handle_parse_function_call(ServerContext& context, std::shared_ptr<Exchange> exchange);
// POST /separate_reasoning {"text", "reasoning_parser"} to {"reasoning_text", "text"}. A text
// without <think> in front and </think> has no reasoning.
void handle_separate_reasoning(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint
