#pragma once

#include <memory>

#include "api/server_context.h"
#include "http/http.h"

namespace glint {

// POST /v1/chat/completions
void handle_chat_completions(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint
