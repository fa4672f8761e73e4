#include "model/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace glint {
namespace {

Error refuse(const std::filesystem::path& path, const char* what) {
  return {ErrorCode::kStartup, cat(path.string(), ": ", what, ": ", std::strerror(errno), ".")};
}

// The mapping outlives the descriptor.
Result<std::span<const std::byte>> map(int fd, const std::filesystem::path& path) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return refuse(path, "cannot be examined");
  if (!S_ISREG(status.st_mode)) {
    return Error{ErrorCode::kStartup, cat(path.string(), ": is not a regular file.")};
  }
  const auto size = static_cast<size_t>(status.st_size);
  if (size == 0) return std::span<const std::byte>();
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) return refuse(path, "cannot be mapped into memory");
  return std::span(static_cast<const std::byte*>(data), size);
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return refuse(path, "cannot be opened");
  Result<std::span<const std::byte>> bytes = map(fd, path);
  ::close(fd);
  if (!bytes) return bytes.error();
  return MappedFile(*bytes);
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

}  // namespace glint
