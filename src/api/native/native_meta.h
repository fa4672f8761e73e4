#pragma once

// What /generate says of one answer.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/choice_text.h"
#include "api/native/generate.h"
#include "base/json.h"

namespace glint {

// One answer as it grows.
struct NativeAnswer {
  NativeAnswer() = default;
  // Whether the answer begins within reasoning is read off the end of the prompt.
  NativeAnswer(const std::optional<Tokenizer>& tokenizer, std::span<const TokenId> prompt);

  void append(ChoiceDelta delta);
  // Text and tokens so far: the next to_json() has what comes after.
  void forget();
  // {"text", "output_ids", "meta_info"}; the latter without log-probabilities and e2e_latency.
  Json to_json(const std::string& id) const;

  ChoiceDelta all;  // since the beginning, or the last forget()

 private:
  void count_reasoning(TokenId id);

  std::optional<TokenId> think_, think_end_;
  bool in_reasoning_ = false;
  int reasoning_tokens_ = 0;  // </think> is one, as in SGLang
};

// The keys of log-probabilities in meta_info. An entry is [log-probability or null, id, text or
// null].
class LogprobJson {
 public:
  // Texts are null without `tokenizer`.
  LogprobJson(const LogprobOptions& options, const std::optional<Tokenizer>* tokenizer)
      : options_(options), tokenizer_(tokenizer) {}

  // `first` has none: nothing comes before it.
  void add_input(TokenId first, const std::vector<const OutputToken*>& others, Json& meta) const;
  void add_no_input(Json& meta) const;
  void add_output(const std::vector<OutputToken>& tokens, Json& meta) const;

 private:
  // With an entry, or a list of them, for each token.
  struct Lists {
    Json chosen = Json::array(), tops = Json::array(), of_ids = Json::array();
  };
  Json entry(TokenId id, std::optional<float> logprob) const;
  void add_token(const OutputToken& token, Lists& lists) const;
  void set(const std::string& side, Lists lists, Json& meta) const;

  const LogprobOptions& options_;
  const std::optional<Tokenizer>* tokenizer_;
};

}  // namespace glint
