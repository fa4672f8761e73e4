#include "api/anthropic/content_blocks.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace glint {
namespace {

// One element of an array of blocks, with the name that errors give it.
struct Block {
  RequestFields fields;
  std::string type;
  std::string path;

  Error wrong_type(std::string_view expected) const {
    return fields.error("type",
                        cat(path, ".type is ", shown(Json(type)), "; expected ", expected, "."));
  }
  Error not_text(std::string_view what) const {
    return fields.error("type", cat(path, " is ", what, "; this model takes text input only."));
  }
};

Result<Block> parse_block(const Json& value, std::string path) {
  if (!value.is_object()) {
    return Error{ErrorCode::kInvalidRequest,
                 cat(path, " is ", shown(value), "; expected an object with a type."), path};
  }
  RequestFields fields(value, path);
  std::string type = TRY(fields.string("type")).value_or("");
  return Block{std::move(fields), std::move(type), std::move(path)};
}

// The elements of field `name`, which holds an array.
Result<std::vector<Block>> parse_blocks(const RequestFields& fields, std::string_view name) {
  const Json* list = TRY(fields.array(name));
  std::vector<Block> blocks;
  if (list == nullptr) return blocks;
  for (const Json& value : *list)
    blocks.push_back(TRY(parse_block(value, cat(fields.path_of(name), "[", blocks.size(), "]"))));
  return blocks;
}

Result<std::string> required_text(const RequestFields& fields, std::string_view name) {
  auto text = TRY(fields.string(name));
  if (!text) return fields.refuse(name, "a string");
  return *std::move(text);
}

void append_line(std::string& text, std::string_view line) {
  if (line.empty()) return;
  if (!text.empty()) text += '\n';
  text += line;
}

Result<std::string> text_of(const RequestFields& fields, std::string_view name);

// A document's text, under its title; files, addresses and PDFs hold none that we could read.
Result<std::string> document_text(const Block& block) {
  const Json* source = TRY(block.fields.object("source"));
  if (source == nullptr) return block.fields.refuse("source", "an object with a type");
  const RequestFields fields(*source, block.fields.path_of("source"));
  const std::string type = TRY(fields.string("type")).value_or("");
  if (type != "text" && type != "content") return block.not_text("a document that is not text");
  std::string text = TRY(block.fields.string("title")).value_or("");
  append_line(text, TRY(block.fields.string("context")).value_or(""));
  append_line(
      text, type == "text" ? TRY(required_text(fields, "data")) : TRY(text_of(fields, "content")));
  return text;
}

Result<std::string> search_result_text(const Block& block) {
  std::string text = TRY(block.fields.string("title")).value_or("");
  append_line(text, TRY(block.fields.string("source")).value_or(""));
  append_line(text, TRY(text_of(block.fields, "content")));
  return text;
}

// The text of a block that may stand in a user's turn or a tool's result.
Result<std::string> block_text(const Block& block) {
  if (block.type == "text") return required_text(block.fields, "text");
  if (block.type == "image") return block.not_text("an image");
  if (block.type == "document") return document_text(block);
  if (block.type == "search_result") return search_result_text(block);
  if (block.type == "tool_reference") return required_text(block.fields, "tool_name");
  return block.wrong_type("text, document, search_result or tool_reference");
}

// A string, or blocks joined by line breaks.
Result<std::string> text_of(const RequestFields& fields, std::string_view name) {
  const Json* value = fields.find(name);
  if (value == nullptr) return std::string();
  if (value->is_string()) return value->get<std::string>();
  if (!value->is_array()) return fields.refuse(name, "a string or an array of blocks");
  std::string text;
  for (const Block& block : TRY(parse_blocks(fields, name)))
    append_line(text, TRY(block_text(block)));
  return text;
}

Json text_part(std::string text) { return Json{{"type", "text"}, {"text", std::move(text)}}; }

// Ids of calls are not rendered, and whether a result is an error stands in its text.
Result<Message> parse_tool_result(const Block& block) {
  TRY(required_text(block.fields, "tool_use_id"));
  TRY(block.fields.boolean("is_error"));
  std::string content = TRY(text_of(block.fields, "content"));
  return Message{.role = "tool", .content = std::move(content)};
}

Result<void> add_user_turn(const RequestFields& fields, std::vector<Message>& messages) {
  Json parts = Json::array();
  bool has_results = false;
  for (const Block& block : TRY(parse_blocks(fields, "content"))) {
    if (block.type == "tool_result") {
      messages.push_back(TRY(parse_tool_result(block)));
      has_results = true;
    } else {
      parts.push_back(text_part(TRY(block_text(block))));
    }
  }
  if (!parts.empty() || !has_results)
    messages.push_back({.role = "user", .content = std::move(parts)});
  return {};
}

Result<ToolCall> parse_tool_use(const Block& block) {
  ToolCall call;
  call.id = TRY(required_text(block.fields, "id"));
  call.name = TRY(required_text(block.fields, "name"));
  if (call.name.empty()) return block.fields.refuse("name", "a tool's name");
  const Json* input = TRY(block.fields.object("input"));
  call.arguments = input == nullptr ? Json::object() : *input;
  return call;
}

bool is_of_a_server_tool(std::string_view type) {
  return type == "server_tool_use" || type == "mcp_tool_use" ||
         (type.ends_with("_tool_result") && type != "tool_result");
}

Result<void> add_assistant_block(const Block& block, std::string& reasoning, Message& message) {
  if (block.type == "text") {
    message.content->push_back(text_part(TRY(required_text(block.fields, "text"))));
  } else if (block.type == "thinking") {
    reasoning += TRY(required_text(block.fields, "thinking"));
  } else if (block.type == "tool_use") {
    message.tool_calls.push_back(TRY(parse_tool_use(block)));
  } else if (block.type != "redacted_thinking" && !is_of_a_server_tool(block.type)) {
    return block.wrong_type("text, thinking, redacted_thinking or tool_use");
  }
  return {};
}

Result<Message> parse_assistant_turn(const RequestFields& fields) {
  Message message{.role = "assistant", .content = Json::array()};
  std::string reasoning;
  for (const Block& block : TRY(parse_blocks(fields, "content")))
    TRY(add_assistant_block(block, reasoning, message));
  if (!reasoning.empty()) message.reasoning_content = std::move(reasoning);
  return message;
}

Result<void> add_turn(const RequestFields& fields, std::vector<Message>& messages) {
  const std::string role = TRY(fields.string("role")).value_or("");
  if (role != "user" && role != "assistant" && role != "system")
    return fields.refuse("role", "user, assistant or system");
  const Json* content = fields.find("content");
  if (content == nullptr || !(content->is_string() || content->is_array()))
    return fields.refuse("content", "a string or an array of blocks");
  if (content->is_string() || role == "system") {
    std::string text = TRY(text_of(fields, "content"));
    messages.push_back({.role = role, .content = std::move(text)});
  } else if (role == "user") {
    TRY(add_user_turn(fields, messages));
  } else {
    messages.push_back(TRY(parse_assistant_turn(fields)));
  }
  return {};
}

}  // namespace

Result<std::vector<Message>> parse_anthropic_messages(const RequestFields& fields) {
  std::vector<Message> messages;
  std::string system = TRY(text_of(fields, "system"));
  if (!system.empty()) messages.push_back({.role = "system", .content = std::move(system)});
  const Json* list = TRY(fields.array("messages"));
  if (list == nullptr || list->empty())
    return fields.refuse("messages", "an array of at least one message");
  size_t index = 0;
  for (const Json& entry : *list) {
    const std::string path = cat("messages[", index++, "]");
    if (!entry.is_object()) {
      return Error{ErrorCode::kInvalidRequest,
                   cat(path, " is ", shown(entry), "; expected an object."), path};
    }
    TRY(add_turn(RequestFields(entry, path), messages));
  }
  return messages;
}

}  // namespace glint
