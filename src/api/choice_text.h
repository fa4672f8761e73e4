#pragma once

// One choice on its way back: ids → text → what it stops at.

#include <optional>
#include <string>
#include <vector>

#include "api/generation_params.h"
#include "api/repetition.h"
#include "api/stop_regex.h"
#include "api/stop_strings.h"
#include "engine/event.h"
#include "tokenizer/detokenizer.h"
#include "tokenizer/tokenizer.h"

namespace glint {

inline constexpr const char* kRepetitionDetected = "repetition_detected";  // as in vLLM

struct ChoiceFinish {
  FinishReason reason = FinishReason::kStop;
  std::optional<TokenId> matched_token{};
  std::optional<std::string> matched_string{};  // a stop string or pattern, or kRepetitionDetected
  std::string message{};                        // of kError and kAbort
};

// What a choice grew by.
struct ChoiceDelta {
  std::string text;                 // whole characters; no part of a stop string
  std::vector<OutputToken> tokens;  // all that count in `usage`, also those whose text is held back
  Usage usage;                      // so far
  std::optional<ChoiceFinish> finish;  // on the last one

  // Adds what the choice grew by after this.
  void append(ChoiceDelta later);
};

class ChoiceText {
 public:
  // Without a tokenizer the text stays empty.
  ChoiceText(const std::optional<Tokenizer>& tokenizer, const TextOptions& options);

  // After a stop string or pattern has matched or a repetition was found, `finish` is set and usage
  // counts through the token that completed it; later events give nothing.
  ChoiceDelta append(TokenEvent event);

  bool finished() const { return finished_; }

 private:
  bool text_stopped() const { return stops_.matched() || regexes_.matched(); }
  std::string token_text(TokenId id);
  void show(std::string_view text, ChoiceDelta& delta);
  void finish(const TokenEvent& event, ChoiceDelta& delta);

  std::optional<Tokenizer> tokenizer_;
  std::optional<Detokenizer> detokenizer_;
  StopStrings stops_;
  StopRegexSearch regexes_;
  RepetitionDetector repetition_;
  bool no_stop_trim_;
  bool repeats_ = false;
  bool finished_ = false;
};

}  // namespace glint
