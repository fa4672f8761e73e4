#include "tests/fuzz/prompt_check.h"

#include <algorithm>

#include "base/utf8.h"
#include "chat/tags.h"
#include "tests/fuzz/fuzz.h"

namespace glint {
namespace {

constexpr std::string_view kTags[] = {
    tags::kGmask,     tags::kSop,         tags::kSystem,       tags::kUser,
    tags::kAssistant, tags::kObservation, tags::kThink,        tags::kThinkEnd,
    tags::kToolCall,  tags::kToolCallEnd, tags::kToolResponse, tags::kToolResponseEnd,
    tags::kArgKey,    tags::kArgKeyEnd,   tags::kArgValue,     tags::kArgValueEnd,
};

}  // namespace

void check_prompt(const RenderedPrompt& prompt) {
  const std::string_view text = prompt.text;
  CHECK(is_valid_utf8(text), "the prompt is not UTF-8");
  CHECK(text.starts_with("[gMASK]<sop>"), "the prompt begins with ", text.substr(0, 20));
  size_t last = 0;
  for (const auto& [begin, end] : prompt.control) {
    CHECK(last <= begin && begin < end && end <= text.size(), "range [", begin, ", ", end, ")");
    last = end;
    const std::string_view token = text.substr(begin, end - begin);
    CHECK(std::find(std::begin(kTags), std::end(kTags), token) != std::end(kTags), "\"", token,
          "\" is marked as a control token");
  }
  if (prompt.opens_thinking) CHECK(text.ends_with("<think>"), "thinking is not open");
}

}  // namespace glint
