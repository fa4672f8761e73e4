#include "bench/serving/member_scan.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/json.h"

namespace glint {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

size_t skip_blanks(std::string_view text, size_t at) {
  while (at < text.size() && is_blank(text[at])) ++at;
  return at;
}

// From a string's first quote to behind its last.
size_t skip_string(std::string_view text, size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return at < text.size() ? at + 1 : text.size();
}

// From a bracket to behind the one that closes it.
size_t skip_nested(std::string_view text, size_t at) {
  int depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = skip_string(text, at);
      continue;
    }
    ++at;
    if (c == '[' || c == '{') ++depth;
    if ((c == ']' || c == '}') && --depth == 0) return at;
  }
  return at;
}

size_t skip_value(std::string_view text, size_t at) {
  if (at >= text.size()) return at;
  if (text[at] == '"') return skip_string(text, at);
  if (text[at] == '{' || text[at] == '[') return skip_nested(text, at);
  while (at < text.size() && text[at] != ',' && text[at] != '}' && text[at] != ']') ++at;
  return at;
}

std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

MemberScan::MemberScan(std::string_view object) : text_(object) {
  at_ = skip_blanks(text_, 0);
  at_ = at_ < text_.size() && text_[at_] == '{' ? at_ + 1 : text_.size();
}

bool MemberScan::next() {
  at_ = skip_blanks(text_, at_);
  if (at_ < text_.size() && text_[at_] == ',') at_ = skip_blanks(text_, at_ + 1);
  if (at_ >= text_.size() || text_[at_] != '"') return false;
  const size_t name_end = skip_string(text_, at_);
  name_ = text_.substr(at_ + 1, name_end - at_ - 2);
  const size_t colon = skip_blanks(text_, name_end);
  if (colon >= text_.size() || text_[colon] != ':') return false;
  const size_t begin = skip_blanks(text_, colon + 1);
  at_ = skip_value(text_, begin);
  value_ = without_blanks(text_.substr(begin, at_ - begin));
  return true;
}

std::string_view find_member(std::string_view object, std::string_view name) {
  for (MemberScan member(object); member.next();) {
    if (member.name() == name) return member.value();
  }
  return {};
}

std::string_view first_element(std::string_view array) {
  size_t at = skip_blanks(array, 0);
  if (at >= array.size() || array[at] != '[') return {};
  at = skip_blanks(array, at + 1);
  return without_blanks(array.substr(at, skip_value(array, at) - at));
}

std::string_view string_body(std::string_view value) {
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') return {};
  return value.substr(1, value.size() - 2);
}

std::optional<double> number_value(std::string_view value) {
  double number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size()) return std::nullopt;
  return number;
}

std::string unescaped(std::string_view body) {
  const Result<Json> text =
      parse_json("\"" + std::string(body) + "\"", {.max_bytes = size_t{1} << 30});
  return text && text->is_string() ? text->get<std::string>() : "";
}

}  // namespace glint
