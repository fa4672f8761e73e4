#pragma once

// The body of /v1/messages, and of /v1/messages/count_tokens, as a ChatRequest.

#include "api/chat_request.h"
#include "api/server_context.h"
#include "base/json.h"
#include "base/result.h"

namespace glint {

// A body that is only counted needs no max_tokens. The request's id, its rid or a new one, is the
// message's.
enum class MessagesUse { kAnswer, kCount };

// Everything that can be wrong with the request but its length is found here.
Result<ChatRequest> parse_messages_request(const Json& body, MessagesUse use,
                                           ServerContext& context);

}  // namespace glint
