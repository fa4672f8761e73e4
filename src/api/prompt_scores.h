#pragma once

// The log-probabilities of a prompt's own tokens. The engine computes them only for what it says,
// so it is made to say the prompt: beside the answer's sequence run others whose prompt is the
// beginning of the prompt, and whose forced answer is the piece that follows there. They share the
// beginning's pages with each other and the answer, and being many they need fewer steps than one
// would.

#include <span>
#include <string_view>
#include <vector>

#include "api/choice_text.h"
#include "api/generation_params.h"
#include "api/server_context.h"
#include "base/result.h"
#include "engine/event.h"
#include "engine/request.h"

namespace glint {

// Prompt tokens that one sequence scores, one a step.
inline constexpr size_t kScorePieceTokens = 256;

// How many sequences score a prompt's tokens from `first` on. That one has no score, as in SGLang:
// the pieces begin behind it.
size_t num_score_pieces(size_t num_tokens, size_t first = 0);

// Answers and pieces of one request, refused above kMaxSequences. `param` asked for the scores.
Result<void> check_num_sequences(size_t num_answers, size_t num_pieces, std::string_view param);

// Log-probabilities of prompt tokens in one answer: while it is put together each takes some 100
// to 300 bytes. A chat's one prompt has fewer.
inline constexpr size_t kMaxPromptScores = size_t{1} << 23;

// `num_scores`: tokens times what each of them has, repeated in every answer to the prompt.
Result<void> check_num_scores(size_t num_scores, std::string_view param);

// kInvalidRequest about `param` if one of `ids` stands for no token.
Result<void> check_have_tokens(std::span<const TokenId> ids, std::string_view param,
                               const ServerContext& context);

// The requests of num_score_pieces(), in order. Of ids[first + 1] and those that follow each has a
// token, and with its log-probability come those of the `num_logprobs` likeliest and of the
// logprob_ids in `params`.
std::vector<GenerateRequest> score_requests(const SharedTokens& ids, size_t first, int num_logprobs,
                                            const GenerationParams& params);

// What they said so far.
class PromptScores {
 public:
  explicit PromptScores(size_t num_pieces) : pieces_(num_pieces), num_missing_(num_pieces) {}

  // A piece grew. True: it is complete.
  bool append(size_t piece, ChoiceDelta delta);
  bool complete() const { return num_missing_ == 0; }
  // All tokens behind the first, in order.
  std::vector<const OutputToken*> tokens() const;

 private:
  std::vector<std::vector<OutputToken>> pieces_;
  size_t num_missing_;
};

}  // namespace glint
