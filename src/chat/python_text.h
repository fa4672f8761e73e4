#pragma once

// What Python makes of a value where the chat template prints or strips one: Jinja writes {{ x }}
// as str(x), and a dict or list inside as repr(x).

#include <string>
#include <string_view>

#include "base/json.h"

namespace glint {

// str(value): a string as it is; None, True, 1e+16, {'k': 'é'} for the others.
std::string python_str(const Json& value);
std::string python_repr(const Json& value);

// text.strip(): without the white space, of all Unicode, at both ends.
std::string_view python_strip(std::string_view text);

// text.lstrip('\n') and text.rstrip('\n').
std::string_view strip_newlines_left(std::string_view text);
std::string_view strip_newlines_right(std::string_view text);

}  // namespace glint
