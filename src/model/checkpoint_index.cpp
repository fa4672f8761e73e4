#include "model/checkpoint_index.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "base/file.h"
#include "base/json.h"
#include "base/planted_bug.h"

namespace glint {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

Error refuse(const fs::path& path, const std::string& message) {
  return {ErrorCode::kStartup, cat(path.string(), ": ", message)};
}

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool is_plain_file_name(std::string_view name) {
  if (planted(PlantedBug::kShardFolderAllowed)) return name.ends_with(".safetensors");
  return name.ends_with(".safetensors") && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

Result<Json> read_index(const fs::path& path) {
  const auto text = read_file(path);
  if (!text) return refuse(path, "cannot be read.");
  Result<Json> json = parse_json(*text);
  if (!json) return refuse(path, json.error().message);
  if (!json->is_object() || !json->contains("weight_map") || !(*json)["weight_map"].is_object() ||
      (*json)["weight_map"].empty()) {
    return refuse(path,
                  "weight_map is missing or empty; expected an object from tensor names to "
                  "file names.");
  }
  return json;
}

Result<void> check_shards_exist(const fs::path& folder, const CheckpointIndex& index) {
  std::string missing;
  int num_missing = 0;
  for (const std::string& shard : index.shards) {
    if (is_file(folder / shard)) continue;
    missing += cat("\n  ", shard);
    ++num_missing;
  }
  if (num_missing == 0) return {};
  return refuse(folder, cat(num_missing, " of ", index.shards.size(), " files that ", kIndexFile,
                            " names are missing; download them again:", missing));
}

Result<CheckpointIndex> from_index(const fs::path& folder) {
  CheckpointIndex index;
  index.file = (folder / kIndexFile).string();
  const Json json = TRY(read_index(folder / kIndexFile));
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : json["weight_map"].items()) {
    if (!shard.is_string() || !is_plain_file_name(shard.get_ref<const std::string&>())) {
      return refuse(index.file, cat("weight_map.", tensor, " is ", to_json_text(shard),
                                    "; expected the name of a .safetensors file in the folder."));
    }
    shards.insert(shard.get<std::string>());
    index.weight_map.emplace(tensor, shard.get<std::string>());
  }
  index.shards.assign(shards.begin(), shards.end());
  TRY(check_shards_exist(folder, index));
  return index;
}

}  // namespace

Result<CheckpointIndex> read_checkpoint_index(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return refuse(folder, "no such folder; expected one with config.json and *.safetensors.");
  }
  if (is_file(folder / kIndexFile)) return from_index(folder);
  if (is_file(folder / kSingleFile)) return CheckpointIndex{{}, {kSingleFile}, {}};
  return refuse(folder, cat("found neither ", kIndexFile, " nor ", kSingleFile,
                            "; expected one of them beside config.json."));
}

}  // namespace glint
