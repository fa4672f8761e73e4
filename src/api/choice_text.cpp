#include "api/choice_text.h"

#include <iterator>
#include <utility>

#include "base/utf8.h"

namespace glint {

void ChoiceDelta::append(ChoiceDelta later) {
  text += later.text;
  tokens.insert(tokens.end(), std::make_move_iterator(later.tokens.begin()),
                std::make_move_iterator(later.tokens.end()));
  usage = later.usage;
  finish = std::move(later.finish);
}

ChoiceText::ChoiceText(const std::optional<Tokenizer>& tokenizer, const TextOptions& options)
    : tokenizer_(tokenizer),
      stops_(options.stop),
      regexes_(options.stop_regex),
      repetition_(options.repetition),
      no_stop_trim_(options.no_stop_trim) {
  if (tokenizer) detokenizer_.emplace(*tokenizer, options.skip_special_tokens);
}

ChoiceDelta ChoiceText::append(TokenEvent event) {
  ChoiceDelta delta;
  delta.usage = event.usage;
  if (finished_) return delta;
  const bool ends_in_stop_id =
      event.finish && event.finish->reason == FinishReason::kStop && event.finish->matched_stop;
  for (size_t i = 0; i < event.tokens.size() && !text_stopped() && !repeats_; ++i) {
    const bool is_stop_id = ends_in_stop_id && i + 1 == event.tokens.size();
    if (!is_stop_id) show(token_text(event.tokens[i].id), delta);
    repeats_ = !is_stop_id && repetition_.append(event.tokens[i].id);
    delta.tokens.push_back(std::move(event.tokens[i]));
  }
  delta.usage.completion_tokens -= static_cast<int>(event.tokens.size() - delta.tokens.size());
  if (text_stopped() || repeats_ || event.finish) finish(event, delta);
  return delta;
}

std::string ChoiceText::token_text(TokenId id) {
  return detokenizer_ ? detokenizer_->append(id) : std::string();
}

// Text after a pattern's match is no string's: whichever ends first stops the text, and of two that
// end together the string.
void ChoiceText::show(std::string_view text, ChoiceDelta& delta) {
  delta.text += stops_.append(text.substr(0, regexes_.append(text)));
}

void ChoiceText::finish(const TokenEvent& event, ChoiceDelta& delta) {
  finished_ = true;
  if (!text_stopped() && detokenizer_) show(detokenizer_->finish(), delta);
  if (stops_.matched()) {
    delta.finish = ChoiceFinish{.reason = FinishReason::kStop, .matched_string = stops_.matched()};
    if (no_stop_trim_) delta.text += *stops_.matched();
    return;
  }
  delta.text += stops_.finish();
  if (regexes_.matched() || repeats_) {
    delta.finish = ChoiceFinish{.reason = FinishReason::kStop,
                                .matched_string = regexes_.matched().value_or(kRepetitionDetected)};
    return;
  }
  delta.finish = ChoiceFinish{.reason = event.finish->reason,
                              .matched_token = event.finish->matched_stop,
                              .message = event.finish->message};
  if (no_stop_trim_ && tokenizer_ && event.finish->matched_stop)
    delta.text += to_valid_utf8(tokenizer_->token_bytes(*event.finish->matched_stop));
}

}  // namespace glint
