#include "api/responses/input_items.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/chat_request.h"
#include "api/responses/output_items.h"

namespace glint {
namespace {

// What OpenAI's own tools leave in a conversation. There is nothing of them for the model to read.
constexpr std::string_view kServerToolItems[] = {"apply_patch_call",
                                                 "apply_patch_call_output",
                                                 "code_interpreter_call",
                                                 "compaction",
                                                 "computer_call",
                                                 "computer_call_output",
                                                 "custom_tool_call",
                                                 "custom_tool_call_output",
                                                 "file_search_call",
                                                 "image_generation_call",
                                                 "local_shell_call",
                                                 "local_shell_call_output",
                                                 "mcp_approval_request",
                                                 "mcp_approval_response",
                                                 "mcp_call",
                                                 "mcp_list_tools",
                                                 "shell_call",
                                                 "shell_call_output",
                                                 "tool_search_call",
                                                 "tool_search_output",
                                                 "web_search_call"};

bool is_server_tool_item(std::string_view type) {
  return std::ranges::find(kServerToolItems, type) != std::end(kServerToolItems);
}

std::string_view id_prefix(std::string_view type) {
  if (type == "reasoning") return "rs_";
  if (type == "function_call") return "fc_";
  if (type == "function_call_output") return "fco_";
  return "msg_";
}

Result<Json> referenced_item(const RequestFields& fields, const ServerContext& context) {
  const auto id = TRY(fields.string("id"));
  if (!id) return fields.refuse("id", "the id of an item of a stored response");
  if (auto item = context.responses.find_item(*id)) return *std::move(item);
  return Error{ErrorCode::kNotFound, cat("Item with id ", shown(Json(*id)), " not found."),
               fields.path_of("id")};
}

Result<Json> parse_item(const Json& item, const std::string& path, ServerContext& context) {
  if (!item.is_object()) {
    return Error{ErrorCode::kInvalidRequest,
                 cat(path, " is ", shown(item), "; expected an object."), path};
  }
  const RequestFields fields(item, path);
  const auto id = TRY(fields.string("id"));
  const bool says_only_an_id = id && item.size() == 1;
  const std::string type =
      TRY(fields.string("type")).value_or(says_only_an_id ? "item_reference" : "message");
  if (type == "item_reference") return referenced_item(fields, context);
  Json parsed = {{"type", type},
                 {"id", id.value_or(cat(id_prefix(type), context.ids.next_hex(48)))}};
  for (const auto& [name, value] : item.items())
    if (name != "type" && name != "id") parsed[name] = value;
  return parsed;
}

// --- Items to messages --------------------------------------------------------------------------

class MessageBuilder {
 public:
  Result<void> add(const RequestFields& item);
  std::vector<Message> take() { return std::move(messages_); }

 private:
  Result<void> add_message(const RequestFields& item);
  Result<void> add_reasoning(const RequestFields& item);
  Result<void> add_call(const RequestFields& item);
  void add_other(Message message);
  Message& assistant();

  std::vector<Message> messages_;
  bool in_turn_ = false;  // the last message is an assistant's, and may get more
};

Result<void> MessageBuilder::add(const RequestFields& item) {
  const std::string type = TRY(item.string("type")).value_or("");
  if (type == "message") return add_message(item);
  if (type == "reasoning") return add_reasoning(item);
  if (type == "function_call") return add_call(item);
  if (is_server_tool_item(type)) return {};
  if (type != "function_call_output")
    return item.refuse("type",
                       "message, reasoning, function_call, function_call_output or item_reference");
  if (item.find("output") == nullptr)
    return item.refuse("output", "a string or an array of text parts");
  add_other(TRY(parse_tool_result(item, "output")));
  return {};
}

Result<void> MessageBuilder::add_message(const RequestFields& item) {
  Message message = TRY(parse_chat_message(item));
  if (message.role != "assistant") {
    add_other(std::move(message));
    return {};
  }
  const bool only_reasoning_yet =
      in_turn_ && messages_.back().tool_calls.empty() && messages_.back().content == Json("");
  if (!only_reasoning_yet) in_turn_ = false;
  assistant().content = std::move(message.content);
  return {};
}

Result<void> MessageBuilder::add_reasoning(const RequestFields& item) {
  in_turn_ = false;
  assistant().reasoning_content = TRY(reasoning_text(item));
  return {};
}

Result<void> MessageBuilder::add_call(const RequestFields& item) {
  if (TRY(item.string("status")) == "incomplete") return {};  // the token limit cut it
  ToolCall call;
  call.id = TRY(item.string("call_id")).value_or("");
  call.name = TRY(item.string("name")).value_or("");
  if (call.name.empty()) return item.refuse("name", "a function's name");
  call.arguments = TRY(parse_call_arguments(item));
  assistant().tool_calls.push_back(std::move(call));
  return {};
}

void MessageBuilder::add_other(Message message) {
  in_turn_ = false;
  messages_.push_back(std::move(message));
}

Message& MessageBuilder::assistant() {
  if (!std::exchange(in_turn_, true))
    messages_.push_back(Message{.role = "assistant", .content = Json("")});
  return messages_.back();
}

}  // namespace

Result<Json> parse_input(const RequestFields& fields, ServerContext& context) {
  const Json* input = fields.find("input");
  Json items = Json::array();
  if (input != nullptr && input->is_string()) {
    const Json text = {{"type", "input_text"}, {"text", *input}};
    items.push_back({{"type", "message"},
                     {"id", cat("msg_", context.ids.next_hex(48))},
                     {"role", "user"},
                     {"content", Json::array({text})}});
    return items;
  }
  if (input == nullptr || !input->is_array() || input->empty())
    return fields.refuse("input", "a string or an array of at least one item");
  for (const Json& item : *input)
    items.push_back(TRY(parse_item(item, cat("input[", items.size(), "]"), context)));
  return items;
}

Result<std::vector<Message>> messages_of_items(const Json& items, size_t num_earlier) {
  MessageBuilder builder;
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string path = i < num_earlier ? cat("previous_response_id: input[", i, "]")
                                             : cat("input[", i - num_earlier, "]");
    TRY(builder.add(RequestFields(items[i], path)));
  }
  return builder.take();
}

}  // namespace glint
