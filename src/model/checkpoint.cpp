#include "model/checkpoint.h"

#include <iterator>
#include <map>

#include "model/checkpoint_index.h"
#include "model/mapped_file.h"

namespace glint {

namespace fs = std::filesystem;

struct Checkpoint::State {
  fs::path folder;
  std::vector<MappedFile> files;
  std::map<std::string, Tensor, std::less<>> tensors;
};

namespace {

using Tensors = std::map<std::string, Tensor, std::less<>>;

Error refuse(const fs::path& path, std::string message) {
  return {ErrorCode::kStartup, cat(path.string(), ": ", message)};
}

Result<void> add_tensors(Tensors& tensors, std::vector<Tensor> of_file, const fs::path& path) {
  for (Tensor& tensor : of_file) {
    const std::string name = tensor.name;
    const auto [at, is_new] = tensors.emplace(name, std::move(tensor));
    if (!is_new) {
      return refuse(
          path, cat("tensor ", name, ": found again; expected it in ", at->second.file, " only."));
    }
  }
  return {};
}

// The index is a promise about the headers; the headers decide. A tensor that no index entry names
// is left to check_tensors.
Result<void> check_index(const CheckpointIndex& index, const Tensors& tensors,
                         const fs::path& folder) {
  for (const auto& [name, shard] : index.weight_map) {
    const auto found = tensors.find(name);
    if (found == tensors.end() || found->second.file != (folder / shard).string()) {
      return refuse(index.file,
                    cat("weight_map.", name, " is \"", shard, "\", but that file ",
                        "does not have the tensor",
                        found == tensors.end() ? "." : cat("; ", found->second.file, " has."),
                        " Index and files are of different downloads."));
    }
  }
  return {};
}

}  // namespace

Checkpoint::Checkpoint() : state_(std::make_unique<State>()) {}
Checkpoint::~Checkpoint() = default;
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;

Result<Checkpoint> Checkpoint::open(const fs::path& folder) {
  const CheckpointIndex index = TRY(read_checkpoint_index(folder));
  Checkpoint checkpoint;
  State& state = *checkpoint.state_;
  state.folder = folder;
  for (const std::string& shard : index.shards) {
    const fs::path path = folder / shard;
    state.files.push_back(TRY(MappedFile::open(path)));
    std::vector<Tensor> tensors = TRY(parse_safetensors(state.files.back().bytes(), path.string()));
    TRY(add_tensors(state.tensors, std::move(tensors), path));
  }
  TRY(check_index(index, state.tensors, folder));
  return checkpoint;
}

const Tensor* Checkpoint::find(std::string_view name) const {
  const auto found = state_->tensors.find(name);
  return found == state_->tensors.end() ? nullptr : &found->second;
}

std::vector<const Tensor*> Checkpoint::tensors() const {
  std::vector<const Tensor*> all;
  for (const auto& [name, tensor] : state_->tensors) all.push_back(&tensor);
  return all;
}

int Checkpoint::num_shards() const { return static_cast<int>(state_->files.size()); }

int64_t Checkpoint::num_file_bytes() const {
  size_t bytes = 0;
  for (const MappedFile& file : state_->files) bytes += file.bytes().size();
  return static_cast<int64_t>(bytes);
}

const fs::path& Checkpoint::folder() const { return state_->folder; }

}  // namespace glint
