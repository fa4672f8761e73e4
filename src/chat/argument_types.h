#pragma once

// The model writes argument values without types: <arg_value>3</arg_value> is the number or the
// text, by the schema of the tool's parameter.

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "chat/message.h"

namespace glint {

// The set of JSON types that a schema allows. Empty: nothing is known.
struct ArgumentTypes {
  bool string = false;
  bool integer = false;
  bool number = false;
  bool boolean = false;
  bool null = false;
  bool object = false;
  bool array = false;

  bool unknown() const {
    return !(string || integer || number || boolean || null || object || array);
  }
  bool operator==(const ArgumentTypes&) const = default;
};

// What the schema of `tool`'s parameter says: type (also a list of types), $ref within the
// parameters, anyOf/oneOf (any of), allOf (all of), enum, const, properties, items.
ArgumentTypes argument_types(const Tool& tool, const std::string& parameter);

// The entry named `name`, in OpenAI's shape or as the bare function; nullptr if there is none.
const Tool* find_tool(const std::vector<Tool>& tools, std::string_view name);

// `text` as a value of one of `types`; a text that fits none is that text, a string. Of a union
// with string the other types come first: "3" for ["string", "integer"] is 3.
Json typed_argument(std::string_view text, const ArgumentTypes& types);

// Whether the value that begins with `begin` may still become other than a string: false means that
// typed_argument() of every continuation is the text itself, which may be sent on at once.
bool may_be_other_than_string(std::string_view begin, const ArgumentTypes& types);

}  // namespace glint
