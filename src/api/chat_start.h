#pragma once

// From a chat request to sequences in the engine, for every endpoint that takes messages.

#include <functional>
#include <memory>
#include <vector>

#include "api/chat_request.h"
#include "api/stream.h"
#include "chat/output_parser.h"

namespace glint {

// The Error says that this server has no tokenizer. To be asked before a body is parsed.
Result<void> check_takes_messages(const ServerContext& context);

// What the model is given.
struct ChatPrompt {
  std::vector<TokenId> ids;
  bool opens_thinking = false;  // the answer starts inside reasoning
};

// Renders and encodes `request`.
Result<ChatPrompt> make_chat_prompt(const ServerContext& context, const ChatRequest& request);

// Makes the writer of an answer whose every choice is parsed as `parser` says.
using MakeChatWriter =
    std::function<std::unique_ptr<AnswerWriter>(const OutputParserOptions& parser)>;

// Renders and encodes `request` and submits its choices. After an Error, which is the caller's to
// send, nothing was submitted. `make_writer` is called once at most, and not kept.
Result<void> start_chat(ServerContext& context, const std::shared_ptr<Exchange>& exchange,
                        const ChatRequest& request, const MakeChatWriter& make_writer);

}  // namespace glint
