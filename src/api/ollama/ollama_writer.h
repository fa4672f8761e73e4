#pragma once

// An answer as lines of JSON, or as one object: what there was to say, and in the last one why it
// ended and how long it took.

#include <memory>

#include "api/ollama/ollama_request.h"
#include "api/stream.h"
#include "chat/output_parser.h"

namespace glint {

// `started_s` is when the request came, by the context's clock.
std::unique_ptr<AnswerWriter> make_ollama_writer(ServerContext& context,
                                                 std::shared_ptr<Exchange> exchange,
                                                 const OllamaRequest& request,
                                                 const OutputParserOptions& parser,
                                                 double started_s);

}  // namespace glint
