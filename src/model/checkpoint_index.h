#pragma once

// Which files a checkpoint consists of, and which tensor each should hold.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace glint {

struct CheckpointIndex {
  std::string file;                               // the index, for messages; empty: there is none
  std::vector<std::string> shards;                // file names in the folder, sorted
  std::map<std::string, std::string> weight_map;  // tensor -> shard; empty without an index
};

// Reads model.safetensors.index.json, or finds model.safetensors. Every shard exists and lies in
// the folder itself: a name with a path in it is refused.
Result<CheckpointIndex> read_checkpoint_index(const std::filesystem::path& folder);

}  // namespace glint
