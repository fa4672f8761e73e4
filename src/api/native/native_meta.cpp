#include "api/native/native_meta.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/openai/shapes.h"

namespace glint {
namespace {

Json finish_json(const ChoiceFinish& finish, int completion_tokens) {
  Json json = {{"type", finish_reason(finish.reason)}};
  if (finish.reason == FinishReason::kStop) json["matched"] = matched_stop(finish);
  if (finish.reason == FinishReason::kLength) json["length"] = completion_tokens;
  if (finish.reason == FinishReason::kAbort) json["message"] = finish.message;
  return json;
}

}  // namespace

NativeAnswer::NativeAnswer(const std::optional<Tokenizer>& tokenizer,
                           std::span<const TokenId> prompt) {
  if (!tokenizer) return;
  think_ = tokenizer->find("<think>");
  think_end_ = tokenizer->find("</think>");
  const auto last = std::find_if(prompt.rbegin(), prompt.rend(),
                                 [&](TokenId id) { return id == think_ || id == think_end_; });
  in_reasoning_ = last != prompt.rend() && *last == think_;
}

void NativeAnswer::append(ChoiceDelta delta) {
  for (const OutputToken& token : delta.tokens) count_reasoning(token.id);
  all.append(std::move(delta));
}

void NativeAnswer::count_reasoning(TokenId id) {
  if (!in_reasoning_) {
    in_reasoning_ = id == think_;
    return;
  }
  ++reasoning_tokens_;
  in_reasoning_ = id != think_end_;
}

void NativeAnswer::forget() {
  all.text.clear();
  all.tokens.clear();
}

Json NativeAnswer::to_json(const std::string& id) const {
  const Usage& usage = all.usage;
  Json ids = Json::array();
  for (const OutputToken& token : all.tokens) ids.push_back(token.id);
  Json meta = {{"id", id}, {"finish_reason", nullptr}};
  if (all.finish) meta["finish_reason"] = finish_json(*all.finish, usage.completion_tokens);
  meta["prompt_tokens"] = usage.prompt_tokens;
  meta["completion_tokens"] = usage.completion_tokens;
  meta["cached_tokens"] = usage.cached_tokens;
  meta["reasoning_tokens"] = reasoning_tokens_;
  meta["weight_version"] = "default";
  meta["num_retractions"] = usage.num_retractions;
  return Json{{"text", all.text}, {"output_ids", std::move(ids)}, {"meta_info", std::move(meta)}};
}

void LogprobJson::add_input(TokenId first, const std::vector<const OutputToken*>& others,
                            Json& meta) const {
  Lists lists;
  lists.chosen.push_back(entry(first, std::nullopt));
  lists.tops.push_back(nullptr);
  lists.of_ids.push_back(nullptr);
  for (const OutputToken* token : others) add_token(*token, lists);
  set("input", std::move(lists), meta);
}

void LogprobJson::add_no_input(Json& meta) const { set("input", {}, meta); }

void LogprobJson::add_output(const std::vector<OutputToken>& tokens, Json& meta) const {
  Lists lists;
  for (const OutputToken& token : tokens) add_token(token, lists);
  set("output", std::move(lists), meta);
}

void LogprobJson::add_token(const OutputToken& token, Lists& lists) const {
  const TokenLogprobs values = token.logprobs.value_or(TokenLogprobs{});
  lists.chosen.push_back(entry(token.id, values.chosen));
  Json top = Json::array(), of_ids = Json::array();
  for (const auto& [id, logprob] : values.top) top.push_back(entry(id, logprob));
  for (size_t i = 0; i < values.of_ids.size(); ++i)
    of_ids.push_back(entry(options_.ids[i], values.of_ids[i]));
  lists.tops.push_back(std::move(top));
  lists.of_ids.push_back(std::move(of_ids));
}

void LogprobJson::set(const std::string& side, Lists lists, Json& meta) const {
  meta[side + "_token_logprobs"] = std::move(lists.chosen);
  if (options_.num_top > 0) meta[side + "_top_logprobs"] = std::move(lists.tops);
  if (!options_.ids.empty()) meta[side + "_token_ids_logprobs"] = std::move(lists.of_ids);
}

Json LogprobJson::entry(TokenId id, std::optional<float> logprob) const {
  Json text = nullptr;
  if (tokenizer_ != nullptr && *tokenizer_) text = token_text(**tokenizer_, id);
  return Json::array({logprob ? Json(short_double(*logprob)) : Json(nullptr), id, std::move(text)});
}

}  // namespace glint
