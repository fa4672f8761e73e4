#include "tokenizer/encoder.h"

#include "base/check.h"
#include "base/planted_bug.h"
#include "tokenizer/pretokenizer.h"

namespace glint {

void Encoder::encode(std::string_view text) {
  over_ = cannot_fit(text);
  size_t at = 0;
  while (!over_) {
    const auto match = data_.added.search(text, at);
    if (!match) break;
    append_text(text.substr(at, match->range.begin - at));
    append_id(match->id);
    at = match->range.end;
  }
  append_text(text.substr(at));
}

void Encoder::encode(std::string_view text, std::span<const ByteRange> control) {
  over_ = cannot_fit(text);
  size_t at = 0, checked = 0;
  for (const auto& [begin, end] : control) {
    CHECK(checked <= begin && begin <= end && end <= text.size(), "control range [", begin, ", ",
          end, ") after ", checked, " in a text of ", text.size(), " bytes");
    checked = end;
    const auto id = data_.added.find(text.substr(begin, end - begin));
    if (!id) continue;  // stays a part of the text around it
    append_text(text.substr(at, begin - at));
    append_id(*id);
    at = end;
  }
  append_text(text.substr(at));
}

// The text between added tokens is split and merged, piece by piece.
void Encoder::append_text(std::string_view text) {
  Pretokenizer pre_tokens(text);
  while (!over_ && !pre_tokens.done()) append_pre_token(pre_tokens.next());
  chars_read_ += pre_tokens.chars_read();
}

// ignore_merges: a whole pre-token of the vocabulary needs no merges, and some are reached in no
// other way.
void Encoder::append_pre_token(std::string_view pre_token) {
  if (const auto id = data_.vocab.find(pre_token)) return append_id(*id);
  over_ = cannot_fit(pre_token);
  if (over_) return;
  merger_.append_ids(pre_token, ids_);
  over_ = ids_.size() > max_tokens_;
}

void Encoder::append_id(TokenId id) {
  if (over_) return;
  ids_.push_back(id);
  over_ = ids_.size() > max_tokens_;
  if (planted(PlantedBug::kLimitReachedIsOver)) over_ = ids_.size() >= max_tokens_;
}

// A text has at most as many tokens as bytes, so that most are not looked at here.
bool Encoder::cannot_fit(std::string_view text) const {
  const size_t room = max_tokens_ - ids_.size();
  return text.size() > room && data_.reach.min_tokens(text) > room;
}

}  // namespace glint
