#include "api/openai/extras.h"

#include <nlohmann/json.hpp>

#include "api/openai/shapes.h"

namespace glint {
namespace {

// [log-probability, id, no text], as in /generate.
Json native_logprob(TokenId id, float logprob) {
  return Json::array({short_double(logprob), id, nullptr});
}

Json finish_json(const ChoiceFinish& finish, int completion_tokens) {
  Json json = {{"type", finish_reason(finish.reason)}};
  if (finish.reason == FinishReason::kStop) json["matched"] = matched_stop(finish);
  if (finish.reason == FinishReason::kLength) json["length"] = completion_tokens;
  return json;
}

}  // namespace

Result<Extras> parse_extras(const RequestFields& fields) {
  Extras extras;
  extras.token_ids = TRY(fields.boolean("return_token_ids")).value_or(false);
  extras.prompt_token_ids = TRY(fields.boolean("return_prompt_token_ids")).value_or(false);
  extras.tokens_as_token_ids = TRY(fields.boolean("return_tokens_as_token_ids")).value_or(false);
  extras.meta_info = TRY(fields.boolean("return_meta_info")).value_or(false);
  extras.cached_tokens_details =
      TRY(fields.boolean("return_cached_tokens_details")).value_or(false);
  return extras;
}

Error prompt_logprobs_in_stream(const RequestFields& fields) {
  return fields.error("prompt_logprobs",
                      "prompt_logprobs is not for streams: expected one of the two.");
}

void MetaInfo::append(const ChoiceDelta& delta) {
  tokens_.insert(tokens_.end(), delta.tokens.begin(), delta.tokens.end());
  usage_ = delta.usage;
  if (delta.finish) finish_ = *delta.finish;
}

Json MetaInfo::to_json(const std::string& id, int with_logprobs, double seconds) const {
  Json meta = {{"id", id},
               {"finish_reason", finish_json(finish_, usage_.completion_tokens)},
               {"prompt_tokens", usage_.prompt_tokens},
               {"completion_tokens", usage_.completion_tokens},
               {"cached_tokens", usage_.cached_tokens},
               {"num_retractions", usage_.num_retractions},
               {"weight_version", "default"},
               {"e2e_latency", seconds}};
  if (with_logprobs < 0) return meta;
  Json chosen = Json::array(), tops = Json::array();
  for (const OutputToken& token : tokens_) {
    const TokenLogprobs values = token.logprobs.value_or(TokenLogprobs{});
    chosen.push_back(native_logprob(token.id, values.chosen));
    Json top = Json::array();
    for (const auto& [top_id, logprob] : values.top) top.push_back(native_logprob(top_id, logprob));
    tops.push_back(std::move(top));
  }
  meta["output_token_logprobs"] = std::move(chosen);
  if (with_logprobs > 0) meta["output_top_logprobs"] = std::move(tops);
  return meta;
}

Json ids_json(const std::vector<OutputToken>& tokens) {
  Json ids = Json::array();
  for (const OutputToken& token : tokens) ids.push_back(token.id);
  return ids;
}

Json sglext(int64_t cached_tokens) {
  return Json{{"cached_tokens_details", {{"device", cached_tokens}, {"host", 0}}}};
}

}  // namespace glint
