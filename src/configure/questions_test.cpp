#include "configure/questions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace glint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Question& question(const std::vector<Question>& questions, const std::string& id) {
  return *std::ranges::find(questions, id, &Question::id);
}

TEST(Questions, ThePresetsAnswerThemAllAndThisBuildCanDoThem) {
  const auto questions = configure_questions({});
  for (const Question& one : questions)
    EXPECT_TRUE(check_answer(one, one.preset)) << one.id << " " << one.preset;
  const auto setup = read_answers(questions, {});
  ASSERT_TRUE(setup) << setup.error().message;
  EXPECT_EQ(setup->gpu->short_name, "H100");
  EXPECT_TRUE(setup->reasoning_parser);
  EXPECT_FALSE(setup->mtp);
  EXPECT_THAT(setup->not_yet, IsEmpty());
}

TEST(Questions, TheGpuThatIsHereIsThePreset) {
  const auto questions = configure_questions({.gpu_name = "NVIDIA H200", .has_cuda = true});
  EXPECT_EQ(question(questions, "hardware").preset, "h200");
  EXPECT_EQ(read_answers(questions, {})->gpu->short_name, "H200");
  EXPECT_EQ(question(configure_questions({.gpu_name = "NVIDIA A100-SXM4-80GB"}), "hardware").preset,
            "h100");
}

TEST(Questions, EveryAnswerIsRead) {
  const auto setup = read_answers(configure_questions({}), {{"hardware", "h100-nvl"},
                                                            {"quantization", "fp8"},
                                                            {"tp", "2"},
                                                            {"dp", "4"},
                                                            {"mtp", "on"},
                                                            {"reasoning", "off"},
                                                            {"tools", "off"},
                                                            {"concurrency", "64"},
                                                            {"context", "4096"},
                                                            {"listen", "network"},
                                                            {"port", "8000"},
                                                            {"model", "/models/glm"}});
  ASSERT_TRUE(setup) << setup.error().message;
  EXPECT_EQ(setup->gpu->short_name, "H100 NVL");
  EXPECT_TRUE(setup->fp8 && setup->mtp && setup->listens_to_network);
  EXPECT_FALSE(setup->reasoning_parser || setup->tool_call_parser);
  EXPECT_THAT((std::vector{setup->tp, setup->dp, setup->concurrency, setup->context, setup->port}),
              ElementsAre(2, 4, 64, 4096, 8000));
  EXPECT_EQ(setup->model, "/models/glm");
  EXPECT_THAT(setup->not_yet, ElementsAre(HasSubstr("FP8"), HasSubstr("several GPUs"),
                                          HasSubstr("MTP")));  // each once
}

TEST(Questions, ListeningToTheNetworkNamesTheKeys) {
  EXPECT_THAT(question(configure_questions({}), "listen").help, HasSubstr("--api-key"));
}

TEST(Questions, TheLastAnswerToAQuestionCounts) {
  const auto setup = read_answers(configure_questions({}), {{"port", "1"}, {"port", "2"}});
  EXPECT_EQ(setup->port, 2);
}

TEST(Questions, AWrongAnswerIsNamedWithWhatWasExpected) {
  const auto refusal = [](const std::string& id, const std::string& answer) {
    const auto setup = read_answers(configure_questions({}), {{id, answer}});
    EXPECT_FALSE(setup) << id << " " << answer;
    return setup ? "" : setup.error().message;
  };
  EXPECT_EQ(refusal("mtp", "yes"), "mtp is \"yes\"; expected on or off.");
  EXPECT_THAT(refusal("hardware", "rtx"), HasSubstr("expected h100, h100-pcie, "));
  for (const char* number : {"", "0", "-1", "16k", "1e3", "1,000", "99999999999", "10000001", " 1"})
    EXPECT_THAT(refusal("context", number),
                HasSubstr("expected a whole number from 1 to 10000000"));
  EXPECT_EQ(refusal("model", ""), "model is \"\"; expected some text.");
  EXPECT_EQ(refusal("color", "blue"), "there is no question \"color\".");
}

}  // namespace
}  // namespace glint
