// The body of /v1/chat/completions: refused with a sentence, or a prompt that can be computed.

#include <algorithm>

#include "api/chat_request.h"
#include "api/errors.h"
#include "base/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/null_server_parts.h"
#include "tests/fuzz/prompt_check.h"

namespace glint {
namespace {

void check_refusal(const Error& error) {
  CHECK(http_status(error.code) < 500, error.message);
  CHECK(!error.message.empty() && is_valid_utf8(error.message), "the error says nothing");
  CHECK(parse_json(error_response(error).body), error_response(error).body);
}

// A control token's id comes from the template alone, whatever the messages spell.
void check_ids(const RenderedPrompt& prompt, const Tokenizer& tokenizer) {
  const auto ids = tokenizer.encode(prompt.text, prompt.control);
  const TokenId first_added = tiny_token_id("<|endoftext|>");
  const auto num_control =
      std::count_if(ids.begin(), ids.end(), [&](TokenId id) { return id >= first_added; });
  CHECK(num_control == std::ssize(prompt.control), num_control,
        " control tokens, the template wrote ", prompt.control.size());
  CHECK(tokenizer.decode(ids, false) == prompt.text, "the prompt's ids are another text");
}

}  // namespace

void check_input(std::string_view input) {
  static NullServerParts server;
  auto body = parse_request_body("application/json", input);
  if (!body) return check_refusal(body.error());
  auto request = parse_chat_request(*body, server.context());
  if (!request) return check_refusal(request.error());
  auto prompt = render_chat(request->messages, request->tools, request->template_options);
  CHECK(prompt, "taken, but it cannot be rendered: ", prompt.error().message);
  check_prompt(*prompt);
  check_ids(*prompt, *server.context().tokenizer);
}

}  // namespace glint
