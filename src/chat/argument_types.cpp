#include "chat/argument_types.h"

#include <nlohmann/json.hpp>

#include "chat/lookahead.h"
#include "chat/python_literal.h"

namespace glint {
namespace {

bool is_number(const Json& value) { return value.is_number() || value.is_binary(); }

bool allows(const ArgumentTypes& types, const Json& value) {
  if (value.is_null()) return types.null;
  if (value.is_boolean()) return types.boolean;
  if (is_number(value)) return types.integer || types.number;
  if (value.is_object()) return types.object;
  if (value.is_array()) return types.array;
  return false;  // a string is the text itself, never its JSON form
}

// "3" for a number. In a union with string the quotes rather say that text is meant.
bool is_quoted_number(const ArgumentTypes& types, const Json& value) {
  if (types.string || !(types.integer || types.number) || !value.is_string()) return false;
  const auto inner = parse_json(value.get_ref<const std::string&>());
  if (!inner || !is_number(*inner)) return false;
  return types.number || !inner->is_number_float();
}

}  // namespace

Json typed_argument(std::string_view text, const ArgumentTypes& types) {
  const auto json = parse_json(text);
  if (types.unknown()) return json ? *json : Json(text);
  if (json && allows(types, *json)) return *json;
  if (json && is_quoted_number(types, *json)) {
    return take(parse_json(json->get_ref<const std::string&>()));
  }
  const auto literal = parse_python_literal(text);
  if (literal && !is_number(*literal) && allows(types, *literal)) return *literal;
  return Json(text);
}

bool may_be_other_than_string(std::string_view begin, const ArgumentTypes& types) {
  if (types.unknown() || !types.string) return true;
  const std::string_view text = trim_ascii(begin);
  if (text.empty()) {
    return types.integer || types.number || types.boolean || types.null || types.object ||
           types.array;
  }
  const auto fits = [&](bool allowed, std::string_view word) {
    return allowed && word.starts_with(text);
  };
  if (types.object && text.front() == '{') return true;
  if (types.array && text.front() == '[') return true;
  if (fits(types.null, "null") || fits(types.null, "None")) return true;
  if (fits(types.boolean, "true") || fits(types.boolean, "True")) return true;
  if (fits(types.boolean, "false") || fits(types.boolean, "False")) return true;
  // The first 64 characters decide: asked again at every byte, the question must stay cheap.
  return (types.integer || types.number) &&
         text.substr(0, 64).find_first_not_of("+-.0123456789eE") == std::string_view::npos;
}

}  // namespace glint
