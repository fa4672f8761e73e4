#include "api/billing_header.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace glint {
namespace {

constexpr std::string_view kBillingHeader = "x-anthropic-billing-header:";

bool has_header(const Json& text) {
  return text.is_string() && text.get_ref<const std::string&>().starts_with(kBillingHeader);
}

// The rest of a text that begins with the header.
std::string without_first_line(const std::string& text) {
  const size_t end = text.find('\n');
  return end == std::string::npos ? "" : text.substr(end + 1);
}

// True if nothing of the text is left.
bool drop_from_text(Json& text) {
  if (!has_header(text)) return false;
  text = without_first_line(text.get_ref<const std::string&>());
  return text.get_ref<const std::string&>().empty();
}

bool drop_from_parts(Json& parts) {
  if (parts.empty() || !parts[0].is_object() || !parts[0].contains("text")) return false;
  if (drop_from_text(parts[0]["text"])) parts.erase(0);
  return parts.empty();
}

}  // namespace

void drop_billing_header(std::vector<Message>& messages) {
  const auto system = std::find_if(messages.begin(), messages.end(),
                                   [](const Message& m) { return m.role == "system"; });
  if (system == messages.end() || !system->content) return;
  Json& content = *system->content;
  const bool is_empty = content.is_array() ? drop_from_parts(content) : drop_from_text(content);
  if (is_empty) messages.erase(system);
}

}  // namespace glint
