#include "tests/checkpoint/replica.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "model/checkpoint.h"
#include "model/gpu_table.h"
#include "model/memory_plan.h"
#include "tests/support/test_folder.h"
#include "tests/support/tiny_checkpoint.h"

namespace glint {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using Json = nlohmann::json;

class Replica : public testing::Test {
 protected:
  void SetUp() override {
    const Result<void> written = write_replica(path());
    ASSERT_TRUE(written) << written.error().message;
  }
  const fs::path& path() const { return folder_.path(); }

 private:
  TestFolder folder_;
};

struct Outcome {
  int status = -1;
  std::string out;
};

Outcome glint_doctor(const std::string& arguments) {
  const std::string command = cat(GLINT_BINARY, " doctor ", arguments);
  Outcome run;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return run;
  char buffer[4096];
  for (size_t n = 0; (n = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) run.out.append(buffer, n);
  const int status = pclose(pipe);
  run.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return run;
}

// The released files' sizes, and on the disk next to nothing.
TEST_F(Replica, IsTheReleasedCheckpointInHoles) {
  const Checkpoint checkpoint = *Checkpoint::open(path());
  EXPECT_EQ(checkpoint.num_shards(), 48);
  EXPECT_EQ(checkpoint.tensors().size(), 9703u);
  int64_t elements = 0, bytes = 0;
  int num_float32 = 0;
  for (const Tensor* tensor : checkpoint.tensors()) {
    elements += tensor->num_elements();
    bytes += static_cast<int64_t>(tensor->data.size());
    num_float32 += tensor->type == TensorType::kF32;
  }
  EXPECT_EQ(elements, 31'221'488'576);
  EXPECT_EQ(bytes, 62'442'983'168);
  EXPECT_EQ(num_float32, 47);
  // Ours have a "__metadata__" each, 31 bytes: with the padding 32 in the first file, 24 in the
  // rest.
  EXPECT_EQ(checkpoint.num_file_bytes(), 62'444'175'504 + 32 + 47 * 24);
}

TEST_F(Replica, AgreesWithItsConfigWithAndWithoutTheMtpLayer) {
  const Result<ModelConfig> config = load_config(path() / "config.json");
  ASSERT_TRUE(config) << config.error().message;
  const Result<Checkpoint> checkpoint = Checkpoint::open(path());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  for (const bool with_mtp : {false, true}) {
    const Result<void> checked = check_tensors(*checkpoint, *config, with_mtp);
    EXPECT_TRUE(checked) << checked.error().message;
  }
}

TEST_F(Replica, DoctorPrintsThePlanForAnH100) {
  const Outcome text = glint_doctor(path().string() + " --gpu H100");
  EXPECT_EQ(text.status, 0) << text.out;
  for (const char* line :
       {"config     47 layers, 64 experts, context 202752, bfloat16\n",
        "weights    9703 tensors in 48 files, ", "tensors    every name and shape agrees",
        "memory plan (weights are 59886793728 bytes)\n",
        "  NVIDIA H100 80GB HBM3             79.2 GiB\n",
        "  weights, bf16                    -55.8\n",
        "at 52.9 KiB per token (bf16): room for 391424 tokens in 6116 pages of 64\n",
        "no problem found\n"}) {
    EXPECT_THAT(text.out, HasSubstr(line));
  }

  const Outcome run = glint_doctor(path().string() + " --gpu h100 --json");
  EXPECT_EQ(run.status, 0);
  const Json json = Json::parse(run.out);
  EXPECT_EQ(json["ok"], true);
  EXPECT_EQ(json["shards"], 48);
  EXPECT_EQ(json["tensors"], 9703);
  const Json& plan = json["memory_plan"];
  EXPECT_EQ(plan["weights_bytes"], 59'886'787'840 + 46 * 64 * 2);  // 46 biases are FP32
  EXPECT_EQ(plan["kv_bytes_per_token"], 54'144);
  EXPECT_EQ(plan["context_length"], 202'752);
  EXPECT_EQ(plan["kv_tokens"], 391'424);
  EXPECT_EQ(plan["total_bytes"], find_gpu("H100")->memory_bytes);
}

TEST_F(Replica, DoctorRefusesADamagedFolderWithOneSentence) {
  fs::resize_file(path() / "model-00007-of-00048.safetensors", 1'000'000'000);
  const Outcome cut = glint_doctor(path().string() + " --gpu H100");
  EXPECT_EQ(cut.status, 1);
  EXPECT_THAT(cut.out,
              HasSubstr(cat("problem: ", (path() / "model-00007-of-00048.safetensors").string(),
                            ": tensor ")));
  EXPECT_THAT(cut.out, HasSubstr("It was truncated; download it again.\n"));
  EXPECT_THAT(cut.out, testing::Not(HasSubstr("no problem found")));

  fs::remove(path() / "model-00007-of-00048.safetensors");
  fs::remove(path() / "model-00048-of-00048.safetensors");
  const Outcome missing = glint_doctor(path().string() + " --gpu H100 --json");
  EXPECT_EQ(missing.status, 1);
  const Json json = Json::parse(missing.out);
  EXPECT_EQ(json["ok"], false);
  ASSERT_EQ(json["problems"].size(), 1u);
  EXPECT_THAT(json["problems"][0].get<std::string>(),
              HasSubstr("2 of 48 files that model.safetensors.index.json names are missing"));
}

TEST_F(Replica, DoctorSaysWhatIsMissingHere) {
  const Outcome here = glint_doctor(path().string());
  EXPECT_EQ(here.status, 1);
  EXPECT_THAT(here.out, HasSubstr("backends   CPU. No "));
  EXPECT_THAT(here.out, HasSubstr("problem: the weights are 59886793728 bytes. "));

  const Outcome unknown = glint_doctor(path().string() + " --gpu H300");
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.out, HasSubstr("problem: --gpu H300 is not known; expected one of: H100, "));
}

TEST(Doctor, AnIdThatIsNotCachedNamesTheCommandThatFetchesIt) {
  const TestFolder cache;
  ASSERT_EQ(setenv("HF_HUB_CACHE", cache.path().c_str(), 1), 0);
  const Outcome run = glint_doctor("zai-org/GLM-4.7-Flash");
  EXPECT_EQ(run.status, 1);
  EXPECT_THAT(run.out, HasSubstr("\n  hf download zai-org/GLM-4.7-Flash\n"));
}

TEST(Doctor, ASmallModelRunsOnTheCpu) {
  const TestFolder folder;
  ASSERT_TRUE(write_tiny_checkpoint(folder.path()));
  const Outcome run = glint_doctor(folder.path().string());
  EXPECT_EQ(run.status, 0) << run.out;
  EXPECT_THAT(run.out, HasSubstr("device     CPU: the weights are "));
}

TEST(Doctor, ATokenizerThatCannotBeReadIsAProblem) {
  const TestFolder folder;
  ASSERT_TRUE(write_tiny_checkpoint(folder.path()));
  std::ofstream(folder.path() / "tokenizer.json") << "{\"model\": {\"type\": \"WordPiece\"}}";
  const Outcome run = glint_doctor(folder.path().string());
  EXPECT_EQ(run.status, 1);
  EXPECT_THAT(run.out, HasSubstr("problem: " + (folder.path() / "tokenizer.json").string()));
}

TEST(Doctor, AnUnknownTemplateIsNamedAndNoProblem) {
  const TestFolder folder;
  ASSERT_TRUE(write_tiny_checkpoint(folder.path()));
  std::ofstream(folder.path() / "chat_template.jinja") << "{{ messages }}";
  const Outcome run = glint_doctor(folder.path().string());
  EXPECT_EQ(run.status, 0) << run.out;
  EXPECT_THAT(run.out, HasSubstr("template   chat_template.jinja is not known (SHA-256 "));
}

}  // namespace
}  // namespace glint
