#pragma once

#include <memory>

#include "api/server_context.h"
#include "http/http.h"

namespace glint {

// POST /v1/messages: Anthropic's chat.
void handle_messages(ServerContext& context, std::shared_ptr<Exchange> exchange);

// POST /v1/messages/count_tokens: how long the prompt would be.
void handle_count_tokens(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint
