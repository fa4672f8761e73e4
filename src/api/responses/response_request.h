#pragma once

// The body of POST /v1/responses as our types.

#include <string>

#include "api/chat_request.h"
#include "api/responses/output_items.h"
#include "api/server_context.h"
#include "base/json.h"
#include "base/result.h"

namespace glint {

struct ResponseRequest {
  ChatRequest chat;  // what the model is asked; its id is the response's
  Json items;        // the conversation without instructions: an earlier response's items, `input`
  OutputItemOptions output;
  bool store = true;
  bool background = false;
  int64_t created_s = 0;
  Json echo;  // the fields of the response object that repeat the request
};

// Everything that can be wrong with a request but its length is found here. kNotFound if
// previous_response_id, or an item_reference, is not stored.
Result<ResponseRequest> parse_response_request(const Json& body, ServerContext& context);

}  // namespace glint
