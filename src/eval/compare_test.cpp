#include "eval/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "eval/answers_file.h"

namespace glint {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// By sums of binomial coefficients in exact integers.
TEST(McnemarPValue, IsTheExactTwoSidedOne) {
  EXPECT_EQ(mcnemar_p_value(0, 0), 1);
  EXPECT_EQ(mcnemar_p_value(3, 3), 1);
  EXPECT_NEAR(mcnemar_p_value(0, 5), 0.0625, 1e-12);
  EXPECT_NEAR(mcnemar_p_value(1, 9), 0.021484375, 1e-12);
  EXPECT_NEAR(mcnemar_p_value(9, 1), 0.021484375, 1e-12);
  EXPECT_NEAR(mcnemar_p_value(20, 40), 0.01348929373119186, 1e-9);
  EXPECT_NEAR(mcnemar_p_value(0, 1000), 0, 1e-200);
}

TEST(StandardError, IsThatOfAShare) {
  EXPECT_NEAR(standard_error(169, 200), 0.0256, 5e-5);
  EXPECT_EQ(standard_error(200, 200), 0);
  EXPECT_EQ(standard_error(0, 0), 0);
}

class CompareTest : public testing::Test {
 protected:
  void TearDown() override {
    std::remove(a_.c_str());
    std::remove(b_.c_str());
  }

  static void write(const std::string& path, const std::vector<Judged>& answers) {
    const auto written = write_answers(path, {.task = "gsm8k", .answers = answers});
    ASSERT_TRUE(written) << written.error().message;
  }
  static Judged answer(const std::string& question, const std::string& said) {
    return {.group = "",
            .question = question,
            .wanted = "1",
            .said = said,
            .text = "so \"" + said + "\"",
            .is_correct = said == "1"};
  }

  const std::string name_ = testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::string a_ = testing::TempDir() + "/compare_a_" + name_;
  const std::string b_ = testing::TempDir() + "/compare_b_" + name_;
};

TEST_F(CompareTest, ListsTheQuestionsThatOnlyOneGotRight) {
  write(a_, {answer("q0", "1"), answer("q1", "1"), answer("q2", "2"), answer("q3", "")});
  write(b_, {answer("q0", "1"), answer("q1", "7"), answer("q2", "3"), answer("q3", "1")});
  const auto compared = compare_answers(a_, b_);
  ASSERT_TRUE(compared) << compared.error().message;
  EXPECT_EQ(compared->both, 1U);
  EXPECT_EQ(compared->only_a, 1U);
  EXPECT_EQ(compared->only_b, 1U);
  EXPECT_EQ(compared->neither, 1U);
  EXPECT_EQ(compared->other_text, 3U);
  EXPECT_THAT(
      comparison_text(*compared, "a", "b"),
      AllOf(HasSubstr("A a: 0.500 +- 0.250 (2 of 4)"), HasSubstr("McNemar's exact test: p = 1.000"),
            HasSubstr("2. only A is right: q1\n   expected \"1\"; A said \"1\", B said \"7\""),
            HasSubstr("4. only B is right: q3\n   expected \"1\"; A said no number"),
            Not(HasSubstr("q2"))));
  const Json json = *parse_json(comparison_json(*compared));
  EXPECT_EQ(json["differences"][1]["a"]["question"], "q3");
  EXPECT_EQ(json["differences"][1]["b"]["text"], "so \"1\"");
}

TEST_F(CompareTest, RefusesOtherQuestions) {
  write(a_, {answer("q0", "1"), answer("q1", "1")});
  write(b_, {answer("q0", "1")});
  EXPECT_THAT(compare_answers(a_, b_).error().message, HasSubstr("2 answers"));
  write(b_, {answer("q0", "1"), answer("q9", "1")});
  EXPECT_THAT(compare_answers(a_, b_).error().message,
              AllOf(HasSubstr("line 2"), HasSubstr("q1"), HasSubstr("q9")));
}

TEST_F(CompareTest, AnUnwritableFileIsNamed) {
  EXPECT_THAT(write_answers("/nowhere/answers.jsonl", {}).error().message,
              HasSubstr("cannot write /nowhere/answers.jsonl"));
  EXPECT_THAT(read_answers("/nowhere/answers.jsonl").error().message, HasSubstr("cannot read"));
}

}  // namespace
}  // namespace glint
