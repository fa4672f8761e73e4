#pragma once

// The command generator for the page /configure, which has no sums of its own.

#include <memory>

#include "api/server_context.h"
#include "http/http.h"

namespace glint {

// GET /configure/questions: {"questions": [...]}, configure/proposal.h's questions_json.
void handle_configure_questions(ServerContext& context, std::shared_ptr<Exchange> exchange);
// GET /configure/proposal?hardware=h100&…: answers by question id; missing ones take their preset.
// An unknown question or value is a 400 with the question as `param`.
void handle_configure_proposal(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint
