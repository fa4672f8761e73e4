#pragma once

#include <memory>

#include "api/server_context.h"
#include "http/http.h"

namespace glint {

// POST /api/chat and /api/generate: Ollama's chat, and a prompt with its answer. The body may have
// any content type: curl's default is a form's.
void handle_ollama_chat(ServerContext& context, std::shared_ptr<Exchange> exchange);
void handle_ollama_generate(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint
