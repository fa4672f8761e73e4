#include <charconv>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/utf8.h"

namespace glint {
namespace {

struct Dialect {
  std::string_view item_separator;
  std::string_view key_separator;
  bool has_infinity;  // NaN and Infinity as Python writes them; JSON itself has null only
};

constexpr Dialect kCompact = {",", ":", false};
constexpr Dialect kPython = {", ", ": ", true};

void append_escaped(std::string& out, char c) {
  constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kHex[(c >> 4) & 15];
      out += kHex[c & 15];
  }
}

bool is_plain(char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\'; }

void append_string(std::string& out, std::string_view text) {
  if (!is_valid_utf8(text)) return append_string(out, to_valid_utf8(text));
  out += '"';
  append_json_escaped(out, text);
  out += '"';
}

void append_number(std::string& out, double value, const Dialect& dialect) {
  if (std::isfinite(value) || dialect.has_infinity) {
    out += python_float(value);
  } else {
    out += "null";
  }
}

template <typename Integer>
void append_integer(std::string& out, Integer value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

void append_value(std::string& out, const Json& value, const Dialect& dialect);

void append_object(std::string& out, const Json::object_t& members, const Dialect& dialect) {
  out += '{';
  std::string_view separator;
  for (const auto& [key, value] : members) {
    out += separator;
    separator = dialect.item_separator;
    append_string(out, key);
    out += dialect.key_separator;
    append_value(out, value, dialect);
  }
  out += '}';
}

void append_array(std::string& out, const Json::array_t& items, const Dialect& dialect) {
  out += '[';
  std::string_view separator;
  for (const Json& item : items) {
    out += separator;
    separator = dialect.item_separator;
    append_value(out, item, dialect);
  }
  out += ']';
}

void append_value(std::string& out, const Json& value, const Dialect& dialect) {
  switch (value.type()) {
    case Json::value_t::discarded:
    case Json::value_t::null:
      out += "null";
      return;
    case Json::value_t::boolean:
      out += value.get<bool>() ? "true" : "false";
      return;
    case Json::value_t::string:
      return append_string(out, value.get_ref<const std::string&>());
    case Json::value_t::number_integer:
      return append_integer(out, value.get<int64_t>());
    case Json::value_t::number_unsigned:
      return append_integer(out, value.get<uint64_t>());
    case Json::value_t::number_float:
      return append_number(out, value.get<double>(), dialect);
    case Json::value_t::binary:
      out += *big_integer(value);
      return;
    case Json::value_t::object:
      return append_object(out, value.get_ref<const Json::object_t&>(), dialect);
    case Json::value_t::array:
      return append_array(out, value.get_ref<const Json::array_t&>(), dialect);
  }
}

// "d.ddde±xx", as std::to_chars writes the shortest digits that read back as the same number.
struct Scientific {
  std::string sign;
  std::string digits;  // without the point
  int exponent = 0;    // of the first digit
};

Scientific shortest_digits(double value) {
  char buffer[32];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const char* e = static_cast<const char*>(std::memchr(buffer, 'e', end - buffer));
  Scientific number;
  for (const char* c = buffer; c < e; ++c) {
    if (*c == '-') number.sign += '-';
    if (*c >= '0' && *c <= '9') number.digits += *c;
  }
  std::from_chars(e + (e[1] == '+' ? 2 : 1), end, number.exponent);
  return number;
}

std::string with_exponent(const Scientific& number) {
  std::string text = number.sign;
  text += number.digits[0];
  if (number.digits.size() > 1) {
    text += '.';
    text.append(number.digits, 1);
  }
  text += number.exponent < 0 ? "e-" : "e+";
  const int magnitude = std::abs(number.exponent);
  if (magnitude < 10) text += '0';
  return text += std::to_string(magnitude);
}

std::string without_exponent(const Scientific& number) {
  std::string text = number.sign;
  if (number.exponent < 0) {
    text += "0.";
    text.append(static_cast<size_t>(-number.exponent - 1), '0');
    return text += number.digits;
  }
  const size_t num_whole = static_cast<size_t>(number.exponent) + 1;
  std::string digits = number.digits;
  if (digits.size() <= num_whole) digits.append(num_whole + 1 - digits.size(), '0');
  text.append(digits, 0, num_whole);
  text += '.';
  return text.append(digits, num_whole);
}

}  // namespace

// CPython, float_repr_style "short": format code 'r' uses an exponent where the decimal point would
// stand more than 4 places before or 16 after the first digit (Python/pystrtod.c).
std::string python_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  const Scientific number = shortest_digits(value);
  if (number.exponent < -4 || number.exponent >= 16) return with_exponent(number);
  return without_exponent(number);
}

void append_json_escaped(std::string& out, std::string_view text) {
  size_t written = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_plain(text[i])) continue;
    out += text.substr(written, i - written);
    append_escaped(out, text[i]);
    written = i + 1;
  }
  out += text.substr(written);
}

std::string to_json_text(const Json& value) {
  std::string out;
  append_value(out, value, kCompact);
  return out;
}

std::string to_python_json(const Json& value) {
  std::string out;
  append_value(out, value, kPython);
  return out;
}

}  // namespace glint
