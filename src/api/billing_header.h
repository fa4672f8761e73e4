#pragma once

// Claude Code begins its system prompt with a line "x-anthropic-billing-header: …;" that is
// another one in every request. In the prompt it would stand before everything else, and so nothing
// behind it could ever come from the prefix cache.

#include <vector>

#include "chat/message.h"

namespace glint {

// Drops that line from the front of the first system message, and a part or message of which
// nothing is left. Everything else stays as it is.
void drop_billing_header(std::vector<Message>& messages);

}  // namespace glint
