#include "eval/data_file.h"

#include <nlohmann/json.hpp>

#include "base/file.h"

namespace glint {

Result<std::vector<Json>> read_json_lines(const std::string& path,
                                          const std::vector<std::string>& keys, size_t limit) {
  std::ifstream file = open_file(path);
  if (!file)
    return Error{ErrorCode::kStartup, cat("cannot read ", path, ": expected a JSON Lines file")};
  std::vector<Json> lines;
  for (std::string line; lines.size() < limit && std::getline(file, line);) {
    if (line.empty()) continue;
    const std::string place = cat(path, " line ", lines.size() + 1);
    Result<Json> parsed = parse_json(line);
    if (!parsed) return Error{ErrorCode::kStartup, cat(place, ": ", parsed.error().message)};
    for (const std::string& key : keys) {
      if (!parsed->is_object() || !parsed->contains(key)) {
        return Error{ErrorCode::kStartup, cat(place, " has no \"", key, "\"")};
      }
    }
    lines.push_back(std::move(*parsed));
  }
  if (lines.empty()) return Error{ErrorCode::kStartup, cat(path, " has no lines")};
  return lines;
}

std::string string_member(const Json& object, std::string_view key) {
  if (!object.is_object()) return "";
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace glint
