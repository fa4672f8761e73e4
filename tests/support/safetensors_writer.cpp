#include "tests/support/safetensors_writer.h"

#include <fstream>
#include <nlohmann/json.hpp>

namespace glint {

namespace fs = std::filesystem;

std::string safetensors_header(std::string_view json) {
  std::string padded(json);
  padded.append((8 - padded.size() % 8) % 8, ' ');
  std::string header;
  for (int i = 0; i < 8; ++i) header += static_cast<char>((padded.size() >> (8 * i)) & 0xff);
  return header + padded;
}

std::string safetensors_header(const std::vector<SafetensorsEntry>& entries) {
  nlohmann::ordered_json json = {{"__metadata__", {{"format", "pt"}}}};
  uint64_t offset = 0;
  for (const SafetensorsEntry& entry : entries) {
    json[entry.name] = {{"dtype", entry.dtype},
                        {"shape", entry.shape},
                        {"data_offsets", {offset, offset + entry.num_bytes}}};
    offset += entry.num_bytes;
  }
  return safetensors_header(json.dump());
}

Result<void> write_file(const fs::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) {
    return Error{ErrorCode::kStartup, cat(path.string(), ": could not be written.")};
  }
  return {};
}

Result<void> write_sparse_safetensors(const fs::path& path,
                                      const std::vector<SafetensorsEntry>& entries) {
  const std::string header = safetensors_header(entries);
  TRY(write_file(path, header));
  uint64_t body_bytes = 0;
  for (const SafetensorsEntry& entry : entries) body_bytes += entry.num_bytes;
  std::error_code error;
  fs::resize_file(path, header.size() + body_bytes, error);
  if (error) return Error{ErrorCode::kStartup, cat(path.string(), ": ", error.message())};
  return {};
}

}  // namespace glint
