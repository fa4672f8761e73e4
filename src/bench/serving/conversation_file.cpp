#include "bench/serving/conversation_file.h"

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"

namespace glint {
namespace {

constexpr JsonLimits kLimits{.max_bytes = size_t{4} << 30, .max_depth = 50};

Error file_error(std::string message) { return {ErrorCode::kStartup, std::move(message), {}}; }

Error cannot_read(const std::string& path) {
  return file_error(cat("Cannot read ", path, ", named by --dataset-path."));
}

std::string turn_text(const Json& turn) {
  if (!turn.is_object()) return "";
  for (const char* key : {"content", "value"}) {
    const auto found = turn.find(key);
    if (found != turn.end() && found->is_string()) return found->get<std::string>();
  }
  return "";
}

void add_turns(const Json& entry, std::vector<ConversationTurns>& turns) {
  if (!entry.is_object()) return;
  auto found = entry.find("conversations");
  if (found == entry.end()) found = entry.find("conversation");
  if (found == entry.end() || !found->is_array() || found->size() < 2) return;
  turns.emplace_back(turn_text((*found)[0]), turn_text((*found)[1]));
}

}  // namespace

Result<std::vector<ConversationTurns>> read_sharegpt(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return cannot_read(path);
  const Result<Json> parsed = parse_json(*text, kLimits);
  if (!parsed) return file_error(cat(path, ": ", parsed.error().message));
  if (!parsed->is_array())
    return file_error(cat(path,
                          ": expected a JSON array of conversations, as ShareGPT's file. "
                          "JSON Lines are --dataset-name custom."));
  std::vector<ConversationTurns> turns;
  for (const Json& entry : *parsed) add_turns(entry, turns);
  return turns;
}

Result<std::vector<ConversationTurns>> read_custom(const std::string& path) {
  std::ifstream file = open_file(path);
  if (!file) return cannot_read(path);
  std::vector<ConversationTurns> turns;
  size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const Result<Json> parsed = parse_json(line, kLimits);
    if (!parsed) return file_error(cat(path, " line ", number, ": ", parsed.error().message));
    add_turns(*parsed, turns);
  }
  return turns;
}

}  // namespace glint
