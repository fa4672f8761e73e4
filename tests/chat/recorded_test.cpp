// What jinja2 made of the official template, and what stands in model outputs, as recorded in
// tests/data/chat: these run everywhere, the comparison with jinja2 itself needs the template.

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "chat/output_parser.h"
#include "tests/chat/raw_messages.h"

namespace glint {
namespace {

std::vector<Json> read_lines(const std::string& name) {
  std::ifstream file(std::string(GLINT_SOURCE_DIR) + "/tests/data/chat/" + name);
  std::vector<Json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(take(parse_json(line)));
  return lines;
}

TEST(RecordedChatTest, RendersAsJinjaDid) {
  const std::vector<Json> cases = read_lines("prompts.jsonl");
  ASSERT_GE(cases.size(), 100u);
  for (const Json& recorded : cases) {
    const auto prompt = render_case(recorded);
    const Json& expected = recorded.at("prompt");
    if (expected.is_null()) {
      EXPECT_FALSE(prompt.has_value()) << "jinja2 refused " << to_json_text(recorded);
    } else {
      ASSERT_TRUE(prompt.has_value()) << prompt.error().message;
      EXPECT_EQ(prompt->text, expected.get<std::string>());
    }
  }
}

TEST(RecordedChatTest, ParsesModelOutputs) {
  const std::vector<Json> cases = read_lines("outputs.jsonl");
  ASSERT_GE(cases.size(), 10u);
  for (const Json& recorded : cases) {
    OutputParserOptions options{.starts_in_reasoning = recorded.at("thinking").get<bool>()};
    for (const Json& tool : recorded.at("tools")) options.tools.push_back(tool);
    options.parse_tool_calls = !options.tools.empty();
    const ParsedOutput output = parse_output(recorded.at("text").get<std::string>(), options);
    EXPECT_EQ(output.reasoning, recorded.at("reasoning").get<std::string>());
    EXPECT_EQ(output.content, recorded.at("content").get<std::string>());
    Json calls = Json::array();
    for (const auto& call : output.tool_calls) {
      calls.push_back({{"name", call.name}, {"arguments", call.arguments}});
    }
    EXPECT_EQ(calls, recorded.at("tool_calls")) << recorded.at("text");
  }
}

}  // namespace
}  // namespace glint
