#pragma once

#include <memory>

#include "api/server_context.h"
#include "http/http.h"

namespace glint {

// GET /: the chat page for a browser, which asks for text/html. For another client there is nothing
// here, 404, as on SGLang's server.
void handle_front_page(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint
