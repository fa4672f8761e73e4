// model.safetensors.index.json in a folder that holds two shards.

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "model/checkpoint_index.h"
#include "tests/fuzz/fuzz.h"

namespace glint {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kShards[] = {"a.safetensors", "b.safetensors"};

// In memory where the system has it, and gone with the process.
class Folder {
 public:
  Folder() {
    std::error_code problem;
    const fs::path memory = "/dev/shm";
    const fs::path parent = fs::is_directory(memory, problem) ? memory : fs::temp_directory_path();
    path_ = parent / cat("glint_fuzz_", getpid());
    fs::create_directories(path_);
    for (const std::string_view shard : kShards) std::ofstream(path_ / shard) << "x";
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

void check_input(std::string_view input) {
  static const Folder folder;
  std::ofstream(folder.path() / "model.safetensors.index.json", std::ios::binary) << input;
  auto index = read_checkpoint_index(folder.path());
  if (!index) {
    CHECK(index.error().code == ErrorCode::kStartup, index.error().message);
    CHECK(index.error().message.starts_with(folder.path().string()), index.error().message);
    return;
  }
  CHECK(!index->weight_map.empty() && !index->shards.empty(), "an index of nothing");
  CHECK(std::is_sorted(index->shards.begin(), index->shards.end()), "the shards are not sorted");
  for (const std::string& shard : index->shards)
    CHECK(std::find(std::begin(kShards), std::end(kShards), shard) != std::end(kShards), shard,
          " is no file of the folder");
  for (const auto& [tensor, shard] : index->weight_map)
    CHECK(std::binary_search(index->shards.begin(), index->shards.end(), shard), tensor,
          " lies in ", shard, ", which is not among the shards");
}

}  // namespace glint
