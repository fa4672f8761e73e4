#pragma once

// Questions about text whose end has not come yet. A parser that must give the same events however
// its text is cut may act on kYes and kNo alone, and waits at kPartial.

#include <initializer_list>
#include <string>
#include <string_view>

namespace glint {

enum class Match { kNo, kPartial, kYes };

bool is_ascii_space(char c);
std::string_view trim_ascii(std::string_view text);

// The first of `tags` in `text`. What stands before `at` holds no tag; at `at` stands `tag` or, if
// that is empty, the end of the text or what may become one of the tags.
struct FoundTag {
  size_t at = 0;
  std::string_view tag;
};
FoundTag find_tag(std::string_view text, std::initializer_list<std::string_view> tags);

// What follows a <tool_call>, up to the first <arg_key>, </tool_call> or the brace of a JSON object
// in their place (not included in `num_bytes`). A <tool_call> that is not followed so is a mention
// of it, not a call.
struct CallOpening {
  Match match = Match::kNo;
  std::string name;
  size_t num_bytes = 0;
  bool has_arguments = false;
};
CallOpening match_call_opening(std::string_view text);

// <arg_key>key</arg_key><arg_value>
Match match_next_pair(std::string_view text);
// </tool_call><tool_call>name<arg_key>key</arg_key><arg_value>
Match match_next_call(std::string_view text);

}  // namespace glint
