#include "chat/python_literal.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <string>

#include "base/utf8.h"
#include "chat/lookahead.h"

namespace glint {
namespace {

constexpr int kMaxDepth = 64;

class LiteralParser {
 public:
  explicit LiteralParser(std::string_view text) : text_(text) {}

  std::optional<Json> parse() {
    auto value = parse_value(0);
    skip_space();
    if (!text_.empty()) return std::nullopt;
    return value;
  }

 private:
  std::optional<Json> parse_value(int depth) {
    skip_space();
    if (text_.empty() || depth > kMaxDepth) return std::nullopt;
    const char c = text_.front();
    if (c == '{') return parse_dict(depth);
    if (c == '[') return parse_list(depth);
    if (c == '\'' || c == '"') return parse_string();
    return parse_word();
  }

  std::optional<Json> parse_dict(int depth) {
    text_.remove_prefix(1);
    Json dict = Json::object();
    while (!take('}')) {
      const auto key = parse_value(depth + 1);
      if (!key || !key->is_string() || !take(':')) return std::nullopt;
      auto value = parse_value(depth + 1);
      if (!value) return std::nullopt;
      dict[key->get<std::string>()] = *std::move(value);
      if (!take(',') && !at('}')) return std::nullopt;
    }
    return dict;
  }

  std::optional<Json> parse_list(int depth) {
    text_.remove_prefix(1);
    Json list = Json::array();
    while (!take(']')) {
      auto value = parse_value(depth + 1);
      if (!value) return std::nullopt;
      list.push_back(*std::move(value));
      if (!take(',') && !at(']')) return std::nullopt;
    }
    return list;
  }

  std::optional<Json> parse_string() {
    const char quote = text_.front();
    text_.remove_prefix(1);
    std::string value;
    while (!text_.empty() && text_.front() != quote) {
      if (text_.front() == '\n') return std::nullopt;
      if (text_.front() == '\\') {
        if (!parse_escape(value)) return std::nullopt;
      } else {
        value += text_.front();
        text_.remove_prefix(1);
      }
    }
    if (text_.empty()) return std::nullopt;
    text_.remove_prefix(1);
    return Json(std::move(value));
  }

  bool parse_escape(std::string& value) {
    if (text_.size() < 2) return false;
    const char kind = text_[1];
    text_.remove_prefix(2);
    switch (kind) {
      case 'n':
        value += '\n';
        return true;
      case 't':
        value += '\t';
        return true;
      case 'r':
        value += '\r';
        return true;
      case 'b':
        value += '\b';
        return true;
      case 'f':
        value += '\f';
        return true;
      case '\\':
      case '\'':
      case '"':
        value += kind;
        return true;
      case 'x':
        return parse_hex(value, 2);
      case 'u':
        return parse_hex(value, 4);
      case 'U':
        return parse_hex(value, 8);
      default:
        return false;
    }
  }

  bool parse_hex(std::string& value, size_t num_digits) {
    uint32_t code_point = 0;
    if (text_.size() < num_digits) return false;
    const char* const end = text_.data() + num_digits;
    if (std::from_chars(text_.data(), end, code_point, 16).ptr != end) return false;
    if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF)) return false;
    append_utf8(value, code_point);
    text_.remove_prefix(num_digits);
    return true;
  }

  std::optional<Json> parse_word() {
    const size_t size = std::min(text_.find_first_of(",]}: \t\n\r"), text_.size());
    const std::string_view word = text_.substr(0, size);
    text_.remove_prefix(size);
    if (word == "True") return Json(true);
    if (word == "False") return Json(false);
    if (word == "None") return Json(nullptr);
    auto json = parse_json(word);
    if (!json) return std::nullopt;
    return *std::move(json);
  }

  void skip_space() {
    while (!text_.empty() && is_ascii_space(text_.front())) text_.remove_prefix(1);
  }
  bool at(char c) {
    skip_space();
    return !text_.empty() && text_.front() == c;
  }
  bool take(char c) {
    if (!at(c)) return false;
    text_.remove_prefix(1);
    return true;
  }

  std::string_view text_;
};

}  // namespace

std::optional<Json> parse_python_literal(std::string_view text) {
  return LiteralParser(text).parse();
}

}  // namespace glint
