#pragma once

// The other side of the engine: what was asked, what must come back, and what did.

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/event.h"
#include "engine/request.h"

namespace glint::sim {

struct ClientRequest {
  GenerateRequest request;        // max_tokens as admitted
  int order = 0;                  // of submission
  std::vector<TokenId> expected;  // all tokens, if nobody cancels
  FinishReason expected_end = FinishReason::kLength;
  std::vector<TokenId> received;
  Usage usage;
  std::optional<FinishReason> end;
  bool cancelled = false;
};

// What the request alone gives: the fake model's tokens up to the first reason to stop.
ClientRequest expect(GenerateRequest request, int order);

// Checks an event against what must come, and records it. The violation, or empty.
std::string receive(ClientRequest& request, const TokenEvent& event);

}  // namespace glint::sim
