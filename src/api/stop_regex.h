#pragma once

// Regular expressions that end a text which comes in pieces. The outcome does not depend on where
// the pieces are cut: the text ends with the first character up to which it has a match, as if
// each of its beginnings were searched. The match stays in it.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace glint {

// A search costs at most the product of these two, for every character: docs/decisions/0005.
inline constexpr int kMaxStopRegexProgram = 500;  // instructions of RE2, for all patterns together
inline constexpr size_t kStopRegexWindowBytes = 1024;  // the end of the text, which is searched

// The patterns of a request, compiled once for all its answers; several threads may use it.
class StopRegexes {
 public:
  // At least one, in RE2's syntax; UTF-8. Refuses, with a predicate for a message ("has a pattern
  // ..."), what RE2 does not know, too large a program, and a pattern that the empty text matches.
  static Result<std::shared_ptr<const StopRegexes>> compile(std::vector<std::string> patterns);
  ~StopRegexes();

  // The first pattern with a match at the end of `text`: within the window, and ending with the
  // last character or just before it (\B waits for what follows). `text` is valid UTF-8: the whole
  // of it, or its last kStopRegexWindowBytes + 1 bytes at least, for what ^ and \b see.
  std::optional<std::string> match_at_end(std::string_view text) const;

 private:
  StopRegexes(std::vector<std::string> patterns, std::unique_ptr<const re2::RE2> any);

  std::vector<std::string> patterns_;
  std::unique_ptr<const re2::RE2> any_;  // all patterns in one program
};

// One text.
class StopRegexSearch {
 public:
  // Null: nothing to stop at.
  explicit StopRegexSearch(std::shared_ptr<const StopRegexes> regexes)
      : regexes_(std::move(regexes)) {}

  // How many bytes of `text`, which consists of whole characters, belong to the answer: all, or
  // after a match those up to its end, and none from then on.
  size_t append(std::string_view text);

  const std::optional<std::string>& matched() const { return matched_; }  // the pattern

 private:
  std::shared_ptr<const StopRegexes> regexes_;
  std::string tail_;  // of the text so far, what match_at_end() needs
  std::optional<std::string> matched_;
};

}  // namespace glint
