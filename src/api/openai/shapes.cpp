#include "api/openai/shapes.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/utf8.h"

namespace glint {
namespace {

std::string token_name(const Tokenizer& tokenizer, TokenId id, TokenNames names) {
  return names == TokenNames::kIds ? cat("token_id:", id) : token_text(tokenizer, id);
}

Json logprob_entry(TokenId id, float logprob, const Tokenizer& tokenizer, TokenNames names) {
  Json bytes = Json::array();
  for (const char c : tokenizer.token_bytes(id)) bytes.push_back(static_cast<unsigned char>(c));
  return Json{{"token", token_name(tokenizer, id, names)},
              {"logprob", short_double(logprob)},
              {"bytes", std::move(bytes)}};
}

Json top_logprobs(std::span<const std::pair<TokenId, float>> top, int num_top,
                  const Tokenizer& tokenizer, TokenNames names) {
  Json json = Json::object();
  for (const auto& [id, logprob] : top.first(std::min(top.size(), static_cast<size_t>(num_top))))
    json[token_name(tokenizer, id, names)] = short_double(logprob);
  return json;
}

Json ranked_logprobs(const OutputToken& token, int num_top, const Tokenizer& tokenizer) {
  Json entries = Json::object();
  const auto add = [&](TokenId id, float logprob, Json rank) {
    entries[std::to_string(id)] = {{"logprob", short_double(logprob)},
                                   {"rank", std::move(rank)},
                                   {"decoded_token", token_text(tokenizer, id)}};
  };
  const TokenLogprobs logprobs = token.logprobs.value_or(TokenLogprobs{});
  add(token.id, logprobs.chosen, nullptr);
  const auto& top = logprobs.top;
  for (size_t i = 0; i < std::min(top.size(), static_cast<size_t>(num_top)); ++i)
    add(top[i].first, top[i].second, i + 1);
  return entries;
}

size_t num_characters(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

}  // namespace

void UsageSum::set(int choice, const Usage& usage, int reasoning_tokens) {
  choices_[static_cast<size_t>(choice)] = {usage, reasoning_tokens};
}

int64_t UsageSum::cached_tokens() const {
  int64_t cached = 0;
  for (size_t i = 0; i < choices_.size(); i += static_cast<size_t>(n_))
    cached += choices_[i].usage.cached_tokens;
  return cached;
}

Json UsageSum::to_json() const {
  int64_t prompt = 0, completion = 0, reasoning = 0;
  for (size_t i = 0; i < choices_.size(); ++i) {
    const ChoiceUsage& choice = choices_[i];
    completion += choice.usage.completion_tokens;
    reasoning += choice.reasoning_tokens;
    if (i % static_cast<size_t>(n_) == 0) prompt += choice.usage.prompt_tokens;
  }
  return Json{{"prompt_tokens", prompt},
              {"total_tokens", prompt + completion},
              {"completion_tokens", completion},
              {"prompt_tokens_details", {{"cached_tokens", cached_tokens()}}},
              {"completion_tokens_details", {{"reasoning_tokens", reasoning}}},
              {"reasoning_tokens", reasoning}};
}

const char* finish_reason(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kAbort:
      return "abort";
    case FinishReason::kError:
      return "error";
  }
  return "error";
}

Json matched_stop(const ChoiceFinish& finish) {
  if (finish.matched_string) return *finish.matched_string;
  if (finish.matched_token) return *finish.matched_token;
  return nullptr;
}

Json stop_reason(const ChoiceFinish& finish, const std::vector<TokenId>& natural_ends) {
  const bool is_natural =
      finish.matched_token &&
      std::ranges::find(natural_ends, *finish.matched_token) != natural_ends.end();
  return is_natural ? Json(nullptr) : matched_stop(finish);
}

std::string token_text(const Tokenizer& tokenizer, TokenId id) {
  return to_valid_utf8(tokenizer.token_bytes(id));
}

TokenNames token_names(const Extras& extras) {
  return extras.tokens_as_token_ids ? TokenNames::kIds : TokenNames::kText;
}

Json chat_logprob(const OutputToken& token, const Tokenizer& tokenizer, TokenNames names) {
  const TokenLogprobs logprobs = token.logprobs.value_or(TokenLogprobs{});
  Json entry = logprob_entry(token.id, logprobs.chosen, tokenizer, names);
  entry["top_logprobs"] = Json::array();
  for (const auto& [id, logprob] : logprobs.top)
    entry["top_logprobs"].push_back(logprob_entry(id, logprob, tokenizer, names));
  return entry;
}

Json completion_logprobs(const std::vector<OutputToken>& tokens, int num_top,
                         const Tokenizer& tokenizer, TokenNames names, size_t& offset) {
  Json offsets = Json::array(), logprobs = Json::array(), texts = Json::array(),
       tops = Json::array();
  for (const OutputToken& token : tokens) {
    offsets.push_back(offset);
    texts.push_back(token_name(tokenizer, token.id, names));
    offset += num_characters(tokenizer.token_bytes(token.id));
    logprobs.push_back(token.logprobs ? Json(short_double(token.logprobs->chosen)) : nullptr);
    Json top = nullptr;
    if (token.logprobs) {  // with the token itself: up to one more than were asked for
      top = top_logprobs(token.logprobs->top, num_top, tokenizer, names);
      const auto& name = texts.back().get_ref<const std::string&>();
      if (!top.contains(name)) top[name] = logprobs.back();
    }
    tops.push_back(std::move(top));
  }
  return Json{{"text_offset", std::move(offsets)},
              {"token_logprobs", std::move(logprobs)},
              {"tokens", std::move(texts)},
              {"top_logprobs", std::move(tops)}};
}

Json prompt_logprobs(const std::vector<const OutputToken*>& tokens, int num_top,
                     const Tokenizer& tokenizer) {
  Json list = Json::array({nullptr});
  for (const OutputToken* token : tokens)
    list.push_back(ranked_logprobs(*token, num_top, tokenizer));
  return list;
}

double short_double(float value) {
  char digits[32];
  const auto [end, status] = std::to_chars(digits, digits + sizeof digits, value);
  double parsed = value;
  if (status == std::errc()) std::from_chars(digits, end, parsed);
  return parsed;
}

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  append_json_escaped(out, text);
  out += '"';
  return out;
}

}  // namespace glint
