#pragma once

// Messages exactly as the template sees them, without the duties that a server adds (which roles
// there are, what a null means): for comparing render_chat() with jinja2.

#include "base/result.h"
#include "chat/template.h"

namespace glint {

// {"messages": [...], "tools": [...], "options": {"add_generation_prompt": true, ...}}
Result<RenderedPrompt> render_case(const Json& conversation);

}  // namespace glint
