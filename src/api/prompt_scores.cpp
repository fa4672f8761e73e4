#include "api/prompt_scores.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace glint {
namespace {

static_assert(kScorePieceTokens <= kMaxTriggerIds);

// Says the ids from `begin` to `end`.
GenerateRequest piece_request(const SharedTokens& ids, size_t begin, size_t end, int num_logprobs,
                              const GenerationParams& params) {
  GenerateRequest request;
  request.prompt = ids.first(begin);
  request.max_tokens = static_cast<int>(end - begin);
  request.sampling.num_logprobs = num_logprobs;
  request.sampling.logprob_ids = params.sampling.logprob_ids;
  request.triggers = {{.after_tokens = 0, .forced_ids = {ids.data() + begin, ids.data() + end}}};
  request.priority = params.priority;
  request.cache_namespace = params.cache_namespace;
  request.scores_prompt = true;
  return request;
}

}  // namespace

size_t num_score_pieces(size_t num_tokens, size_t first) {
  const size_t num_scored = num_tokens > first ? num_tokens - first - 1 : 0;
  return (num_scored + kScorePieceTokens - 1) / kScorePieceTokens;
}

Result<void> check_num_sequences(size_t num_answers, size_t num_pieces, std::string_view param) {
  if (num_answers + num_pieces <= kMaxSequences) return {};
  return Error{ErrorCode::kInvalidRequest,
               cat(param,
                   " asks for the log-probabilities of so many prompt tokens that they count "
                   "as ",
                   num_pieces, " answers more, one for every ", kScorePieceTokens, ". With the ",
                   num_answers, " of the request (prompts times n) at most ", kMaxSequences,
                   " are allowed: send fewer prompts at once."),
               std::string(param)};
}

Result<void> check_num_scores(size_t num_scores, std::string_view param) {
  if (num_scores <= kMaxPromptScores) return {};
  return Error{
      ErrorCode::kInvalidRequest,
      cat(param, " asks for ", num_scores,
          " log-probabilities of prompt tokens in one answer (tokens, times those of each, "
          "times n); at most ",
          kMaxPromptScores,
          " are allowed: send fewer prompts at once, or ask for fewer of "
          "each token or a smaller n."),
      std::string(param)};
}

Result<void> check_have_tokens(std::span<const TokenId> ids, std::string_view param,
                               const ServerContext& context) {
  const int num_tokens =
      context.tokenizer ? context.tokenizer->num_tokens() : context.config.vocab_size;
  const auto without = std::ranges::find_if(ids, [&](TokenId id) { return id >= num_tokens; });
  if (without == ids.end()) return {};
  return Error{ErrorCode::kInvalidRequest,
               cat(param, " asks for the log-probability of ", *without,
                   ", which stands for no token; expected ids below ", num_tokens, "."),
               std::string(param)};
}

std::vector<GenerateRequest> score_requests(const SharedTokens& ids, size_t first, int num_logprobs,
                                            const GenerationParams& params) {
  std::vector<GenerateRequest> requests;
  for (size_t begin = first + 1; begin < ids.size(); begin += kScorePieceTokens) {
    const size_t end = std::min(ids.size(), begin + kScorePieceTokens);
    requests.push_back(piece_request(ids, begin, end, num_logprobs, params));
  }
  return requests;
}

bool PromptScores::append(size_t piece, ChoiceDelta delta) {
  std::vector<OutputToken>& known = pieces_[piece];
  known.insert(known.end(), std::make_move_iterator(delta.tokens.begin()),
               std::make_move_iterator(delta.tokens.end()));
  if (delta.finish) --num_missing_;
  return delta.finish.has_value();
}

std::vector<const OutputToken*> PromptScores::tokens() const {
  std::vector<const OutputToken*> tokens;
  for (const auto& piece : pieces_)
    for (const OutputToken& token : piece) tokens.push_back(&token);
  return tokens;
}

}  // namespace glint
