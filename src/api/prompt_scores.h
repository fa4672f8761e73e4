#pragma once

// The log-probabilities of a prompt's own tokens. The engine computes them only for what it says,
// so it is made to say the prompt: beside the answer's sequence run others whose prompt is the
// beginning of the prompt, and whose forced answer is the piece that follows there. They share the
// beginning's pages with each other and the answer, and being many they need fewer steps than one
// would.

#include <vector>

#include "api/native/generate.h"
#include "engine/event.h"
#include "engine/request.h"

namespace glint {

// Prompt tokens that one sequence scores, one a step.
inline constexpr int kScorePieceTokens = 256;

// How many sequences score `prompt`, whose ids are known or not (then none).
size_t num_score_pieces(const NativePrompt& prompt);

// Those, in the order of the pieces. The first token that is asked for has no score, as in SGLang:
// the pieces begin behind it.
std::vector<GenerateRequest> score_requests(const NativePrompt& prompt);

// What they said so far.
class PromptScores {
 public:
  explicit PromptScores(size_t num_pieces) : pieces_(num_pieces), num_missing_(num_pieces) {}

  void append(size_t piece, std::vector<OutputToken> tokens);
  void finish_piece() { --num_missing_; }
  bool complete() const { return num_missing_ == 0; }
  // All tokens behind the first, in order.
  std::vector<const OutputToken*> tokens() const;

 private:
  std::vector<std::vector<OutputToken>> pieces_;
  size_t num_missing_;
};

}  // namespace glint
