#pragma once

// Text to ids and back, for clients that count or cut.

#include <memory>

#include "api/server_context.h"
#include "http/http.h"

namespace glint {

// POST /tokenize, /v1/tokenize: `prompt`, a text or an array of them, or `messages` with all that
// shapes a chat's prompt, to {"tokens", "count", "max_model_len"}; with return_token_strs also
// "token_strs". For an array, each is an array.
void handle_tokenize(ServerContext& context, std::shared_ptr<Exchange> exchange);
// POST /detokenize, /v1/detokenize: `tokens`, ids or an array of such arrays, to {"text"}.
void handle_detokenize(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint
