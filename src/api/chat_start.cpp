#include "api/chat_start.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "api/prompt_scores.h"
#include "api/prompts.h"
#include "chat/tags.h"

namespace glint {
namespace {

OutputParserOptions parser_options(const ServerContext& context, const ChatRequest& request,
                                   bool opens_thinking) {
  return {.parse_reasoning = context.options.parse_reasoning && request.separate_reasoning,
          .parse_tool_calls = context.options.parse_tool_calls && !request.tools.empty(),
          .starts_in_reasoning = opens_thinking,
          .tools = request.tools};
}

// Whoever made the ids left it to the last of these whether thinking is open.
bool ends_in_thinking(const std::vector<TokenId>& ids, const Tokenizer& tokenizer) {
  const auto think = tokenizer.find(tags::kThink);
  const auto assistant = tokenizer.find(tags::kAssistant);
  const auto think_end = tokenizer.find(tags::kThinkEnd);
  const auto last = std::find_if(ids.rbegin(), ids.rend(), [&](TokenId id) {
    return id == think || id == think_end || id == assistant;
  });
  return last != ids.rend() && *last == think;
}

// All choices have the same prompt and limits.
Result<void> add_triggers(const ServerContext& context, const ChatRequest& request,
                          bool opens_thinking, std::vector<GenerateRequest>& requests) {
  const std::vector<Trigger> triggers =
      TRY(chat_triggers({.thinking = request.thinking,
                         .tool_choice = request.tool_choice,
                         .starts_in_thinking = opens_thinking,
                         .max_tokens = requests.front().max_tokens},
                        request.tools, *context.tokenizer));
  for (GenerateRequest& one : requests) one.triggers = triggers;
  return {};
}

Result<void> add_scores(const ServerContext& context, const ChatRequest& request,
                        std::vector<GenerateRequest>& requests) {
  constexpr const char* kParam = "prompt_logprobs";
  const SharedTokens ids = requests.front().prompt;
  TRY(check_num_sequences(requests.size(), num_score_pieces(ids.size()), kParam));
  TRY(check_have_tokens(std::span<const TokenId>(ids).subspan(1), kParam, context));
  std::ranges::move(score_requests(ids, 0, *request.prompt_logprobs, request.params),
                    std::back_inserter(requests));
  return {};
}

}  // namespace

Result<void> check_takes_messages(const ServerContext& context) {
  if (context.tokenizer) return {};
  return Error{ErrorCode::kInvalidRequest,
               "This server runs with --skip-tokenizer-init: it takes /generate with input_ids "
               "only.",
               "messages"};
}

Result<ChatPrompt> chat_prompt(const ServerContext& context, const ChatRequest& request) {
  if (request.input_ids)
    return ChatPrompt{.ids = *request.input_ids,
                      .opens_thinking = ends_in_thinking(*request.input_ids, *context.tokenizer)};
  const RenderedPrompt prompt =
      TRY(render_chat(request.messages, request.tools, request.template_options));
  return ChatPrompt{
      .ids = TRY(encode_prompt(prompt.text, prompt.control, request.messages_field, context)),
      .opens_thinking = prompt.opens_thinking};
}

Result<void> start_chat(ServerContext& context, const std::shared_ptr<Exchange>& exchange,
                        const ChatRequest& request, const MakeChatWriter& make_writer) {
  return start_chat(context, exchange, request, TRY(chat_prompt(context, request)), make_writer);
}

Result<void> start_chat(ServerContext& context, const std::shared_ptr<Exchange>& exchange,
                        const ChatRequest& request, ChatPrompt prompt,
                        const MakeChatWriter& make_writer) {
  TRY(check_tool_choice(request.tool_choice, request.tools));
  const std::string param = request.input_ids ? "input_ids" : request.messages_field;
  std::vector<GenerateRequest> requests = TRY(make_requests(
      {std::move(prompt.ids)}, request.params, request.max_tokens_if_room, param, context));
  TRY(add_triggers(context, request, prompt.opens_thinking, requests));
  std::vector<TextOptions> texts(requests.size(), request.params.text);
  if (request.prompt_logprobs) TRY(add_scores(context, request, requests));
  texts.resize(requests.size());  // scores are no answer: nothing stops them
  return Answer::start(context, exchange, std::move(requests), texts, {request.id},
                       make_writer(parser_options(context, request, prompt.opens_thinking)));
}

}  // namespace glint
