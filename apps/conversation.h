#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"

namespace glint {

struct ConversationOptions {
  std::string system;  // empty: no system message
  Json tools;          // the API's array; null: none
  bool no_thinking = false;
  int max_tokens = 2048;
  std::optional<double> temperature;  // nothing: the server's default
};

// Talks to the server at `url`, a line of stdin a turn, until stdin ends. SIGINT, which every
// thread must have blocked, stops the answer under way, or else ends the program.
Result<void> converse(const ConversationOptions& options, const std::string& url);

}  // namespace glint
