#include "chat/template.h"

#include <nlohmann/json.hpp>

#include "chat/python_text.h"
#include "chat/tags.h"

namespace glint {
namespace {

// The prompt as it grows. What the template writes as a control token is marked; everything else,
// whatever it spells, is text.
class PromptWriter {
 public:
  void control(std::string_view token) {
    prompt_.control.push_back({prompt_.text.size(), prompt_.text.size() + token.size()});
    prompt_.text += token;
  }
  void text(std::string_view text) { prompt_.text += text; }

  RenderedPrompt take(bool opens_thinking) && {
    prompt_.opens_thinking = opens_thinking;
    return std::move(prompt_);
  }

 private:
  RenderedPrompt prompt_;
};

void write_tools(PromptWriter& out, const std::vector<Tool>& tools) {
  out.control(tags::kSystem);
  out.text(
      "\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
      "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n");
  for (const Tool& tool : tools) {
    out.text(to_python_json(tool));
    out.text("\n");
  }
  out.text(
      "</tools>\n\nFor each function call, output the function name and arguments within the "
      "following XML format:\n");
  // The example call is written with the very tokens that the model is to answer with.
  out.control(tags::kToolCall);
  out.text("{function-name}");
  for (const char* number : {"1", "2"}) {
    out.control(tags::kArgKey);
    out.text(cat("{arg-key-", number, "}"));
    out.control(tags::kArgKeyEnd);
    out.control(tags::kArgValue);
    out.text(cat("{arg-value-", number, "}"));
    out.control(tags::kArgValueEnd);
  }
  out.text("...");
  out.control(tags::kToolCallEnd);
}

const Json* find(const Json& object, const char* key) {
  const auto member = object.find(key);
  return member == object.end() ? nullptr : &*member;
}

// One part of a list: strings and {"type": "text"} show, anything else (an image) vanishes.
std::string visible_part(const Json& part) {
  if (part.is_string()) return part.get<std::string>();
  if (!part.is_object()) return "";
  const Json* type = find(part, "type");
  const Json* text = find(part, "text");
  return type && *type == "text" && text ? python_str(*text) : "";
}

std::string visible_text(const std::optional<Json>& content) {
  if (!content) return "";
  if (!content->is_array()) return python_str(*content);
  std::string text;
  for (const Json& part : *content) text += visible_part(part);
  return text;
}

struct Answer {
  std::string reasoning;
  std::string content;
};

// Reasoning comes as a field of its own or, from clients that only know text, inside the content.
Answer split_answer(const Message& message) {
  std::string content = visible_text(message.content);
  if (message.reasoning_content) return {*message.reasoning_content, std::move(content)};
  const std::string_view text = content;
  const size_t first_end = text.find(tags::kThinkEnd);
  if (first_end == std::string_view::npos) return {"", std::move(content)};

  std::string_view reasoning = strip_newlines_right(text.substr(0, first_end));
  if (const size_t think = reasoning.rfind(tags::kThink); think != std::string_view::npos) {
    reasoning.remove_prefix(think + tags::kThink.size());
  }
  const size_t last_end = text.rfind(tags::kThinkEnd) + tags::kThinkEnd.size();
  return {std::string(strip_newlines_left(reasoning)),
          std::string(strip_newlines_left(text.substr(last_end)))};
}

Result<void> write_tool_call(PromptWriter& out, const ToolCall& call, const std::string& path) {
  if (!call.arguments.is_object()) {
    return Error{ErrorCode::kInvalidRequest,
                 cat(path, ".arguments must be an object; found ", call.arguments.type_name()),
                 path + ".arguments"};
  }
  out.control(tags::kToolCall);
  out.text(call.name);
  for (const auto& [key, value] : call.arguments.items()) {
    out.control(tags::kArgKey);
    out.text(key);
    out.control(tags::kArgKeyEnd);
    out.control(tags::kArgValue);
    out.text(value.is_string() ? value.get<std::string>() : to_python_json(value));
    out.control(tags::kArgValueEnd);
  }
  out.control(tags::kToolCallEnd);
  return {};
}

Result<void> write_assistant(PromptWriter& out, const Message& message, bool keeps_reasoning,
                             const std::string& path) {
  const auto [reasoning, content] = split_answer(message);
  out.control(tags::kAssistant);
  if (keeps_reasoning && !reasoning.empty()) {
    out.control(tags::kThink);
    out.text(python_strip(reasoning));
  }
  out.control(tags::kThinkEnd);
  out.text(python_strip(content));
  for (size_t i = 0; i < message.tool_calls.size(); ++i) {
    TRY(write_tool_call(out, message.tool_calls[i], cat(path, ".tool_calls[", i, "]")));
  }
  return {};
}

// An answer's beginning, as far as it goes: the end of its text is kept as it is.
struct AnswerPrefix {
  std::string reasoning;
  std::string content;
  bool thinks = false;  // still
};

AnswerPrefix split_prefix(const Message& message, bool thinks_when_empty) {
  auto [reasoning, content] = split_answer(message);
  const bool has_content = !python_strip(content).empty();
  if (message.reasoning_content) {
    const bool has_reasoning = !python_strip(reasoning).empty();
    return {std::move(reasoning), std::move(content),
            !has_content && (has_reasoning || thinks_when_empty)};
  }
  const std::string text = visible_text(message.content);
  if (text.find(tags::kThinkEnd) != std::string::npos)
    return {std::move(reasoning), std::move(content), false};
  if (text.starts_with(tags::kThink)) return {text.substr(tags::kThink.size()), "", true};
  return {"", std::move(content), !has_content && thinks_when_empty};
}

// Without white space at its beginning.
std::string_view left_stripped(std::string_view text) {
  const std::string_view stripped = python_strip(text);
  return stripped.empty() ? stripped
                          : text.substr(static_cast<size_t>(stripped.data() - text.data()));
}

// True: the answer goes on inside reasoning.
Result<bool> write_answer_prefix(PromptWriter& out, const Message& message,
                                 const TemplateOptions& options, const std::string& path) {
  const auto refuse = [&](const char* field, std::string_view what) {
    return Error{ErrorCode::kInvalidRequest,
                 cat("continue_final_message is true and ", path, " ", what), cat(path, field)};
  };
  if (message.role != "assistant")
    return refuse(".role", cat("has the role ", message.role, "; expected assistant."));
  if (!message.tool_calls.empty())
    return refuse(".tool_calls", "has tool calls, which are never a beginning: leave one out.");
  const AnswerPrefix prefix = split_prefix(message, options.enable_thinking != false);
  out.control(tags::kAssistant);
  if (prefix.thinks) {
    out.control(tags::kThink);
    out.text(left_stripped(prefix.reasoning));
    return true;
  }
  if (!prefix.reasoning.empty()) {
    out.control(tags::kThink);
    out.text(python_strip(prefix.reasoning));
  }
  out.control(tags::kThinkEnd);
  out.text(left_stripped(prefix.content));
  return false;
}

void write_tool_response(PromptWriter& out, std::string_view text) {
  out.control(tags::kToolResponse);
  out.text(text);
  out.control(tags::kToolResponseEnd);
}

// An item of a list of results: its "output" where it has one, else the item as Python prints it.
std::string result_text(const Json& item) {
  const Json* output = item.is_object() ? find(item, "output") : nullptr;
  return python_str(output ? *output : item);
}

// Consecutive results share one <|observation|>; a list of results always begins its own.
Result<void> write_tool(PromptWriter& out, const Message& message, bool follows_tool,
                        const std::string& path) {
  const std::optional<Json>& content = message.content;
  const bool is_text = content && content->is_string();
  if (!is_text || !follows_tool) out.control(tags::kObservation);
  if (!content) return {};
  if (is_text) {
    write_tool_response(out, content->get_ref<const std::string&>());
  } else if (content->is_array()) {
    for (const Json& item : *content) write_tool_response(out, result_text(item));
  } else if (content->is_object()) {  // Jinja's for walks the keys of a mapping
    for (const auto& [key, value] : content->items()) write_tool_response(out, key);
  } else {
    return Error{ErrorCode::kInvalidRequest,
                 cat(path, ".content of a tool message must be text or a list of results; found ",
                     content->type_name()),
                 path + ".content"};
  }
  return {};
}

void write_text_message(PromptWriter& out, std::string_view role_token, const Message& message) {
  out.control(role_token);
  out.text(visible_text(message.content));
}

// -1 if there is none.
ptrdiff_t last_user_index(const std::vector<Message>& messages) {
  auto index = static_cast<ptrdiff_t>(messages.size()) - 1;
  while (index >= 0 && messages[static_cast<size_t>(index)].role != "user") --index;
  return index;
}

}  // namespace

Result<RenderedPrompt> render_chat(const std::vector<Message>& messages,
                                   const std::vector<Tool>& tools, const TemplateOptions& options) {
  PromptWriter out;
  out.control(tags::kGmask);
  out.control(tags::kSop);
  if (!tools.empty()) write_tools(out, tools);

  const bool keeps_all_reasoning = options.clear_thinking == false;
  const ptrdiff_t last_user = last_user_index(messages);
  const bool continues = options.continue_final_message && !messages.empty();
  for (size_t i = 0; i < messages.size() - (continues ? 1 : 0); ++i) {
    const Message& message = messages[i];
    const std::string path = cat("messages[", i, "]");
    if (message.role == "user") {
      write_text_message(out, tags::kUser, message);
    } else if (message.role == "system") {
      write_text_message(out, tags::kSystem, message);
    } else if (message.role == "assistant") {
      const bool keeps = keeps_all_reasoning || static_cast<ptrdiff_t>(i) > last_user;
      TRY(write_assistant(out, message, keeps, path));
    } else if (message.role == "tool") {
      const bool follows_tool = i > 0 && messages[i - 1].role == "tool";
      TRY(write_tool(out, message, follows_tool, path));
    }
  }

  if (continues) {
    const std::string path = cat("messages[", messages.size() - 1, "]");
    const bool thinks = TRY(write_answer_prefix(out, messages.back(), options, path));
    return std::move(out).take(thinks);
  }
  const bool thinks = options.add_generation_prompt && options.enable_thinking != false;
  if (options.add_generation_prompt) {
    out.control(tags::kAssistant);
    out.control(thinks ? tags::kThink : tags::kThinkEnd);
  }
  return std::move(out).take(/*opens_thinking=*/thinks);
}

}  // namespace glint
