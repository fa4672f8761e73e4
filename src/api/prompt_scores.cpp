#include "api/native/prompt_scores.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "api/prompt_scoring.h"

namespace glint {

static_assert(kScorePieceTokens <= kMaxScoredTokens);

size_t num_score_pieces(const NativePrompt& prompt) {
  if (!prompt.logprobs.prompt_begin) return 0;
  const int first = *prompt.logprobs.prompt_begin + 1;
  const int num_scored = static_cast<int>(prompt.ids.size()) - first;
  return static_cast<size_t>(std::max(0, num_scored + kScorePieceTokens - 1) / kScorePieceTokens);
}

std::vector<GenerateRequest> score_requests(const NativePrompt& prompt) {
  std::vector<GenerateRequest> requests;
  const std::span<const TokenId> ids = prompt.ids;
  const size_t num_pieces = num_score_pieces(prompt);
  for (size_t piece = 0; piece < num_pieces; ++piece) {
    const size_t begin =
        static_cast<size_t>(*prompt.logprobs.prompt_begin) + 1 + piece * kScorePieceTokens;
    const size_t end = std::min(ids.size(), begin + kScorePieceTokens);
    requests.push_back(scoring_request(ids, begin, end, prompt.logprobs.num_top, prompt.params));
  }
  return requests;
}

void PromptScores::append(size_t piece, std::vector<OutputToken> tokens) {
  std::vector<OutputToken>& known = pieces_[piece];
  known.insert(known.end(), std::make_move_iterator(tokens.begin()),
               std::make_move_iterator(tokens.end()));
}

std::vector<const OutputToken*> PromptScores::tokens() const {
  std::vector<const OutputToken*> tokens;
  for (const auto& piece : pieces_)
    for (const OutputToken& token : piece) tokens.push_back(&token);
  return tokens;
}

}  // namespace glint
