#pragma once

#include <memory>

#include "api/native/generate.h"
#include "api/stream.h"

namespace glint {

// /generate's answer, or the events of its stream. Its requests are, for each prompt, the n answers
// and then the prompt's score_requests(): a prompt's answers are sent once its scores are complete.
std::unique_ptr<AnswerWriter> make_native_writer(ServerContext& context,
                                                 std::shared_ptr<Exchange> exchange,
                                                 NativeRequest request);

}  // namespace glint
