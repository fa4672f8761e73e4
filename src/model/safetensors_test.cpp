#include "model/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/support/safetensors_writer.h"

namespace glint {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// No spare bytes behind the end, so that AddressSanitizer sees a read beyond it.
std::vector<std::byte> exact(const std::string& bytes) {
  const auto data = std::as_bytes(std::span(bytes));
  return {data.begin(), data.end()};
}

std::string error_of(const std::string& bytes) {
  const Result<std::vector<Tensor>> tensors = parse_safetensors(exact(bytes), "x.safetensors");
  return tensors ? "" : tensors.error().message;
}

TEST(Safetensors, ReadsTypesShapesAndBodies) {
  const std::string json = R"({"__metadata__": {"format": "pt"},
      "b": {"dtype": "F16", "shape": [], "data_offsets": [4, 6]},
      "none": {"dtype": "F32", "shape": [0, 7], "data_offsets": [4, 4]},
      "a": {"shape": [2, 1], "data_offsets": [0, 4], "dtype": "BF16"}})";
  const std::vector<std::byte> file = exact(safetensors_header(json) + "abcdef");
  const Result<std::vector<Tensor>> tensors = parse_safetensors(file, "x.safetensors");
  ASSERT_TRUE(tensors) << tensors.error().message;
  ASSERT_EQ(tensors->size(), 3u);  // in the order of their bodies, not of the header
  const Tensor &a = (*tensors)[0], &none = (*tensors)[1], &b = (*tensors)[2];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.file, "x.safetensors");
  EXPECT_EQ(a.type, TensorType::kBf16);
  EXPECT_EQ(a.shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(a.data[0], std::byte{'a'});
  EXPECT_EQ(none.num_elements(), 0);
  EXPECT_EQ(b.num_elements(), 1);
  EXPECT_EQ(b.data[1], std::byte{'f'});
}

TEST(Safetensors, AWrongLengthIsRefused) {
  EXPECT_EQ(error_of("1234567"),
            "x.safetensors: the file has 7 bytes; expected at least 8. It was truncated; download "
            "it again.");
  EXPECT_EQ(error_of(std::string("\x10\0\0\0\0\0\0\0", 8) + "{}"),
            "x.safetensors: the header's length is 16, but the file has 2 bytes after it. It was "
            "truncated; download it again.");
  EXPECT_THAT(error_of(std::string(8, '\xff') + "{}"),
              HasSubstr("the header's length is 18446744073709551615; expected at most 100000000"));
  EXPECT_THAT(error_of(std::string(8, '\0')), HasSubstr("not valid JSON"));
}

// Headers over a body of 8 bytes.
TEST(Safetensors, WrongHeadersAreRefused) {
  const struct {
    const char *json, *sentence;
  } cases[] = {
      // Places.
      {R"({"a": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]},
           "b": {"dtype": "BF16", "shape": [2], "data_offsets": [4, 8]}})",
       "tensor b: its data begin at byte 4; expected 8: it overlaps the tensor before it."},
      {R"({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [4, 8]}})",
       "tensor a: its data begin at byte 4; expected 0: no tensor owns the bytes between."},
      {R"({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}})",
       "the file has 8 bytes after the header; expected 4, where the last tensor ends."},
      {R"({"a": {"dtype": "BF16", "shape": [8], "data_offsets": [0, 16]}})",
       "tensor a: its data end at byte 16, but the file has 8 after the header. It was truncated"},
      {R"({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [18446744073709551612, 0]}})",
       "tensor a: data_offsets are [18446744073709551612, 0]; expected 4 bytes for shape [2]"},
      {R"({"a": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 8]}})",
       "tensor a: data_offsets are [0, 8]; expected 6 bytes for shape [3] of BF16."},
      {R"({"a": {"dtype": "BF16", "shape": [4], "data_offsets": [0]}})", "needs two numbers"},
      {R"({"a": {"dtype": "BF16", "shape": [4], "data_offsets": [-8, 0]}})", "tensor a: found -8"},
      // Sizes: 2^62 x 2, 2^32 x 2^32 (0 modulo 2^64) and one that int64_t cannot hold.
      {R"({"a": {"dtype": "BF16", "shape": [4611686018427387904], "data_offsets": [0, 8]}})",
       "tensor a: shape [4611686018427387904] overflows 64-bit sizes."},
      {R"({"a": {"dtype": "BF16", "shape": [4294967296, 4294967296], "data_offsets": [0, 0]}})",
       "tensor a: shape [4294967296, 4294967296] overflows 64-bit sizes."},
      {R"({"a": {"dtype": "BF16", "shape": [0, 18446744073709551615], "data_offsets": [0, 0]}})",
       "tensor a: shape [0, 18446744073709551615] overflows 64-bit sizes."},
      {R"({"a": {"dtype": "BF16", "shape": [1e3], "data_offsets": [0, 8]}})", "found 1e3"},
      {R"({"a": {"dtype": "BF16", "shape": [36893488147419103232], "data_offsets": [0, 8]}})",
       "found 36893488147419103232"},
      // Fields.
      {R"({"a": {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}})",
       "tensor a: dtype is \"F8_E4M3\"; expected BF16, F16 or F32."},
      {R"({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]},
           "a": {"dtype": "BF16", "shape": [2], "data_offsets": [4, 8]}})",
       "tensor a: found twice"},
      {R"({"a": {"dtype": "BF16", "dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})",
       "tensor a: dtype found twice"},
      {R"({"a": {"dtype": "BF16", "shape": [4]}})",
       "tensor a: found only dtype, shape; expected dtype, shape and data_offsets."},
      {R"({"a": {}})", "tensor a: found no fields; expected"},
      {R"({"a": {"stride": [1]}})", "tensor a: found \"stride\"; expected"},
      {R"({"a": {"dtype": 3}})", "tensor a: found a number"},
      {R"({"a": {"dtype": "BF16", "shape": [[4]]}})", "tensor a: found an array"},
      {R"({"a": {"dtype": "BF16", "shape": {"x": 4}}})", "tensor a: found an object"},
      {R"({"a": {"dtype": null}})", "tensor a: found null"},
      {R"({"a": "BF16"})", "tensor a: found a string"},
      {R"({"__metadata__": {"format": ["pt"]}})", "tensor __metadata__: found an array"},
      // JSON.
      {"[]", "the header is wrong: found an array."},
      {"7", "the header is wrong: found a number."},
      {R"({"a")", "not valid JSON at byte"},
      {"{} {}", "not valid JSON at byte"},
      {"{\"\xff\": 1}", "not valid JSON at byte"},
  };
  for (const auto& c : cases) {
    const std::string error = error_of(safetensors_header(std::string_view(c.json)) + "12345678");
    EXPECT_THAT(error, HasSubstr(c.sentence)) << c.json;
    EXPECT_THAT(error, StartsWith("x.safetensors: ")) << c.json;
  }
}

// A million open brackets cost a refusal, neither stack nor memory.
TEST(Safetensors, DeepNestingIsRefusedAtOnce) {
  EXPECT_THAT(error_of(safetensors_header(std::string(1'000'000, '['))),
              HasSubstr("found an array"));
}

// Every prefix of a file is refused, and a mutated file is refused or read within its bytes.
TEST(Safetensors, MutatedFilesAreNeverReadBeyondTheirEnd) {
  const std::string valid =
      safetensors_header({{"a", "BF16", {2, 3}, 12}, {"b", "F32", {2}, 8}}) + std::string(20, 'x');
  ASSERT_EQ(error_of(valid), "");
  for (size_t length = 0; length < valid.size(); ++length) {
    EXPECT_NE(error_of(valid.substr(0, length)), "") << length;
  }
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = valid;
    for (uint64_t flips = random() % 4 + 1; flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const std::vector<std::byte> file = exact(bytes);
    const Result<std::vector<Tensor>> tensors = parse_safetensors(file, "mutated");
    if (!tensors) continue;
    for (const Tensor& tensor : *tensors) {
      EXPECT_EQ(int64_t(tensor.data.size()), tensor.num_elements() * num_bytes(tensor.type));
      EXPECT_TRUE(tensor.data.empty() ||
                  (tensor.data.data() >= file.data() && &tensor.data.back() <= &file.back()));
    }
  }
}

}  // namespace
}  // namespace glint
