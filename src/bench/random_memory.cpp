#include "bench/random_memory.h"

#include <algorithm>

#include "backend/random_normal.h"

namespace glint {
namespace {

constexpr int64_t kBlock = 1'048'573;  // a prime: no two rows of a matrix are the same
constexpr uint64_t kKey = 1;

}  // namespace

RandomNumbers::RandomNumbers(float sigma) {
  block_.reserve(kBlock);
  for (int64_t i = 0; i < kBlock; ++i) block_.push_back(to_bf16(sigma * random_normal(kKey, i)));
}

void RandomNumbers::fill(Backend& backend, void* data, int64_t bytes) const {
  const auto block = static_cast<int64_t>(block_.size() * sizeof(bf16));
  for (int64_t at = 0; at < bytes; at += block) {
    const auto count = static_cast<size_t>(std::min(block, bytes - at));
    backend.upload(static_cast<char*>(data) + at, block_.data(), count);
  }
}

char* RandomArena::at_least(int64_t bytes) {
  const auto size = static_cast<size_t>(bytes);
  if (size > buffer_.size()) {
    buffer_ = Buffer();
    void* data = backend_.allocate(size);
    if (data == nullptr) return nullptr;
    buffer_ = Buffer(backend_, data, size);
    numbers_.fill(backend_, data, bytes);
  }
  return static_cast<char*>(buffer_.data());
}

}  // namespace glint
