#include "chat/lookahead.h"

#include <algorithm>

#include "chat/tags.h"

namespace glint {
namespace {

// No opening is longer: bounds what is held back, and the work of asking again at every byte.
constexpr size_t kMaxBytes = 512;

// Function names of all APIs, and other scripts. Not what prose puts next to a tag that it
// mentions: quotes, brackets, commas.
bool is_name_char(char c) {
  return static_cast<unsigned char>(c) > 0x20 && c != 0x7f &&
         std::string_view("<>{}()[]\"'`,;").find(c) == std::string_view::npos;
}

// Walks over a text and remembers whether a question failed because the text ended.
class Lookahead {
 public:
  explicit Lookahead(std::string_view text) : text_(text.substr(0, kMaxBytes)) {
    may_go_on_ = text.size() < kMaxBytes;
  }

  void skip_space() { take_while(is_ascii_space); }

  template <typename Predicate>
  std::string_view take_while(Predicate predicate) {
    const size_t begin = at_;
    while (at_ < text_.size() && predicate(text_[at_])) ++at_;
    if (at_ == text_.size()) ran_out_ = true;
    return text_.substr(begin, at_ - begin);
  }

  bool starts_with(std::string_view literal) {
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with(literal)) return true;
    if (literal.starts_with(rest)) ran_out_ = true;
    return false;
  }

  bool take(std::string_view literal) {
    if (!starts_with(literal)) return false;
    at_ += literal.size();
    return true;
  }

  size_t at() const { return at_; }
  void go_back(size_t at) { at_ = at; }
  Match no_match() const { return ran_out_ && may_go_on_ ? Match::kPartial : Match::kNo; }

 private:
  std::string_view text_;
  size_t at_ = 0;
  bool may_go_on_ = false;
  bool ran_out_ = false;
};

bool is_key_char(char c) { return c != '<'; }

bool take_pair(Lookahead& ahead) {
  if (!ahead.take(tags::kArgKey)) return false;
  ahead.take_while(is_key_char);
  if (!ahead.take(tags::kArgKeyEnd)) return false;
  ahead.skip_space();
  return ahead.take(tags::kArgValue);
}

// {"… or {}: braces in prose, like {function-name}, are not followed so.
bool at_json_object(Lookahead& ahead) {
  const size_t start = ahead.at();
  if (!ahead.take("{")) return false;
  ahead.skip_space();
  const bool found = ahead.starts_with("\"") || ahead.starts_with("}");
  ahead.go_back(start);
  return found;
}

// A first key whose <arg_key> is missing, on a line below the name.
bool at_bare_key(Lookahead& ahead) {
  const size_t start = ahead.at();
  const bool found = !ahead.take_while(is_name_char).empty() && ahead.starts_with(tags::kArgKeyEnd);
  ahead.go_back(start);
  return found;
}

}  // namespace

bool is_ascii_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string_view trim_ascii(std::string_view text) {
  while (!text.empty() && is_ascii_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_ascii_space(text.back())) text.remove_suffix(1);
  return text;
}

FoundTag find_tag(std::string_view text, std::initializer_list<std::string_view> tags) {
  for (size_t at = text.find('<'); at != std::string_view::npos; at = text.find('<', at + 1)) {
    const std::string_view rest = text.substr(at);
    for (const std::string_view tag : tags) {
      if (rest.starts_with(tag)) return {at, tag};
      if (tag.starts_with(rest)) return {at, {}};
    }
  }
  return {text.size(), {}};
}

CallOpening match_call_opening(std::string_view text) {
  Lookahead ahead(text);
  ahead.skip_space();
  CallOpening opening;
  opening.name = ahead.take_while(is_name_char);
  ahead.skip_space();
  opening.num_bytes = ahead.at();
  if (ahead.starts_with(tags::kToolCallEnd)) {
    opening.match = Match::kYes;
  } else if (ahead.starts_with(tags::kArgKey) || at_json_object(ahead) || at_bare_key(ahead)) {
    opening.match = Match::kYes;
    opening.has_arguments = true;
  } else {
    opening.match = ahead.no_match();
  }
  return opening;
}

Match match_next_pair(std::string_view text) {
  Lookahead ahead(text);
  return take_pair(ahead) ? Match::kYes : ahead.no_match();
}

Match match_next_call(std::string_view text) {
  Lookahead ahead(text);
  if (!ahead.take(tags::kToolCallEnd)) return ahead.no_match();
  ahead.skip_space();
  if (!ahead.take(tags::kToolCall)) return ahead.no_match();
  ahead.skip_space();
  ahead.take_while(is_name_char);
  ahead.skip_space();
  return take_pair(ahead) ? Match::kYes : ahead.no_match();
}

}  // namespace glint
