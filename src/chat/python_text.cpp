#include "chat/python_text.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "chat/printable_tables.h"

namespace glint {
namespace {

bool is_printable(char32_t c) {
  const auto range =
      std::lower_bound(std::begin(kUnprintable), std::end(kUnprintable), c,
                       [](const CodePointRange& r, char32_t x) { return r.last < x; });
  return range == std::end(kUnprintable) || c < range->first;
}

// str.isspace() of CPython: bidirectional type WS, B or S, or category Zs.
bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

void append_hex(std::string& out, std::string_view prefix, char32_t value, int num_digits) {
  constexpr char kHex[] = "0123456789abcdef";
  out += prefix;
  for (int shift = 4 * (num_digits - 1); shift >= 0; shift -= 4) out += kHex[(value >> shift) & 15];
}

void append_repr(std::string& out, char32_t c, std::string_view bytes, char quote) {
  if (c == static_cast<char32_t>(quote) || c == '\\') {
    out += '\\';
    out += bytes;
  } else if (c == '\t') {
    out += "\\t";
  } else if (c == '\n') {
    out += "\\n";
  } else if (c == '\r') {
    out += "\\r";
  } else if (is_printable(c)) {
    out += bytes;
  } else if (c <= 0xFF) {
    append_hex(out, "\\x", c, 2);
  } else if (c <= 0xFFFF) {
    append_hex(out, "\\u", c, 4);
  } else {
    append_hex(out, "\\U", c, 8);
  }
}

void append_string_repr(std::string& out, std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  out += quote;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    const auto num_bytes = static_cast<size_t>(c.num_bytes);
    append_repr(out, c.code_point, text.substr(at, num_bytes), quote);
    at += num_bytes;
  }
  out += quote;
}

void append_value_repr(std::string& out, const Json& value);

void append_dict(std::string& out, const Json::object_t& members) {
  out += '{';
  const char* separator = "";
  for (const auto& [key, value] : members) {
    out += separator;
    separator = ", ";
    append_string_repr(out, key);
    out += ": ";
    append_value_repr(out, value);
  }
  out += '}';
}

void append_list(std::string& out, const Json::array_t& items) {
  out += '[';
  const char* separator = "";
  for (const Json& item : items) {
    out += separator;
    separator = ", ";
    append_value_repr(out, item);
  }
  out += ']';
}

void append_value_repr(std::string& out, const Json& value) {
  if (value.is_null()) {
    out += "None";
  } else if (value.is_boolean()) {
    out += value.get<bool>() ? "True" : "False";
  } else if (value.is_string()) {
    append_string_repr(out, value.get_ref<const std::string&>());
  } else if (value.is_object()) {
    append_dict(out, value.get_ref<const Json::object_t&>());
  } else if (value.is_array()) {
    append_list(out, value.get_ref<const Json::array_t&>());
  } else {
    out += to_python_json(value);  // numbers: repr and json.dumps agree on all finite ones
  }
}

// Where the character that ends before `end` begins.
size_t last_char(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

}  // namespace

std::string python_str(const Json& value) {
  return value.is_string() ? value.get<std::string>() : python_repr(value);
}

std::string python_repr(const Json& value) {
  std::string out;
  append_value_repr(out, value);
  return out;
}

std::string_view python_strip(std::string_view text) {
  size_t begin = 0;
  while (begin < text.size()) {
    const Utf8Char c = decode_utf8(text, begin);
    if (!is_space(c.code_point)) break;
    begin += static_cast<size_t>(c.num_bytes);
  }
  size_t end = text.size();
  while (end > begin) {
    const size_t at = last_char(text, end);
    if (!is_space(decode_utf8(text, at).code_point)) break;
    end = at;
  }
  return text.substr(begin, end - begin);
}

std::string_view strip_newlines_left(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
  return text;
}

std::string_view strip_newlines_right(std::string_view text) {
  return text.substr(0, text.find_last_not_of('\n') + 1);
}

}  // namespace glint
