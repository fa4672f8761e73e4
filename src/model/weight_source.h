#pragma once

// Where weights come from: a checkpoint, or a random number generator.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "backend/view.h"
#include "model/checkpoint.h"

namespace glint {

// Element i of a random tensor is what Backend::random_normal makes of (key, i).
struct RandomTensor {
  uint64_t key = 0;
  float sigma = 0;
};

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  virtual bool has(std::string_view name) const = 0;
  // Whether BF16 holds the tensor's numbers as they are.
  virtual bool is_bf16(std::string_view name) const = 0;
  // Nothing if the tensor has to be read.
  virtual std::optional<RandomTensor> random(std::string_view /*name*/) const { return {}; }
  // Elements [begin, begin + count) of the tensor, row-major, as `type` into `to`. Any thread may
  // call it.
  virtual void read(std::string_view name, int64_t begin, int64_t count, NumberType type,
                    void* to) const = 0;
};

// The tensors of a checkpoint that has passed check_tensors(), converted from their own type.
class CheckpointSource final : public WeightSource {
 public:
  explicit CheckpointSource(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}
  bool has(std::string_view name) const override;
  bool is_bf16(std::string_view name) const override;
  void read(std::string_view name, int64_t begin, int64_t count, NumberType type,
            void* to) const override;

 private:
  const Checkpoint& checkpoint_;
};

// Normal with sigma 0.02; norms 1, correction biases 0. A function of (seed, name, index) alone,
// where W_uk, which is kept transposed, is random as it is kept.
class DummySource final : public WeightSource {
 public:
  explicit DummySource(uint64_t seed) : seed_(seed) {}
  bool has(std::string_view name) const override;
  bool is_bf16(std::string_view) const override { return true; }
  std::optional<RandomTensor> random(std::string_view name) const override;
  // Of what is not random.
  void read(std::string_view name, int64_t begin, int64_t count, NumberType type,
            void* to) const override;

 private:
  uint64_t seed_;
};

}  // namespace glint
