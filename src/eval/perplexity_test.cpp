#include "eval/perplexity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/queue.h"
#include "http/server.h"

namespace glint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

TEST(TextWindows, AreCutBeforeBlanksElseBetweenCharacters) {
  EXPECT_THAT(text_windows("", 8), IsEmpty());
  EXPECT_THAT(text_windows("one two", 8), ElementsAre("one two"));
  EXPECT_THAT(text_windows("one two three", 8), ElementsAre("one two", " three"));
  EXPECT_THAT(text_windows("one\ntwo", 3), ElementsAre("one", "\ntw", "o"));
  EXPECT_THAT(text_windows("äöü", 5), ElementsAre("äö", "ü"));
  EXPECT_THAT(text_windows(" abc", 2), ElementsAre(" a", "bc"));
}

class PerplexityTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.text_path = testing::TempDir() + "/perplexity_" +
                         testing::UnitTest::GetInstance()->current_test_info()->name();
  }
  void TearDown() override { std::remove(options_.text_path.c_str()); }
  void write(const std::string& text) { std::ofstream(options_.text_path) << text; }

  void serve(std::function<Json(const Json&)> entries) {
    Router router;
    router.add("POST", "/generate", [this, entries](std::shared_ptr<Exchange> exchange) {
      const Json body = *parse_json(exchange->request().body);
      asked_.push(body["text"].get<std::string>());
      EXPECT_EQ(body["logprob_start_len"], 0);
      EXPECT_EQ(body["sampling_params"]["max_new_tokens"], 0);
      const Json answer = {{"meta_info", {{"input_token_logprobs", entries(body)}}}};
      exchange->respond({.body = to_json_text(answer)});
    });
    auto server = HttpServer::listen({.port = 0}, std::move(router));
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    server_->start();
    options_.url = cat("http://127.0.0.1:", server_->port());
  }

  PerplexityOptions options_;
  Queue<std::string> asked_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(PerplexityTest, IsTheMeanOverAllWindowsButTheirFirstTokens) {
  write("one two three");
  options_.window_bytes = 8;
  serve([](const Json& body) -> Json {
    if (body["text"] == "one two") return {{nullptr, 1, "one"}, {-1.0, 2, " two"}};
    return {{nullptr, 3, " th"}, {-2.0, 4, "r"}, {-3.0, 5, "ee"}};
  });
  const auto report = eval_perplexity(options_);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(asked_.drain(), UnorderedElementsAre("one two", " three"));
  EXPECT_EQ(report->num_tokens, 3);
  EXPECT_EQ(report->num_bytes, 7U);  // " two" and "ree"
  EXPECT_NEAR(report->perplexity(), std::exp(2.0), 1e-12);
  EXPECT_NEAR(report->bits_per_byte(), 6 / std::log(2.0) / 7, 1e-12);
  EXPECT_THAT(perplexity_text(*report), HasSubstr("Perplexity: 7.3891\n"));
  EXPECT_EQ((*parse_json(perplexity_json(*report)))["windows"], 2);
}

TEST_F(PerplexityTest, AnAnswerWithoutThemIsAnError) {
  write("text");
  serve([](const Json&) -> Json { return Json::array(); });
  EXPECT_THAT(eval_perplexity(options_).error().message,
              HasSubstr("nothing in meta_info.input_token_logprobs"));
  server_.reset();
  serve([](const Json&) -> Json { return {{nullptr, 1, nullptr}, {nullptr, 2, nullptr}}; });
  EXPECT_THAT(eval_perplexity(options_).error().message, HasSubstr("an entry without a number"));
}

TEST_F(PerplexityTest, ABadFileIsNamed) {
  EXPECT_THAT(eval_perplexity(options_).error().message, HasSubstr("cannot read"));
  write("");
  EXPECT_THAT(eval_perplexity(options_).error().message, HasSubstr("is empty"));
  write("\xff");
  EXPECT_THAT(eval_perplexity(options_).error().message, HasSubstr("is no UTF-8"));
}

}  // namespace
}  // namespace glint
