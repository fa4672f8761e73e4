#pragma once

#include <string_view>
#include <vector>

#include "http/router.h"

namespace glint {

// Routes for what SGLang's and OpenAI's servers have and this one never will (embeddings, audio,
// LoRA, weights that change …): 400, in a sentence that says so, rather than 404.
void add_unsupported(Router& router);
// Their paths, all of POST. /openapi.json leaves them out.
std::vector<std::string_view> unsupported_paths();

}  // namespace glint
