#pragma once

#include <memory>

#include "api/server_context.h"
#include "http/http.h"

namespace glint {

// GET /: the chat page for a browser, which asks for text/html. Another client gets 200 and a line
// of text: those of SGLang and Ollama ask here whether a server runs.
void handle_front_page(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint
