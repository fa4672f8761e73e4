#include "model/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>

#include "base/json.h"
#include "model/checkpoint_tensors.h"
#include "tests/support/safetensors_writer.h"
#include "tests/support/test_folder.h"
#include "tests/support/tiny_checkpoint.h"

namespace glint {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kFirst = "model-00001-of-00003.safetensors";
constexpr const char* kSecond = "model-00002-of-00003.safetensors";
constexpr const char* kThird = "model-00003-of-00003.safetensors";

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string open_error(const fs::path& folder) {
  const Result<Checkpoint> checkpoint = Checkpoint::open(folder);
  return checkpoint ? "" : checkpoint.error().message;
}

std::string check_error(const fs::path& folder, const ModelConfig& config, bool with_mtp = false) {
  const Result<Checkpoint> checkpoint = Checkpoint::open(folder);
  if (!checkpoint) return checkpoint.error().message;
  const Result<void> checked = check_tensors(*checkpoint, config, with_mtp);
  return checked ? "" : checked.error().message;
}

// A folder with a tiny checkpoint in three shards and an index.
class ThreeShards : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(write_tiny_checkpoint(path(), {.num_shards = 3})); }

  const fs::path& path() const { return folder_.path(); }

  // Points the index's entry for `tensor` at `shard`, a JSON text.
  void point(const std::string& tensor, const std::string& shard) const {
    Json index = *parse_json(read_file(path() / kIndex));
    index["weight_map"][tensor] = Json::parse(shard);
    ASSERT_TRUE(write_file(path() / kIndex, index.dump()));
  }

 private:
  TestFolder folder_;
};

// One file with the tensors that `specs` names, bodies as a hole.
void write_single(const fs::path& folder, const std::vector<TensorSpec>& specs) {
  std::vector<SafetensorsEntry> entries;
  for (const TensorSpec& spec : specs) {
    const auto bytes = static_cast<uint64_t>(num_elements({spec}) * (spec.is_float32 ? 4 : 2));
    entries.push_back({spec.name, spec.is_float32 ? "F32" : "BF16", spec.shape, bytes});
  }
  ASSERT_TRUE(write_sparse_safetensors(folder / "model.safetensors", entries));
}

std::vector<TensorSpec> tiny_tensors() {
  return model_tensors(tiny_config(), ExpertLayout::kSeparate, /*with_mtp=*/false);
}

TensorSpec& named(std::vector<TensorSpec>& specs, const std::string& name) {
  const auto found = std::find_if(specs.begin(), specs.end(),
                                  [&](const TensorSpec& spec) { return spec.name == name; });
  CHECK(found != specs.end(), name);
  return *found;
}

TEST(Checkpoint, LayoutsShardsAndTypesAreAccepted) {
  for (const ExpertLayout layout : {ExpertLayout::kSeparate, ExpertLayout::kStacked}) {
    for (const TensorType dtype : {TensorType::kBf16, TensorType::kF16, TensorType::kF32}) {
      for (const int num_shards : {1, 3}) {
        const TestFolder folder;
        const TinyCheckpointOptions options = {
            .dtype = dtype, .expert_layout = layout, .num_shards = num_shards, .with_mtp = true};
        ASSERT_TRUE(write_tiny_checkpoint(folder.path(), options));
        EXPECT_EQ(check_error(folder.path(), options.config, /*with_mtp=*/true), "");
        EXPECT_EQ(check_error(folder.path(), options.config, /*with_mtp=*/false), "");
        const Checkpoint checkpoint = *Checkpoint::open(folder.path());
        EXPECT_EQ(checkpoint.num_shards(), num_shards);
        EXPECT_EQ(checkpoint.find("model.layers.1.mlp.gate.weight")->type, dtype);
      }
    }
  }
}

TEST(Checkpoint, AFolderWithoutFilesIsRefused) {
  const TestFolder folder;
  EXPECT_THAT(open_error(folder.path() / "none"),
              HasSubstr("/none: no such folder; expected one with config.json and *.safetensors."));
  EXPECT_THAT(open_error(folder.path()),
              HasSubstr("found neither model.safetensors.index.json nor model.safetensors"));
}

TEST_F(ThreeShards, MissingShardsAreAllNamed) {
  fs::remove(path() / kFirst);
  fs::remove(path() / kThird);
  EXPECT_EQ(open_error(path()),
            cat(path().string(), ": 2 of 3 files that ", kIndex,
                " names are missing; download them again:\n  ", kFirst, "\n  ", kThird));
}

TEST_F(ThreeShards, ATruncatedShardIsNamed) {
  const uintmax_t bytes = fs::file_size(path() / kSecond);
  fs::resize_file(path() / kSecond, bytes - 1);
  EXPECT_THAT(open_error(path()), StartsWith((path() / kSecond).string() + ": tensor "));
  EXPECT_THAT(open_error(path()), HasSubstr("It was truncated; download it again."));
  fs::resize_file(path() / kSecond, 0);
  EXPECT_THAT(open_error(path()), HasSubstr("the file has 0 bytes; expected at least 8."));
}

TEST_F(ThreeShards, ATensorInTwoShardsIsRefused) {
  fs::copy_file(path() / kFirst, path() / kSecond, fs::copy_options::overwrite_existing);
  EXPECT_THAT(open_error(path()), StartsWith((path() / kSecond).string() + ": tensor "));
  EXPECT_THAT(open_error(path()),
              HasSubstr(": found again; expected it in " + (path() / kFirst).string() + " only."));
}

TEST_F(ThreeShards, AnIndexThatNamesWhatAShardLacksIsRefused) {
  point("lm_head.weight", cat('"', kThird, '"'));
  EXPECT_EQ(open_error(path()),
            cat((path() / kIndex).string(), ": weight_map.lm_head.weight is \"", kThird,
                "\", but that file does not have the tensor; ", (path() / kFirst).string(),
                " has. Index and files are of different downloads."));
  point("lm_head.weight", cat('"', kFirst, '"'));
  point("model.layers.9.extra", cat('"', kThird, '"'));
  EXPECT_THAT(open_error(path()), HasSubstr("weight_map.model.layers.9.extra is "));
  EXPECT_THAT(open_error(path()), HasSubstr("does not have the tensor. Index and files"));
}

// A shard's name may not lead out of the folder, nor be anything but a name.
TEST_F(ThreeShards, AnIndexThatLeavesTheFolderIsRefused) {
  for (const char* shard :
       {R"("../model.safetensors")", R"("/etc/model.safetensors")", R"("a/../b.safetensors")",
        R"("model\u0000.safetensors")", R"("config.json")", R"("")", "7", "null", "[[]]"}) {
    point("lm_head.weight", shard);
    EXPECT_EQ(open_error(path()), cat((path() / kIndex).string(), ": weight_map.lm_head.weight is ",
                                      to_json_text(Json::parse(shard)),
                                      "; expected the name of a .safetensors file in the folder."));
  }
}

TEST_F(ThreeShards, AnIndexWithoutAWeightMapIsRefused) {
  for (const char* text : {"{}", "[]", R"({"weight_map": {}})", R"({"weight_map": []})"}) {
    ASSERT_TRUE(write_file(path() / kIndex, text));
    EXPECT_THAT(open_error(path()), HasSubstr("weight_map is missing or empty; expected")) << text;
  }
  ASSERT_TRUE(write_file(path() / kIndex, "{"));
  EXPECT_THAT(open_error(path()),
              StartsWith((path() / kIndex).string() + ": invalid JSON at byte"));
}

TEST(CheckTensors, NamesTensorFileFoundAndExpected) {
  const TestFolder folder;
  std::vector<TensorSpec> specs = tiny_tensors();
  named(specs, "model.norm.weight").shape = {65};
  named(specs, "model.layers.2.mlp.experts.7.up_proj.weight").name = "model.layers.2.mlp.expert";
  named(specs, "model.layers.0.self_attn.o_proj.weight").shape = {128, 64};  // transposed
  write_single(folder.path(), specs);
  const std::string file = (folder.path() / "model.safetensors").string();
  EXPECT_EQ(check_error(folder.path(), tiny_config()),
            cat(folder.path().string(), ": 4 tensors do not agree with config.json:",
                "\n  model.norm.weight in ", file, ": shape [65]; expected [64] by config.json",
                "\n  model.layers.0.self_attn.o_proj.weight in ", file,
                ": shape [128, 64]; expected [64, 128] by config.json",
                "\n  model.layers.2.mlp.experts.7.up_proj.weight: missing; expected shape [48, 64]",
                "\n  model.layers.2.mlp.expert in ", file, ": not a tensor of this model"));
}

TEST(CheckTensors, ListsFiveProblemsAndCountsTheRest) {
  const TestFolder folder;
  write_single(folder.path(), {{"model.norm.weight", {64}}});
  const size_t missing = tiny_tensors().size() - 1;
  const std::string error = check_error(folder.path(), tiny_config());
  EXPECT_THAT(error, HasSubstr(cat(missing, " tensors do not agree with config.json:")));
  EXPECT_THAT(error, HasSubstr(cat("\n  and ", missing - 5, " more")));
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 6);
}

// A layer's experts are stacked or separate, not some of each.
TEST(CheckTensors, AHalfStackedLayerIsRefused) {
  const TestFolder folder;
  std::vector<TensorSpec> specs = tiny_tensors();
  specs.push_back({"model.layers.1.mlp.experts.gate_up_proj", {8, 96, 64}});
  write_single(folder.path(), specs);
  const std::string error = check_error(folder.path(), tiny_config());
  EXPECT_THAT(error, HasSubstr("model.layers.1.mlp.experts.down_proj: missing; expected shape"));
  EXPECT_THAT(error, HasSubstr("model.layers.1.mlp.experts.0.down_proj.weight in "));
}

TEST(CheckTensors, TheMtpLayerCountsOnlyWhenAskedFor) {
  const TestFolder folder;
  ModelConfig config = tiny_config();
  config.num_nextn_predict_layers = 1;
  std::vector<TensorSpec> specs = model_tensors(config, ExpertLayout::kSeparate, true);
  named(specs, "model.layers.3.eh_proj.weight").shape = {64, 64};
  write_single(folder.path(), specs);
  EXPECT_EQ(check_error(folder.path(), config, /*with_mtp=*/false), "");
  EXPECT_THAT(check_error(folder.path(), config, /*with_mtp=*/true),
              HasSubstr("model.layers.3.eh_proj.weight in "));

  named(specs, "model.layers.3.eh_proj.weight").shape = {64, 128};
  specs.resize(specs.size() - 2);  // its own embedding and head: a checkpoint may leave them out
  write_single(folder.path(), specs);
  EXPECT_EQ(check_error(folder.path(), config, /*with_mtp=*/true), "");
}

// What may reach a person's disk: a folder with one file overwritten, cut or patched anywhere. It
// opens or says which file is wrong; AddressSanitizer watches what is read.
class MutatedFolder : public testing::TestWithParam<const char*> {};

std::string mutated(const std::string& valid, std::mt19937& random) {
  std::string bytes = valid;
  // Half of the damage into the first KB, where a shard's header is.
  const size_t reach = random() % 2 == 0 ? std::min<size_t>(1024, bytes.size()) : bytes.size();
  switch (random() % 4) {
    case 0:
      bytes.resize(random() % bytes.size());
      break;
    case 1:
      bytes.erase(random() % reach, random() % 16 + 1);
      break;
    default:
      for (uint64_t n = random() % 8 + 1; n > 0; --n) {
        bytes[random() % reach] = static_cast<char>(random());
      }
  }
  return bytes;
}

// The sum of all bodies' bytes: reads every one.
uint64_t read_all(const Checkpoint& checkpoint) {
  uint64_t sum = 0;
  for (const Tensor* tensor : checkpoint.tensors()) {
    for (const std::byte byte : tensor->data) sum += std::to_integer<uint64_t>(byte);
  }
  return sum;
}

TEST_P(MutatedFolder, OpensOrIsRefusedByName) {
  const TestFolder folder;
  ASSERT_TRUE(write_tiny_checkpoint(folder.path(), {.num_shards = 3}));
  const fs::path damaged = folder.path() / GetParam();
  const std::string valid = read_file(damaged);
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < 120; ++i) {
    ASSERT_TRUE(write_file(damaged, mutated(valid, random)));
    const Result<ModelConfig> config = load_config(folder.path() / "config.json");
    const Result<GenerationConfig> generation =
        load_generation_config(folder.path() / "generation_config.json");
    const Result<Checkpoint> checkpoint = Checkpoint::open(folder.path());
    const bool is_open = config && generation && checkpoint;
    refused += !is_open;
    if (!config) {
      EXPECT_THAT(config.error().message, StartsWith(damaged.string() + ": "));
    }
    if (!generation) {
      EXPECT_THAT(generation.error().message, StartsWith(damaged.string() + ": "));
    }
    if (checkpoint) {
      EXPECT_GT(read_all(*checkpoint), 0u);
    } else {
      EXPECT_THAT(checkpoint.error().message, StartsWith(folder.path().string()));
    }
    if (is_open) check_tensors(*checkpoint, *config, /*with_mtp=*/i % 2 == 0).has_value();
  }
  EXPECT_GT(refused, 25);  // cut files alone are a fourth, and hardly one of them still opens
}

INSTANTIATE_TEST_SUITE_P(EachFile, MutatedFolder,
                         testing::Values("config.json", "generation_config.json", kIndex, kFirst,
                                         kSecond),
                         [](const auto& file) {
                           std::string name = file.param;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](char c) { return c == '.' || c == '-'; }, '_');
                           return name;
                         });

}  // namespace
}  // namespace glint
