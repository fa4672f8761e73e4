#pragma once

// Files that are read. A folder is none: std::ifstream opens one, and throws or ends at once when
// it is read.

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace glint {

// False if it cannot be read.
std::ifstream open_file(const std::filesystem::path& path);
// All of it.
std::optional<std::string> read_file(const std::filesystem::path& path);

}  // namespace glint
