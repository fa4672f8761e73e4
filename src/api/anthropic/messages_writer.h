#pragma once

// An answer as one message, or as the events that build it:
//
//   message_start, then for each block  content_block_start, content_block_delta…,
//   content_block_stop, then message_delta, message_stop
//
// One block is open at a time; a thinking block ends with its signature.

#include <memory>

#include "api/chat_request.h"
#include "api/stream.h"
#include "chat/output_parser.h"

namespace glint {

std::unique_ptr<AnswerWriter> make_messages_writer(ServerContext& context,
                                                   std::shared_ptr<Exchange> exchange,
                                                   const ChatRequest& request,
                                                   const OutputParserOptions& parser);

}  // namespace glint
