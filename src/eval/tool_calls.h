#pragma once

#include <string>

#include "base/json.h"

namespace glint {

// The tool calls of a chat completion as [{"name", "arguments"}], arguments parsed; a call whose
// arguments are no JSON keeps their text.
Json calls_of(const Json& completion);

}  // namespace glint
