#pragma once

#include "chat/template.h"

namespace glint {

// What must hold of every prompt: its control ranges are in order, and each is a control token of
// the chat format; it begins as all do; opens_thinking says how it ends.
void check_prompt(const RenderedPrompt& prompt);

}  // namespace glint
