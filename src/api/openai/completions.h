#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/generation_params.h"
#include "api/server_context.h"
#include "http/http.h"

namespace glint {

struct CompletionRequest {
  std::string model;
  std::string id;
  std::vector<SharedTokens> prompts;
  std::vector<std::string> echoes;  // each prompt's text, with echo
  GenerationParams params;
  bool stream = false;
  bool include_usage = false;
  bool continuous_usage = false;
};

Result<CompletionRequest> parse_completion_request(const Json& body, ServerContext& context);

// POST /v1/completions
void handle_completions(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint
