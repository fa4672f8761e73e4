#pragma once

// The `input` of a response as items, and items as the messages that the template knows.
//
// One turn of the assistant is several items (reasoning, message, function_call …) and one message:
//
//   reasoning ─▶ reasoning_content ┐
//   message   ─▶ content           ├ one assistant message, until an item of another role, or one
//   call …    ─▶ tool_calls        ┘ that the message cannot take in this order

#include <vector>

#include "api/request_fields.h"
#include "api/server_context.h"
#include "base/json.h"
#include "base/result.h"
#include "chat/message.h"

namespace glint {

// `input`, a string or an array of items, as an array of items that each have a type and an id. An
// item_reference is replaced by the item; kNotFound if it is not stored.
Result<Json> parse_input(const RequestFields& fields, ServerContext& context);

// The messages of a whole conversation. Its first `num_earlier` items come from an earlier
// response, the others are `input`; errors name an item by its place there.
Result<std::vector<Message>> messages_of_items(const Json& items, size_t num_earlier);

}  // namespace glint
