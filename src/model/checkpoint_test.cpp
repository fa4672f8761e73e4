#include "model/checkpoint.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/safetensors_writer.h"
#include "tests/support/tiny_checkpoint.h"

namespace glint {
namespace {

namespace fs = std::filesystem;

fs::path fresh_folder(const std::string& name) {
  const fs::path folder = fs::path(testing::TempDir()) / ("glint_" + name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

TEST(Checkpoint, BothExpertLayoutsAndShardsAreAccepted) {
  for (const ExpertLayout layout : {ExpertLayout::kSeparate, ExpertLayout::kStacked}) {
    const fs::path folder = fresh_folder("layouts");
    const TinyCheckpointOptions options = {
        .expert_layout = layout, .num_shards = 3, .with_mtp = true};
    ASSERT_TRUE(write_tiny_checkpoint(folder, options));
    const Result<Checkpoint> checkpoint = Checkpoint::open(folder);
    ASSERT_TRUE(checkpoint) << checkpoint.error().message;
    const Result<void> with_mtp = check_tensors(*checkpoint, options.config, true);
    EXPECT_TRUE(with_mtp) << with_mtp.error().message;
    EXPECT_TRUE(check_tensors(*checkpoint, options.config, false));
  }
}

TEST(Checkpoint, MissingShardsAreAllNamed) {
  const fs::path folder = fresh_folder("missing");
  ASSERT_TRUE(write_tiny_checkpoint(folder, {.num_shards = 3}));
  fs::remove(folder / "model-00001-of-00003.safetensors");
  fs::remove(folder / "model-00003-of-00003.safetensors");
  const Result<Checkpoint> checkpoint = Checkpoint::open(folder);
  ASSERT_FALSE(checkpoint);
  EXPECT_NE(checkpoint.error().message.find("2 of 3 files"), std::string::npos);
  EXPECT_NE(checkpoint.error().message.find("model-00003-of"), std::string::npos);
}

// A mutated file is refused or read within its bytes: AddressSanitizer watches the reads.
TEST(Safetensors, MutatedFilesAreNeverReadBeyondTheirEnd) {
  const std::string valid =
      safetensors_header({{"a", "BF16", {2, 3}, 12}, {"b", "F32", {2}, 8}}) + std::string(20, 'x');
  std::mt19937 random(1);
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = valid.substr(0, i % 4 == 0 ? random() % valid.size() : valid.size());
    for (uint64_t flips = random() % 4 + (i % 4 != 0); flips > 0 && !bytes.empty(); --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const std::vector<char> exact(bytes.begin(), bytes.end());  // no spare bytes behind the end
    const Result<std::vector<Tensor>> tensors =
        parse_safetensors(std::as_bytes(std::span(exact)), "mutated");
    refused += !tensors;
    if (!tensors) continue;
    for (const Tensor& tensor : *tensors) {
      EXPECT_EQ(int64_t(tensor.data.size()), tensor.num_elements() * num_bytes(tensor.type));
    }
  }
  EXPECT_GT(refused, 5000);  // every truncation
}

}  // namespace
}  // namespace glint
