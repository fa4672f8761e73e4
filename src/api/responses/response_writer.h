#pragma once

// The forms of a response: one object, a stream of events, or a stored object that grows.

#include <memory>

#include "api/responses/response_request.h"
#include "api/stream.h"
#include "chat/output_parser.h"

namespace glint {

// `stop` cancels a background response. The context needs a tokenizer.
std::unique_ptr<AnswerWriter> make_response_writer(ServerContext& context,
                                                   std::shared_ptr<Exchange> exchange,
                                                   ResponseRequest request,
                                                   const OutputParserOptions& parser,
                                                   std::function<void()> stop);

}  // namespace glint
