#pragma once

// Messages and tools to the prompt, byte for byte as the official chat_template.jinja of
// GLM-4.7-Flash renders them with trim_blocks and lstrip_blocks.

#include <optional>
#include <string>
#include <vector>

#include "base/byte_range.h"
#include "base/result.h"
#include "chat/message.h"

namespace glint {

struct TemplateOptions {
  bool add_generation_prompt = true;
  std::optional<bool> enable_thinking{};  // unset: on
  // The last message, an assistant's, is the beginning of the answer: nothing ends it, and no
  // generation prompt follows. Not in the official template. Reasoning without content stays open.
  bool continue_final_message = false;
  std::optional<bool> clear_thinking{};  // unset: reasoning before the last user message is dropped
};

struct RenderedPrompt {
  std::string text;
  std::vector<ByteRange> control;  // the control tokens that the template itself wrote, in order
  bool opens_thinking = false;     // the answer starts inside reasoning: it ends in <think>
};

// Fails where the template does: tool call arguments that are not an object, a tool message whose
// content is null, a number or a boolean. And where the last message cannot be continued.
Result<RenderedPrompt> render_chat(const std::vector<Message>& messages,
                                   const std::vector<Tool>& tools, const TemplateOptions& options);

}  // namespace glint
