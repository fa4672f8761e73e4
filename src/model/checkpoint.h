#pragma once

// The tensors of a Hugging Face folder: model.safetensors.index.json with its shards, or one
// model.safetensors, mapped into memory. Nothing is copied; nothing is trusted.
//
// Format: https://github.com/huggingface/safetensors, README, "Format".

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/config.h"

namespace glint {

enum class TensorType { kF32, kF16, kBf16 };
std::string_view to_string(TensorType type);
int64_t num_bytes(TensorType type);  // of one element

struct Tensor {
  std::string name;
  TensorType type = TensorType::kBf16;
  std::vector<int64_t> shape;       // outermost first
  std::span<const std::byte> data;  // in the mapping: valid as long as the Checkpoint
  int64_t num_elements() const;
};

class Checkpoint {
 public:
  // Maps all shards, reads all headers and checks them: lengths, offsets, dtypes, overlaps,
  // duplicates, missing shards (all of them are named). Does not read tensor bodies.
  static Result<Checkpoint> open(const std::filesystem::path& folder);
  ~Checkpoint();
  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;

  const Tensor* find(std::string_view name) const;  // null if absent
  std::vector<const Tensor*> tensors() const;       // by name
  int num_shards() const;

 private:
  Checkpoint();
  struct State;
  std::unique_ptr<State> state_;
};

// Every tensor that `config` asks for exists with its shape, experts one by one or stacked (model.md
// 4.1), and no unknown one is there. With `with_mtp`, the MTP layer's too; its private embedding and
// head may be absent. Lists up to five problems.
Result<void> check_tensors(const Checkpoint& checkpoint, const ModelConfig& config, bool with_mtp);

}  // namespace glint
