#include "api/stop_regex.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/utf8.h"

namespace glint {
namespace {

// Of one compiled program; the state tables that a search builds as it goes are in it, and are
// begun anew when they reach it.
constexpr int64_t kMaxMemoryBytes = 512 * 1024;

re2::RE2::Options options() {
  re2::RE2::Options options;
  options.set_max_mem(kMaxMemoryBytes);
  options.set_log_errors(false);
  return options;
}

std::unique_ptr<const re2::RE2> compiled(const std::string& pattern) {
  return std::make_unique<const re2::RE2>(pattern, options());
}

// A match at the end of the text, or before its last character, of at most four bytes. RE2 searches
// a program that ends in \z backwards from there, and is done after a few bytes where nothing
// ended.
std::string at_end(const std::string& pattern) { return "(?:" + pattern + ")\\C{0,4}\\z"; }

bool matches(const re2::RE2& regex, std::string_view text) {
  const size_t begin = text.size() - std::min(text.size(), kStopRegexWindowBytes);
  return regex.Match(re2::StringPiece(text.data(), text.size()), begin, text.size(),
                     re2::RE2::UNANCHORED, nullptr, 0);
}

bool too_large(const re2::RE2& regex) {
  return regex.error_code() == re2::RE2::ErrorPatternTooLarge ||
         (regex.ok() && regex.ProgramSize() > kMaxStopRegexProgram) ||
         (regex.ok() && regex.ReverseProgramSize() < 0);
}

Error refusal(std::string message) { return {ErrorCode::kInvalidRequest, std::move(message), {}}; }

Error refusal_of_size() {
  return refusal(cat("is too large: at most ", kMaxStopRegexProgram,
                     " instructions of RE2 are allowed for all its patterns. Lower the counts of "
                     "repetitions, or write fewer classes of Unicode."));
}

Error refusal_of_syntax(const re2::RE2& regex) {
  return refusal(cat("has a pattern that RE2 cannot compile (", to_valid_utf8(regex.error()),
                     "). RE2's syntax is that of Perl and Python without lookaround, references "
                     "back and possessive repetition."));
}

// A pattern is compiled by itself first: what closes a group too many is right inside of another.
Result<void> check_pattern(const std::string& pattern) {
  for (const std::string& spelling : {pattern, at_end(pattern)}) {
    const auto regex = compiled(spelling);
    if (too_large(*regex)) return refusal_of_size();
    if (!regex->ok()) return refusal_of_syntax(*regex);
    if (matches(*regex, ""))
      return refusal(
          "has a pattern that the empty text matches: it would end every answer before "
          "its first character.");
  }
  return {};
}

std::string any_of(const std::vector<std::string>& patterns) {
  std::string any;
  for (const std::string& pattern : patterns)
    any += cat(any.empty() ? "" : "|", "(?:", pattern, ")");
  return any;
}

}  // namespace

StopRegexes::StopRegexes(std::vector<std::string> patterns, std::unique_ptr<const re2::RE2> any)
    : patterns_(std::move(patterns)), any_(std::move(any)) {}

StopRegexes::~StopRegexes() = default;

Result<std::shared_ptr<const StopRegexes>> StopRegexes::compile(std::vector<std::string> patterns) {
  CHECK(!patterns.empty(), "no pattern to stop at");
  for (const std::string& pattern : patterns) TRY(check_pattern(pattern));
  auto any = compiled(at_end(any_of(patterns)));
  if (!any->ok() || too_large(*any)) return refusal_of_size();
  return std::shared_ptr<const StopRegexes>(new StopRegexes(std::move(patterns), std::move(any)));
}

std::optional<std::string> StopRegexes::match_at_end(std::string_view text) const {
  if (!matches(*any_, text)) return std::nullopt;
  for (const std::string& pattern : patterns_)
    if (matches(*compiled(at_end(pattern)), text)) return pattern;
  CHECK(false, "a match of no pattern");
  return std::nullopt;
}

size_t StopRegexSearch::append(std::string_view text) {
  if (regexes_ == nullptr) return text.size();
  if (matched_) return 0;
  for (size_t at = 0; at < text.size();) {
    const auto num_bytes = static_cast<size_t>(decode_utf8(text, at).num_bytes);
    tail_ += text.substr(at, num_bytes);
    at += num_bytes;
    matched_ = regexes_->match_at_end(tail_);
    if (matched_) return at;
  }
  // With the next character it is longer than the window again.
  if (tail_.size() > 2 * kStopRegexWindowBytes)
    tail_.erase(0, tail_.size() - kStopRegexWindowBytes);
  return text.size();
}

}  // namespace glint
