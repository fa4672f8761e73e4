#include "api/text/tokenize.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "api/chat_start.h"
#include "api/errors.h"
#include "api/openai/shapes.h"
#include "api/prompts.h"
#include "api/request_fields.h"
#include "api/whole_answers.h"

namespace glint {
namespace {

Result<void> check_has_tokenizer(const ServerContext& context) {
  if (context.tokenizer) return {};
  return Error{ErrorCode::kInvalidRequest,
               "This server runs with --skip-tokenizer-init and knows no text.",
               {}};
}

// ---- to ids

struct Encoded {
  std::vector<std::vector<TokenId>> ids;
  bool is_list = false;
};

Result<Encoded> encode_texts(const RequestFields& fields, const ServerContext& context) {
  const std::vector<std::string> texts = TRY(fields.strings("prompt"));
  if (texts.size() > kMaxPrompts)
    return fields.error("prompt", cat("prompt has ", texts.size(), " texts; at most ", kMaxPrompts,
                                      " are allowed."));
  Encoded encoded{.ids = {}, .is_list = fields.find("prompt")->is_array()};
  for (const std::string& text : texts)
    encoded.ids.push_back(TRY(encode_prompt(text, std::nullopt, "prompt", context)));
  return encoded;
}

Result<Encoded> encode_messages(const RequestFields& fields, const Json& body,
                                ServerContext& context) {
  ChatRequest request = TRY(parse_chat_request(body, context));
  request.template_options.add_generation_prompt =
      TRY(fields.boolean("add_generation_prompt")).value_or(true);
  ChatPrompt prompt = TRY(chat_prompt(context, request));
  return Encoded{.ids = {std::move(prompt.ids)}, .is_list = false};
}

Result<Encoded> encode(const RequestFields& fields, const Json& body, ServerContext& context) {
  const bool has_prompt = fields.find("prompt") != nullptr;
  const bool has_messages = fields.find("messages") != nullptr;
  if (has_prompt && has_messages)
    return fields.error("messages", "prompt and messages are both set: send one.");
  if (!has_prompt && !has_messages) return fields.refuse("prompt", "a text, or messages instead");
  TRY(fields.boolean("add_special_tokens"));  // this model's tokenizer adds none
  if (has_messages) return encode_messages(fields, body, context);
  return encode_texts(fields, context);
}

Json token_strings(const std::vector<TokenId>& ids, const Tokenizer& tokenizer) {
  Json strings = Json::array();
  for (const TokenId id : ids) strings.push_back(token_text(tokenizer, id));
  return strings;
}

Result<Json> tokenize(ServerContext& context, const HttpRequest& http) {
  TRY(check_has_tokenizer(context));
  const Json body = TRY(parse_request_body(http.header("Content-Type"), http.body));
  const RequestFields fields(body);
  const bool with_strings = TRY(fields.boolean("return_token_strs")).value_or(false);
  const Encoded encoded = TRY(encode(fields, body, context));
  Json tokens = Json::array(), counts = Json::array(), strings = Json::array();
  for (const std::vector<TokenId>& ids : encoded.ids) {
    tokens.push_back(ids);
    counts.push_back(ids.size());
    if (with_strings) strings.push_back(token_strings(ids, *context.tokenizer));
  }
  const auto shaped = [&](Json& list) { return encoded.is_list ? list : list[0]; };
  Json answer = {{"tokens", shaped(tokens)},
                 {"count", shaped(counts)},
                 {"max_model_len", context.limits.context_length}};
  if (with_strings) answer["token_strs"] = shaped(strings);
  return answer;
}

// ---- to text

Result<Json> decode(const Json& list, const std::string& path, bool skip_special_tokens,
                    const ServerContext& context) {
  const Json object = {{path, list}};
  const RequestFields fields(object);
  std::vector<TokenId> ids;
  for (const int64_t id : TRY(fields.integers(path, 0, context.config.vocab_size - 1)))
    ids.push_back(static_cast<TokenId>(id));
  return Json(context.tokenizer->decode(ids, skip_special_tokens));
}

Result<Json> detokenize(ServerContext& context, const HttpRequest& http) {
  TRY(check_has_tokenizer(context));
  const Json body = TRY(parse_request_body(http.header("Content-Type"), http.body));
  const RequestFields fields(body);
  const bool skip = TRY(fields.boolean("skip_special_tokens")).value_or(true);
  const Json* tokens = TRY(fields.array("tokens"));
  if (tokens == nullptr) return fields.refuse("tokens", "an array of token ids or of such arrays");
  if (tokens->empty() || !(*tokens)[0].is_array()) {
    Json text = TRY(decode(*tokens, "tokens", skip, context));
    return Json{{"text", std::move(text)}};
  }
  Json texts = Json::array();
  for (const Json& list : *tokens)
    texts.push_back(TRY(decode(list, cat("tokens[", texts.size(), "]"), skip, context)));
  return Json{{"text", std::move(texts)}};
}

void answer(const std::shared_ptr<Exchange>& exchange, Result<Json> result) {
  exchange->respond(result ? json_response(*result) : error_response(result.error()));
}

}  // namespace

void handle_tokenize(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  answer(exchange, tokenize(context, exchange->request()));
}

void handle_detokenize(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  answer(exchange, detokenize(context, exchange->request()));
}

}  // namespace glint
