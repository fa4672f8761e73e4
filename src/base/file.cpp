#include "base/file.h"

#include <iterator>
#include <system_error>

namespace glint {

std::ifstream open_file(const std::filesystem::path& path) {
  std::ifstream file;
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    file.setstate(std::ios::failbit);
  } else {
    file.open(path, std::ios::binary);
  }
  return file;
}

std::optional<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream file = open_file(path);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace glint
