#include "eval/eval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/queue.h"
#include "eval/gsm8k.h"
#include "eval/tool_calls.h"
#include "http/server.h"

namespace glint {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(FewShotExamples, AreQuestionsWithAnswers) {
  const std::vector<Json> lines = {{{"question", "1+1?"}, {"answer", "#### 2"}},
                                   {{"question", "2+2?"}, {"answer", "#### 4"}}};
  EXPECT_EQ(few_shot_examples(lines, 1), "Question: 1+1?\nAnswer: #### 2\n\n");
  EXPECT_EQ(few_shot_examples(lines, 9),
            "Question: 1+1?\nAnswer: #### 2\n\nQuestion: 2+2?\nAnswer: #### 4\n\n");
}

// The real HTTP server with scripted answers, and a data file.
class EvalTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.data_path = testing::TempDir() + "/eval_test_" +
                         testing::UnitTest::GetInstance()->current_test_info()->name() + ".jsonl";
  }
  void TearDown() override { std::remove(options_.data_path.c_str()); }

  void write(const std::string& text) { std::ofstream(options_.data_path) << text; }

  void serve(const std::string& path, std::function<Json(const Json&)> answer) {
    Router router;
    router.add("POST", path, [this, answer](std::shared_ptr<Exchange> exchange) {
      const Json body = *parse_json(exchange->request().body);
      asked_.push(to_json_text(body));
      exchange->respond({.body = to_json_text(answer(body))});
    });
    router.add("GET", "/get_model_info", [](std::shared_ptr<Exchange> exchange) {
      exchange->respond({.body = R"({"model_path": "some/model"})"});
    });
    auto server = HttpServer::listen({.port = 0}, std::move(router));
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    server_->start();
    options_.url = cat("http://127.0.0.1:", server_->port());
  }

  EvalOptions options_;
  Queue<std::string> asked_;
  std::unique_ptr<HttpServer> server_;
};

constexpr char kProblems[] =
    "{\"question\": \"Two pens and one?\", \"answer\": \"#### 3\", \"group\": \"easy\"}\n"
    "{\"question\": \"Four pens and one?\", \"answer\": \"#### 5\", \"group\": \"hard\"}\n"
    "{\"question\": \"No pens?\", \"answer\": \"#### 0\", \"group\": \"hard\"}\n";

TEST_F(EvalTest, CountsRightWrongAndInvalidAnswers) {
  write(kProblems);
  serve("/generate", [](const Json& body) -> Json {
    const auto text = body["text"].get<std::string>();
    const char* said = text.ends_with("Two pens and one?\nAnswer:")    ? " 2+1=3\n#### 3"
                       : text.ends_with("Four pens and one?\nAnswer:") ? " #### 6"
                                                                       : " none";
    return {{"text", said},
            {"meta_info", {{"completion_tokens", 4}, {"finish_reason", {{"type", "length"}}}}}};
  });
  options_.num_shots = 1;
  const auto report = eval_gsm8k(options_);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->completion_tokens(), 12);
  EXPECT_EQ(report->model, "some/model");
  EXPECT_THAT(report_text(*report), AllOf(StartsWith("Accuracy: 0.333\nInvalid: 0.333\n"),
                                          HasSubstr("\nStandard error: 0.272 (1 of 3 right)\n"),
                                          HasSubstr("Cut off by a limit: 3\n"),
                                          HasSubstr("easy                 1.000 (1 of 1)"),
                                          HasSubstr("hard                 0.000 (0 of 2)")));
}

TEST_F(EvalTest, TellsHowFarItIs) {
  write(kProblems);
  serve("/generate", [](const Json&) -> Json { return {{"text", "1"}}; });
  std::vector<size_t> done;
  options_.on_progress = [&](size_t n, size_t all) {
    done.push_back(n);
    EXPECT_EQ(all, 3U);
  };
  ASSERT_TRUE(eval_gsm8k(options_));
  EXPECT_THAT(done, ElementsAre(1, 2, 3));
}

TEST_F(EvalTest, SendsTheExamplesOnceBeforeAndThenWithEachQuestion) {
  write(kProblems);
  serve("/generate", [](const Json&) -> Json { return {{"text", "1"}}; });
  options_.num_shots = 1;
  options_.num_questions = 1;
  ASSERT_TRUE(eval_gsm8k(options_));
  const std::string examples = "Question: Two pens and one?\\nAnswer: #### 3\\n\\n";
  const std::string rest = R"(,"stop":["Question","Assistant:","<|separator|>"]}})";
  const std::vector<std::string> asked = asked_.drain();
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[0], "{\"text\":\"" + examples +
                          R"(","sampling_params":{"temperature":0.0,"max_new_tokens":0)" + rest);
  EXPECT_EQ(asked[1], "{\"text\":\"" + examples + "Question: Two pens and one?\\nAnswer:" +
                          R"(","sampling_params":{"temperature":0.0,"max_new_tokens":512)" + rest);
}

TEST_F(EvalTest, ExamplesAreAskedTooUnlessTheyAreLeftOut) {
  write(kProblems);
  serve("/generate", [](const Json&) -> Json { return {{"text", "1"}}; });
  options_.num_shots = 1;
  options_.num_questions = 2;
  const auto questions = [&] {
    std::vector<std::string> asked;
    const auto report = eval_gsm8k(options_);
    EXPECT_TRUE(report) << report.error().message;
    for (const Judged& judged : report->answers) asked.push_back(judged.question);
    return asked;
  };
  EXPECT_THAT(questions(), ElementsAre("Two pens and one?", "Four pens and one?"));
  options_.ask_examples = false;
  EXPECT_THAT(questions(), ElementsAre("Four pens and one?", "No pens?"));
  options_.num_questions = 200;
  EXPECT_THAT(questions(), ElementsAre("Four pens and one?", "No pens?"));
  options_.num_shots = 3;
  EXPECT_THAT(eval_gsm8k(options_).error().message, HasSubstr("3 lines, all of them examples"));
}

TEST_F(EvalTest, AnAnswerInTheFileWithoutANumberIsAnError) {
  write("{\"question\": \"a\", \"answer\": \"1\"}\n{\"question\": \"b\", \"answer\": \"two\"}\n");
  EXPECT_THAT(eval_gsm8k(options_).error().message,
              HasSubstr("line 2: no number in the answer \"two\""));
}

TEST_F(EvalTest, ChatTakesTheContentAndNotTheReasoning) {
  write(kProblems);
  serve("/v1/chat/completions", [](const Json&) -> Json {
    const Json message = {{"reasoning_content", "3? No, 9."}, {"content", "The answer is 3."}};
    return {{"choices", Json::array({{{"message", message}}})},
            {"usage", {{"completion_tokens", 7}}}};
  });
  options_.chat = true;
  options_.thinking = false;
  const auto report = eval_gsm8k(options_);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(report->answers[0].is_correct);
  EXPECT_FALSE(report->answers[1].is_correct);
  EXPECT_EQ(report->completion_tokens(), 21);
  EXPECT_EQ(report->answers[0].reasoning, "3? No, 9.");
  const std::string asked = asked_.drain()[0];
  EXPECT_THAT(asked, HasSubstr(R"("chat_template_kwargs":{"enable_thinking":false})"));
  EXPECT_THAT(asked, Not(HasSubstr("max_tokens")));  // thinking takes what it takes
}

TEST_F(EvalTest, AServersRefusalIsTheError) {
  write(kProblems);
  serve("/somewhere", [](const Json&) -> Json { return {}; });
  const auto report = eval_gsm8k(options_);
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("/generate answered 404"));
}

TEST_F(EvalTest, ABadDataFileIsNamedWithItsLine) {
  EXPECT_THAT(eval_gsm8k(options_).error().message,
              AllOf(HasSubstr("cannot read"), HasSubstr(options_.data_path)));
  write("{\"question\": \"a\", \"answer\": \"1\"}\n{\"question\": \"b\"}\n");
  EXPECT_THAT(eval_gsm8k(options_).error().message, HasSubstr("line 2 has no \"answer\""));
  write("{\"question\": \n");
  EXPECT_THAT(eval_gsm8k(options_).error().message, HasSubstr("line 1: "));
}

Json completion_with_call(const std::string& name, const std::string& arguments) {
  const Json call = {
      {"id", "x"}, {"type", "function"}, {"function", {{"name", name}, {"arguments", arguments}}}};
  return {
      {"choices",
       Json::array({{{"message", {{"content", nullptr}, {"tool_calls", Json::array({call})}}}}})},
      {"usage", {{"completion_tokens", 5}}}};
}

TEST_F(EvalTest, ToolCallsMustBeExact) {
  const std::string tools = R"("tools": [{"name": "f", "parameters": {}}])";
  const auto one = [&](const std::string& said, const std::string& calls) {
    return R"({"messages": [{"role": "user", "content": ")" + said + "\"}], " + tools +
           ", \"calls\": " + calls + "}\n";
  };
  write(one("order", R"([{"name": "f", "arguments": {"a": 1, "b": [true]}}])") +
        one("value", R"([{"name": "f", "arguments": {"a": 1, "b": [false]}}])") +
        one("type", R"([{"name": "f", "arguments": {"a": "1", "b": [true]}}])") +
        one("none", "[]"));
  serve("/v1/chat/completions", [](const Json& body) -> Json {
    EXPECT_EQ(body["tools"][0]["function"]["name"], "f");
    return completion_with_call("f", R"({"b": [true], "a": 1})");
  });
  const auto report = eval_tools(options_);
  ASSERT_TRUE(report) << report.error().message;
  std::vector<bool> right;
  for (const Judged& judged : report->answers) right.push_back(judged.is_correct);
  EXPECT_THAT(right, ElementsAre(true, false, false, false));
  EXPECT_EQ(report->completion_tokens(), 20);
}

TEST(CallsOf, AnAnswerWithoutCallsHasNone) {
  EXPECT_EQ(calls_of(*parse_json(R"({"choices": [{"message": {"content": "hi"}}]})")),
            Json::array());
  EXPECT_EQ(calls_of(*parse_json("{}")), Json::array());
  EXPECT_EQ(calls_of(completion_with_call("f", "{bad"))[0]["arguments"], "{bad");
}

}  // namespace
}  // namespace glint
