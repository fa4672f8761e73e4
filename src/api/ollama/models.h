#pragma once

#include <memory>

#include "api/server_context.h"
#include "http/http.h"

namespace glint {

// What Ollama's clients ask about models: there is one, and it is loaded.
void handle_ollama_tags(ServerContext& context, std::shared_ptr<Exchange> exchange);
void handle_ollama_ps(ServerContext& context, std::shared_ptr<Exchange> exchange);
// POST; whatever name is asked for, it is the one model that is shown.
void handle_ollama_show(ServerContext& context, std::shared_ptr<Exchange> exchange);
void handle_ollama_version(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint
