// Both forms of a text completion: chunks hold what a choice grew by, the whole answer all of it.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "api/errors.h"
#include "api/openai/completions.h"
#include "api/openai/shapes.h"
#include "http/sse.h"

namespace glint {
namespace {

double mean_logprob(const std::vector<OutputToken>& tokens) {
  double sum = 0;
  for (const OutputToken& token : tokens) sum += token.logprobs ? token.logprobs->chosen : 0;
  return tokens.empty() ? 0 : sum / static_cast<double>(tokens.size());
}

// vLLM's, of one prompt token: {"7": {"logprob", "rank", "decoded_token"}, …}. The chosen one's
// rank is known if it is among the likeliest.
Json ranked_logprobs(const OutputToken& token, int num_top, const Tokenizer& tokenizer) {
  if (!token.logprobs) return nullptr;
  Json entries = Json::object();
  const auto add = [&](TokenId id, float logprob, Json rank) {
    entries[std::to_string(id)] = {{"logprob", short_double(logprob)},
                                   {"rank", std::move(rank)},
                                   {"decoded_token", token_text(tokenizer, id)}};
  };
  add(token.id, token.logprobs->chosen, nullptr);
  const auto& top = token.logprobs->top;
  for (size_t i = 0; i < std::min(top.size(), static_cast<size_t>(num_top)); ++i)
    add(top[i].first, top[i].second, i + 1);
  return entries;
}

class CompletionWriter final : public AnswerWriter {
 public:
  CompletionWriter(ServerContext& context, std::shared_ptr<Exchange> exchange,
                   CompletionRequest request)
      : context_(context),
        exchange_(std::move(exchange)),
        request_(std::move(request)),
        scored_prompts_(request_.scored_prompts()),
        prompts_(request_.prompts.size()),
        choices_(request_.num_choices()),
        usage_(choices_.size(), request_.params.n),
        created_(unix_time_s()) {
    for (size_t i = 0; i < prompts_.size(); ++i) begin_prompt(i);
  }

  void begin() override {
    if (request_.stream) exchange_->begin_stream(200, "text/event-stream");
  }
  bool write(int choice_index, ChoiceDelta delta) override;
  void ping() override {
    if (request_.stream) exchange_->write(std::string(kSsePing));
  }
  void end() override;
  void fail(const Error& error) override;

 private:
  struct Prompt {
    std::vector<OutputToken> tokens;  // with log-probabilities but for the first, once scored
    bool is_scored = true;            // or never will be
  };
  struct Choice {
    bool began = false;
    bool complete = false;
    bool sent = false;
    ChoiceDelta unsent;
    size_t offset = 0;  // characters sent
  };
  void begin_prompt(size_t prompt);
  bool add_score(size_t prompt, const ChoiceDelta& delta);
  void send_chunk(size_t index);
  std::vector<size_t> sent_choices() const;
  Json choice_json(size_t index, size_t sent_index);
  Json prompt_logprobs_json(const Prompt& prompt) const;
  Json answer(Json choices) const;
  void send(const Json& event) { exchange_->write(sse_event(to_json_text(event))); }

  ServerContext& context_;
  std::shared_ptr<Exchange> exchange_;
  CompletionRequest request_;
  std::vector<size_t> scored_prompts_;
  std::vector<Prompt> prompts_;
  std::vector<Choice> choices_;
  UsageSum usage_;
  int64_t created_;
};

void CompletionWriter::begin_prompt(size_t index) {
  if (!request_.scores_prompts()) return;
  Prompt& prompt = prompts_[index];
  for (const TokenId id : std::span<const TokenId>(request_.prompts[index]))
    prompt.tokens.push_back({.id = id, .logprobs = std::nullopt});
  prompt.is_scored = prompt.tokens.size() < 2;
}

bool CompletionWriter::write(int choice_index, ChoiceDelta delta) {
  const auto index = static_cast<size_t>(choice_index);
  if (index >= choices_.size()) return add_score(scored_prompts_[index - choices_.size()], delta);
  Choice& choice = choices_[index];
  usage_.set(choice_index, delta.usage);
  if (request_.echo && !std::exchange(choice.began, true))
    choice.unsent.text = request_.echoes[request_.prompt_of(index)];
  choice.unsent.append(std::move(delta));
  choice.complete = choice.unsent.finish.has_value();
  if (request_.stream) send_chunk(index);
  return choice.complete;
}

// Choices that came first have waited for their prompt's.
bool CompletionWriter::add_score(size_t prompt_index, const ChoiceDelta& delta) {
  Prompt& prompt = prompts_[prompt_index];
  auto next = std::ranges::find_if(prompt.tokens.begin() + 1, prompt.tokens.end(),
                                   [](const OutputToken& token) { return !token.logprobs; });
  for (const OutputToken& token : delta.tokens)
    if (next != prompt.tokens.end()) (next++)->logprobs = token.logprobs;
  prompt.is_scored = delta.finish.has_value();
  if (!prompt.is_scored || !request_.stream) return prompt.is_scored;
  const auto n = static_cast<size_t>(request_.params.n);
  for (size_t i = prompt_index * n; i < (prompt_index + 1) * n; ++i) send_chunk(i);
  return true;
}

void CompletionWriter::send_chunk(size_t index) {
  const Choice& choice = choices_[index];
  if (!prompts_[request_.prompt_of(index)].is_scored) return;
  if (!choice.unsent.finish && choice.unsent.text.empty()) return;
  Json chunk = answer(Json::array({choice_json(index, index)}));
  if (request_.continuous_usage) chunk["usage"] = usage_.to_json();
  send(chunk);
}

// Of each prompt's answers the n whose tokens were the likeliest, on average.
std::vector<size_t> CompletionWriter::sent_choices() const {
  const auto generated = static_cast<size_t>(request_.params.n);
  std::vector<size_t> sent;
  for (size_t begin = 0; begin < choices_.size(); begin += generated) {
    std::vector<size_t> order(generated);
    std::iota(order.begin(), order.end(), begin);
    if (request_.params.n > request_.n)
      std::ranges::stable_sort(order, std::greater<>(),
                               [&](size_t i) { return mean_logprob(choices_[i].unsent.tokens); });
    sent.insert(sent.end(), order.begin(), order.begin() + request_.n);
  }
  return sent;
}

Json CompletionWriter::choice_json(size_t index, size_t sent_index) {
  Choice& choice = choices_[index];
  const size_t prompt_index = request_.prompt_of(index);
  const Prompt& prompt = prompts_[prompt_index];
  const bool is_first = !std::exchange(choice.sent, true);
  const ChoiceDelta delta = std::exchange(choice.unsent, {});
  Json json = {{"index", sent_index}, {"text", delta.text}, {"logprobs", nullptr}};
  if (request_.logprobs) {
    std::vector<OutputToken> tokens;
    if (request_.echo && is_first) tokens = prompt.tokens;
    tokens.insert(tokens.end(), delta.tokens.begin(), delta.tokens.end());
    json["logprobs"] = completion_logprobs(tokens, *request_.logprobs, *context_.tokenizer,
                                           token_names(request_.extras), choice.offset);
  }
  const bool ends = delta.finish.has_value();
  json["finish_reason"] = ends ? Json(finish_reason(delta.finish->reason)) : Json(nullptr);
  json["matched_stop"] = ends ? matched_stop(*delta.finish) : Json(nullptr);
  if (ends) json["stop_reason"] = stop_reason(*delta.finish, context_.stop_token_ids);
  if (request_.prompt_logprobs) json["prompt_logprobs"] = prompt_logprobs_json(prompt);
  if (request_.extras.token_ids) json["token_ids"] = ids_json(delta.tokens);
  if (request_.extras.wants_prompt_ids() && is_first)
    json["prompt_token_ids"] = request_.prompts[prompt_index].copy();
  return json;
}

Json CompletionWriter::prompt_logprobs_json(const Prompt& prompt) const {
  Json list = Json::array();
  for (const OutputToken& token : prompt.tokens)
    list.push_back(ranked_logprobs(token, *request_.prompt_logprobs, *context_.tokenizer));
  return list;
}

Json CompletionWriter::answer(Json choices) const {
  return Json{{"id", request_.id},
              {"object", "text_completion"},
              {"created", created_},
              {"model", request_.model},
              {"choices", std::move(choices)}};
}

void CompletionWriter::end() {
  const bool with_sglext = request_.extras.cached_tokens_details;
  if (!request_.stream) {
    Json choices = Json::array();
    for (const size_t index : sent_choices()) choices.push_back(choice_json(index, choices.size()));
    Json body = answer(std::move(choices));
    body["usage"] = usage_.to_json();
    body["metadata"] = {{"weight_version", "default"}};
    if (with_sglext) body["sglext"] = sglext(usage_.cached_tokens());
    return exchange_->respond({.status = 200, .body = to_json_text(body)});
  }
  Json chunk = answer(Json::array());
  if (with_sglext) {
    chunk["sglext"] = sglext(usage_.cached_tokens());
    send(chunk);
    chunk.erase("sglext");
  }
  if (request_.include_usage) {
    chunk["usage"] = usage_.to_json();
    send(chunk);
  }
  exchange_->write(sse_event("[DONE]"));
  exchange_->end_stream();
}

void CompletionWriter::fail(const Error& error) {
  if (!request_.stream) return exchange_->respond(error_response(error));
  exchange_->write(sse_event(stream_error(error)) + sse_event("[DONE]"));
  exchange_->end_stream();
}

}  // namespace

std::unique_ptr<AnswerWriter> make_completion_writer(ServerContext& context,
                                                     std::shared_ptr<Exchange> exchange,
                                                     CompletionRequest request) {
  return std::make_unique<CompletionWriter>(context, std::move(exchange), std::move(request));
}

}  // namespace glint
