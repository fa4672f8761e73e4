#pragma once

// The two forms of a chat's answer: chat.completion, and a stream of chat.completion.chunk.

#include <memory>

#include "api/chat_request.h"
#include "api/stream.h"
#include "chat/output_parser.h"

namespace glint {

// For the choices of `request` and then, with prompt_logprobs, the prompt's score_requests().
// `parser` is for each choice. The context needs a tokenizer.
std::unique_ptr<AnswerWriter> make_chat_writer(ServerContext& context,
                                               std::shared_ptr<Exchange> exchange,
                                               const ChatRequest& request,
                                               const OutputParserOptions& parser);

}  // namespace glint
