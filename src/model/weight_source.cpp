#include "model/weight_source.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "backend/random_normal.h"
#include "base/check.h"

namespace glint {
namespace {

// IEEE 754 binary16, subnormals and infinities included.
float half_to_float(uint16_t half) {
  const uint32_t sign = uint32_t{half} >> 15 << 31;
  const int exponent = half >> 10 & 31;
  const uint32_t fraction = half & 1023u;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | static_cast<uint32_t>(exponent + 112) << 23 | fraction << 13);
}

// Tensor data may be unaligned: every element goes through memcpy.
template <typename T>
T load(const std::byte* data, int64_t index) {
  T value;
  std::memcpy(&value, data + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

float element(const Tensor& tensor, int64_t index) {
  const std::byte* data = tensor.data.data();
  switch (tensor.type) {
    case TensorType::kF32:
      return load<float>(data, index);
    case TensorType::kF16:
      return half_to_float(load<uint16_t>(data, index));
    case TensorType::kBf16:
      return to_float(bf16{load<uint16_t>(data, index)});
  }
  return 0;
}

void store(void* to, NumberType type, int64_t index, float value) {
  if (type == NumberType::kF32) {
    static_cast<float*>(to)[index] = value;
  } else {
    static_cast<bf16*>(to)[index] = to_bf16(value);
  }
}

uint64_t hash(std::string_view name, uint64_t seed) {
  uint64_t h = mix_bits(seed + 0x9e3779b97f4a7c15u);
  for (const char c : name) h = mix_bits(h ^ static_cast<unsigned char>(c));
  return h;
}

}  // namespace

bool CheckpointSource::has(std::string_view name) const {
  return checkpoint_.find(name) != nullptr;
}

bool CheckpointSource::is_bf16(std::string_view name) const {
  const Tensor* tensor = checkpoint_.find(name);
  return tensor != nullptr && tensor->type == TensorType::kBf16;
}

void CheckpointSource::read(std::string_view name, int64_t begin, int64_t count, NumberType type,
                            void* to) const {
  const Tensor* tensor = checkpoint_.find(name);
  CHECK(tensor != nullptr && begin + count <= tensor->num_elements(), "tensor ", name,
        " was not checked");
  const bool same = (tensor->type == TensorType::kF32 && type == NumberType::kF32) ||
                    (tensor->type == TensorType::kBf16 && type == NumberType::kBf16);
  if (same) {
    const int64_t size = bytes_per_number(type);
    std::memcpy(to, tensor->data.data() + begin * size, static_cast<size_t>(count * size));
    return;
  }
  for (int64_t i = 0; i < count; ++i) store(to, type, i, element(*tensor, begin + i));
}

// One tensor an expert, as in the published checkpoint; the MTP layer shares embedding and head.
bool DummySource::has(std::string_view name) const {
  return !name.ends_with("experts.gate_up_proj") && !name.ends_with("shared_head.head.weight") &&
         !(name.ends_with("embed_tokens.weight") && name.find("layers.") != name.npos);
}

std::optional<RandomTensor> DummySource::random(std::string_view name) const {
  const bool is_norm = name.find("norm") != name.npos;
  if (is_norm || name.ends_with("bias")) return {};
  return RandomTensor{.key = hash(name, seed_), .sigma = 0.02f};
}

void DummySource::read(std::string_view name, int64_t /*begin*/, int64_t count, NumberType type,
                       void* to) const {
  const float value = name.ends_with("bias") ? 0.0f : 1.0f;
  for (int64_t i = 0; i < count; ++i) store(to, type, i, value);
}

}  // namespace glint
