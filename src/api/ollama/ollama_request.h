#pragma once

// The bodies of Ollama's /api/chat and /api/generate.

#include <optional>
#include <string>

#include "api/chat_request.h"
#include "api/server_context.h"
#include "base/json.h"
#include "base/result.h"

namespace glint {

enum class OllamaEndpoint { kChat, kGenerate };

struct OllamaRequest {
  OllamaEndpoint endpoint = OllamaEndpoint::kChat;
  ChatRequest chat{};                // of /api/generate: its system and prompt as messages
  std::optional<std::string> raw{};  // a prompt that is sent as it stands, without the template
  bool load_only = false;            // no messages or prompt: the model is to be loaded
};

Result<OllamaRequest> parse_ollama_request(const Json& body, OllamaEndpoint endpoint,
                                           ServerContext& context);

}  // namespace glint
