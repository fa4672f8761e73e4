#include "api/openai/shapes.h"

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

std::string token_text(const Tokenizer& tokenizer, TokenId id) {
  return to_valid_utf8(tokenizer.token_bytes(id));
}

Json chat_logprob(const OutputToken& token, const Tokenizer& tokenizer, TokenNames names) {
  const TokenLogprobs logprobs = token.logprobs.value_or(TokenLogprobs{});
  Json entry = logprob_entry(token.id, logprobs.chosen, tokenizer, names);
  entry["top_logprobs"] = Json::array();
  for (const auto& [id, logprob] : logprobs.top)
    entry["top_logprobs"].push_back(logprob_entry(id, logprob, tokenizer, names));
  return entry;
}

Json completion_logprobs(const std::vector<OutputToken>& tokens, const Tokenizer& tokenizer,
                         size_t& offset) {
  Json offsets = Json::array(), logprobs = Json::array(), texts = Json::array(),
       tops = Json::array();
  for (const OutputToken& token : tokens) {
    const TokenLogprobs values = token.logprobs.value_or(TokenLogprobs{});
    offsets.push_back(offset);
    logprobs.push_back(short_double(values.chosen));
    texts.push_back(token_text(tokenizer, token.id));
    Json top = Json::object();
    for (const auto& [id, logprob] : values.top)
      top[token_text(tokenizer, id)] = short_double(logprob);
    tops.push_back(std::move(top));
    offset += num_characters(tokenizer.token_bytes(token.id));
  }
  return Json{{"text_offset", std::move(offsets)},
              {"token_logprobs", std::move(logprobs)},
              {"tokens", std::move(texts)},
              {"top_logprobs", std::move(tops)}};
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
