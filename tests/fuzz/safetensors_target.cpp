// A safetensors file. The first line has two numbers: how many bytes of bodies follow the header,
// and how much the header's length is off. The rest is the header.

#include <charconv>
#include <cstring>

#include "base/check.h"
#include "model/safetensors.h"
#include "tests/fuzz/fuzz.h"

namespace glint {
namespace {

uint64_t take_number(std::string_view& text) {
  uint64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (!text.empty()) text.remove_prefix(1);
  return problem == std::errc() ? number : 0;
}

std::vector<std::byte> file_of(std::string_view header, uint64_t off_by, size_t bodies_bytes) {
  const uint64_t length = header.size() + off_by;
  std::vector<std::byte> file(8 + header.size() + bodies_bytes);
  for (size_t i = 0; i < 8; ++i) file[i] = static_cast<std::byte>(length >> (8 * i));
  if (!header.empty()) std::memcpy(file.data() + 8, header.data(), header.size());
  return file;
}

// The tensors' bodies fill the file behind its header, one after the other.
void check_tensors(const std::vector<Tensor>& tensors, const std::vector<std::byte>& file,
                   size_t header_bytes) {
  const std::byte* next = file.data() + 8 + header_bytes;
  for (const Tensor& tensor : tensors) {
    CHECK(tensor.data.data() == next, tensor.name, " is not where the one before it ends");
    CHECK(tensor.data.size() <= static_cast<size_t>(file.data() + file.size() - next), tensor.name,
          " ends behind the file");
    CHECK(tensor.num_elements() * num_bytes(tensor.type) == std::ssize(tensor.data), tensor.name,
          " has ", tensor.num_elements(), " elements in ", tensor.data.size(), " bytes");
    next += tensor.data.size();
  }
  CHECK(next == file.data() + file.size(), "bytes that belong to no tensor");
}

}  // namespace

void check_input(std::string_view input) {
  std::string_view numbers = take_line(input);
  const size_t bodies_bytes = take_number(numbers) % 4096;
  const uint64_t off_by = take_number(numbers);
  const std::vector<std::byte> file = file_of(input, off_by, bodies_bytes);
  auto tensors = parse_safetensors(file, "a.safetensors");
  if (tensors) return check_tensors(*tensors, file, input.size() + off_by);
  CHECK(tensors.error().code == ErrorCode::kStartup, tensors.error().message);
  CHECK(tensors.error().message.starts_with("a.safetensors: "), tensors.error().message);
}

}  // namespace glint
