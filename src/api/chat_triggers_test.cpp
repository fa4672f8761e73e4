// What is forced of an answer, as text: ids by the tokens' own names.

#include "api/chat_triggers.h"

#include <gtest/gtest.h>

#include "api/api_harness.h"

namespace glint {
namespace {

class ChatTriggersTest : public testing::Test {
 protected:
  std::string text_of(const std::vector<TokenId>& ids) const {
    return tokenizer_.decode(ids, false);
  }

  std::string text_of(const Trigger& trigger) const {
    std::string text;
    if (trigger.on_token) text += "on " + text_of(std::vector{*trigger.on_token}) + " ";
    if (trigger.after_tokens) text += cat("after ", *trigger.after_tokens, " ");
    if (!trigger.unless_seen.empty()) text += "unless " + text_of(trigger.unless_seen) + " ";
    if (trigger.repeats) text += "always ";
    if (trigger.holds_stop) text += "before the end ";
    text += "-> " + text_of(trigger.forced_ids);
    for (const std::vector<TokenId>& sequence : trigger.one_of) text += "|" + text_of(sequence);
    return text;
  }
  std::vector<std::string> forced(const ForcedAnswer& answer, const std::vector<Tool>& tools = {}) {
    std::vector<std::string> texts;
    const auto triggers = chat_triggers(answer, tools, tokenizer_);
    if (!triggers) return {triggers.error().message};
    for (const Trigger& trigger : *triggers) texts.push_back(text_of(trigger));
    return texts;
  }
  static Tool tool(const std::string& name) { return Json{{"function", {{"name", name}}}}; }

  Tokenizer tokenizer_ = *Tokenizer::parse(tiny_tokenizer_json(), "tiny");
};

using Texts = std::vector<std::string>;

TEST_F(ChatTriggersTest, NothingIsForcedUnlessAsked) {
  EXPECT_EQ(forced({.max_tokens = 9}, {tool("a")}), Texts());
}

TEST_F(ChatTriggersTest, ThinkingEndsWithItsBudgetUnlessItHasEnded) {
  EXPECT_EQ(forced({.thinking = {.budget = 5}, .max_tokens = 9}),
            Texts{"after 5 unless </think><tool_call> -> </think>"});
  EXPECT_EQ(forced({.thinking = {.budget = 0}, .max_tokens = 9}),
            Texts{"after 0 unless </think><tool_call> -> </think>"});
  EXPECT_EQ(forced({.thinking = {.budget = 5}, .starts_in_thinking = false, .max_tokens = 9}),
            Texts());
  EXPECT_EQ(forced({.thinking = {.budget = 9}, .max_tokens = 9}), Texts()) << "the limit is first";
}

// 100 tokens: 69 of thinking, </think>, 30 of the answer.
TEST_F(ChatTriggersTest, ThinkingLeavesTheAnswerItsReserve) {
  const std::string after = " unless </think><tool_call> -> </think>";
  EXPECT_EQ(forced({.thinking = {.answer_reserve = 30}, .max_tokens = 100}),
            Texts{"after 69" + after});
  EXPECT_EQ(forced({.thinking = {.budget = 80, .answer_reserve = 30}, .max_tokens = 100}),
            Texts{"after 69" + after});
  EXPECT_EQ(forced({.thinking = {.budget = 20, .answer_reserve = 30}, .max_tokens = 100}),
            Texts{"after 20" + after});
  EXPECT_EQ(forced({.thinking = {.answer_reserve = 300}, .max_tokens = 100}),
            Texts{"after 0" + after});
}

TEST_F(ChatTriggersTest, ACallComesAfterTheThinkingAndEveryCallHasAName) {
  const std::vector<Tool> tools = {tool("get"), tool("get_all")};
  EXPECT_EQ(forced({.tool_choice = {.mode = ToolChoice::kRequired}, .max_tokens = 9}, tools),
            (Texts{"on </think> unless <tool_call> -> <tool_call>",
                   "on <tool_call> always before the end -> |get<arg_key>|get</tool_call>"
                   "|get_all<arg_key>|get_all</tool_call>"}));
  EXPECT_EQ(
      forced({.tool_choice = {.mode = ToolChoice::kNamed, .name = "get_all"},
              .starts_in_thinking = false,
              .max_tokens = 9},
             tools),
      (Texts{"after 0 -> <tool_call>",
             "on <tool_call> always before the end -> |get_all<arg_key>|get_all</tool_call>"}));
}

// Typed into a name they are text: nothing but the two ends a name.
TEST_F(ChatTriggersTest, ControlTokensInANameAreText) {
  const auto triggers =
      chat_triggers({.tool_choice = {.mode = ToolChoice::kRequired}, .max_tokens = 9},
                    {tool("</think>")}, tokenizer_);
  const std::vector<TokenId>& name = triggers->back().one_of.front();
  EXPECT_EQ(text_of(name), "</think><arg_key>");
  EXPECT_GT(name.size(), 2u);
}

TEST_F(ChatTriggersTest, NamesOfTooManyTokensAreRefused) {
  const ForcedAnswer answer{.tool_choice = {.mode = ToolChoice::kRequired}, .max_tokens = 9};
  EXPECT_EQ(forced(answer, {tool(std::string(5000, 'x'))}),
            Texts{"A tool's name of 5000 bytes is too long to be forced: at most 2048 tokens are "
                  "allowed."});
  std::vector<Tool> tools;
  for (int i = 0; i < 300; ++i) tools.push_back(tool(cat(i, "_of_many")));
  const Texts refusal = forced(answer, tools);
  EXPECT_NE(refusal[0].find("a forced tool_choice allows 2048. Send fewer tools"),
            std::string::npos)
      << refusal[0];
}

}  // namespace
}  // namespace glint
