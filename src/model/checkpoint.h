#pragma once

// The tensors of a Hugging Face folder: model.safetensors.index.json with its shards, or one
// model.safetensors, mapped into memory. Nothing is copied; nothing is trusted.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/config.h"
#include "model/safetensors.h"

namespace glint {

class Checkpoint {
 public:
  // Maps all shards, reads all headers and checks them: lengths, offsets, dtypes, overlaps,
  // duplicates, missing shards (all of them are named), the index against the headers. Does not
  // read tensor bodies. The index's total_size is not looked at: the released one is wrong.
  static Result<Checkpoint> open(const std::filesystem::path& folder);
  ~Checkpoint();
  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;

  const Tensor* find(std::string_view name) const;  // null if absent
  std::vector<const Tensor*> tensors() const;       // by name
  int num_shards() const;
  int64_t num_file_bytes() const;  // of all shards
  const std::filesystem::path& folder() const;

 private:
  Checkpoint();
  struct State;
  std::unique_ptr<State> state_;
};

// Every tensor that `config` asks for exists with its shape, experts one by one or stacked, and no
// unknown one is there. Without `with_mtp` the MTP layer's tensors are left alone; with it they are
// checked too, and its private embedding and head may be absent. The Error lists up to five
// problems.
Result<void> check_tensors(const Checkpoint& checkpoint, const ModelConfig& config, bool with_mtp);

}  // namespace glint
