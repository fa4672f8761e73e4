#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "base/result.h"

namespace glint {

// A file's bytes, read-only, as long as this lives. The file must not shrink meanwhile: reading
// behind its new end is a SIGBUS.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;  // empty for an empty file, which cannot be mapped
};

}  // namespace glint
