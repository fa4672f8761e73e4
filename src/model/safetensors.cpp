#include "model/safetensors.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "base/planted_bug.h"
#include "model/safetensors_header.h"

namespace glint {
namespace {

constexpr uint64_t kLengthBytes = 8;
// The safetensors package's own limit. A file of 206 tensors has a header of 26 KB.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;

Error refuse(std::string_view file, std::string message) {
  return {ErrorCode::kStartup, cat(file, ": ", message)};
}

Error refuse(std::string_view file, const HeaderEntry& entry, std::string message) {
  return refuse(file, cat("tensor ", entry.name, ": ", message));
}

Result<std::string_view> header_json(std::span<const std::byte> file, std::string_view name) {
  if (file.size() < kLengthBytes) {
    return refuse(name, cat("the file has ", file.size(), " bytes; expected at least ",
                            kLengthBytes, ". It was truncated; download it again."));
  }
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) length |= uint64_t(file[i]) << (8 * i);
  if (length > kMaxHeaderBytes) {
    return refuse(name, cat("the header's length is ", length, "; expected at most ",
                            kMaxHeaderBytes, ". This is not a safetensors file."));
  }
  const uint64_t rest = file.size() - kLengthBytes;
  if (length > rest) {
    return refuse(name, cat("the header's length is ", length, ", but the file has ", rest,
                            " bytes after it. It was truncated; download it again."));
  }
  return std::string_view(reinterpret_cast<const char*>(file.data()) + kLengthBytes, length);
}

std::optional<TensorType> type_of(std::string_view dtype) {
  for (const TensorType type : {TensorType::kF32, TensorType::kF16, TensorType::kBf16}) {
    if (dtype == to_string(type)) return type;
  }
  return std::nullopt;
}

// Nothing where a size or the product is above INT64_MAX.
std::optional<int64_t> body_bytes(const HeaderEntry& entry, TensorType type) {
  int64_t bytes = num_bytes(type);
  for (const uint64_t size : entry.shape) {
    if (size > INT64_MAX || __builtin_mul_overflow(bytes, size, &bytes)) return std::nullopt;
  }
  return bytes;
}

std::string shape_text(const std::vector<uint64_t>& shape) {
  std::string text = "[";
  for (const uint64_t size : shape) text += cat(text.size() > 1 ? ", " : "", size);
  return text + "]";
}

// Type, shape and offsets against each other and against the bodies that are there.
Result<Tensor> to_tensor(const HeaderEntry& entry, std::span<const std::byte> bodies,
                         std::string_view file) {
  const std::optional<TensorType> type = type_of(entry.dtype);
  if (!type) {
    return refuse(file, entry, cat("dtype is \"", entry.dtype, "\"; expected BF16, F16 or F32."));
  }
  const std::optional<int64_t> bytes = body_bytes(entry, *type);
  if (!bytes) {
    return refuse(file, entry, cat("shape ", shape_text(entry.shape), " overflows 64-bit sizes."));
  }
  if (entry.begin > entry.end || entry.end - entry.begin != static_cast<uint64_t>(*bytes)) {
    return refuse(file, entry,
                  cat("data_offsets are [", entry.begin, ", ", entry.end, "]; expected ", *bytes,
                      " bytes for shape ", shape_text(entry.shape), " of ", entry.dtype, "."));
  }
  if (entry.end > bodies.size()) {
    return refuse(file, entry,
                  cat("its data end at byte ", entry.end, ", but the file has ", bodies.size(),
                      " after the header. It was truncated; download "
                      "it again."));
  }
  return Tensor{entry.name,
                std::string(file),
                *type,
                {entry.shape.begin(), entry.shape.end()},
                bodies.subspan(entry.begin, entry.end - entry.begin)};
}

void sort_by_place(std::vector<HeaderEntry>& entries) {
  std::sort(entries.begin(), entries.end(), [](const HeaderEntry& a, const HeaderEntry& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
}

// The bodies, sorted, cover the file exactly once.
Result<void> check_places(const std::vector<HeaderEntry>& entries, uint64_t bodies_bytes,
                          std::string_view file) {
  uint64_t end = 0;
  for (const HeaderEntry& entry : entries) {
    if (planted(PlantedBug::kOverlapAllowed) && entry.begin < end) continue;
    if (entry.begin != end) {
      return refuse(file, entry,
                    cat("its data begin at byte ", entry.begin, "; expected ", end,
                        entry.begin < end ? ": it overlaps the tensor before it."
                                          : ": no tensor owns the bytes between."));
    }
    end = entry.end;
  }
  if (end != bodies_bytes) {
    return refuse(file, cat("the file has ", bodies_bytes, " bytes after the header; expected ",
                            end, ", where the last tensor ends."));
  }
  return {};
}

}  // namespace

std::string_view to_string(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return "F32";
    case TensorType::kF16:
      return "F16";
    case TensorType::kBf16:
      return "BF16";
  }
  return "";
}

int64_t num_bytes(TensorType type) { return type == TensorType::kF32 ? 4 : 2; }

int64_t Tensor::num_elements() const {
  int64_t elements = 1;
  for (const int64_t size : shape) elements *= size;
  return elements;
}

Result<std::vector<Tensor>> parse_safetensors(std::span<const std::byte> file,
                                              std::string_view name) {
  const std::string_view json = TRY(header_json(file, name));
  std::vector<HeaderEntry> entries = TRY(parse_header_json(json, name));
  sort_by_place(entries);
  const std::span<const std::byte> bodies = file.subspan(kLengthBytes + json.size());
  std::vector<Tensor> tensors;
  for (const HeaderEntry& entry : entries) {
    tensors.push_back(TRY(to_tensor(entry, bodies, name)));
  }
  TRY(check_places(entries, bodies.size(), name));
  return tensors;
}

}  // namespace glint
