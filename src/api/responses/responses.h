#pragma once

// OpenAI's Responses. `{id}` is a response's.

#include <memory>

#include "api/server_context.h"
#include "http/http.h"

namespace glint {

// POST /v1/responses
void handle_create_response(ServerContext& context, std::shared_ptr<Exchange> exchange);
// POST /v1/responses/input_tokens: the same body's tokens are counted, and nothing is generated.
void handle_count_input_tokens(ServerContext& context, std::shared_ptr<Exchange> exchange);
// GET and DELETE /v1/responses/{id}
void handle_get_response(ServerContext& context, std::shared_ptr<Exchange> exchange);
void handle_delete_response(ServerContext& context, std::shared_ptr<Exchange> exchange);
// POST /v1/responses/{id}/cancel
void handle_cancel_response(ServerContext& context, std::shared_ptr<Exchange> exchange);
// GET /v1/responses/{id}/input_items
void handle_response_input_items(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint
