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

class CompletionWriter final : public AnswerWriter {
 public:
  CompletionWriter(ServerContext& context, std::shared_ptr<Exchange> exchange,
                   CompletionRequest request)
      : context_(context),
        exchange_(std::move(exchange)),
        request_(std::move(request)),
        choices_(request_.num_choices()),
        usage_(choices_.size(), request_.params.n),
        created_(unix_time_s()) {
    for (size_t i = 0; i < request_.prompts.size(); ++i) begin_prompt(i);
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
  struct Piece {
    size_t prompt = 0;
    size_t index = 0;  // in it
  };
  struct Choice {
    bool began = false;
    bool complete = false;
    bool sent = false;
    ChoiceDelta unsent;
    size_t offset = 0;  // characters sent
  };
  void begin_prompt(size_t prompt);
  bool take_scores(const Piece& piece, ChoiceDelta delta);
  void send_chunk(size_t index);
  std::vector<size_t> sent_choices() const;
  Json choice_json(size_t index, size_t sent_index);
  std::vector<OutputToken> prompt_tokens(size_t prompt) const;
  Json answer(Json choices) const;
  void send(const Json& event) { exchange_->write(sse_event(to_json_text(event))); }

  ServerContext& context_;
  std::shared_ptr<Exchange> exchange_;
  CompletionRequest request_;
  std::vector<PromptScores> scores_;  // of each prompt
  std::vector<Piece> pieces_;         // of the sequences behind the choices
  std::vector<Choice> choices_;
  UsageSum usage_;
  int64_t created_;
};

void CompletionWriter::begin_prompt(size_t index) {
  const size_t num_pieces = request_.num_score_pieces(index);
  scores_.emplace_back(num_pieces);
  for (size_t i = 0; i < num_pieces; ++i) pieces_.push_back({.prompt = index, .index = i});
}

bool CompletionWriter::write(int choice_index, ChoiceDelta delta) {
  const auto index = static_cast<size_t>(choice_index);
  if (index >= choices_.size())
    return take_scores(pieces_[index - choices_.size()], std::move(delta));
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
bool CompletionWriter::take_scores(const Piece& piece, ChoiceDelta delta) {
  if (!scores_[piece.prompt].append(piece.index, std::move(delta))) return false;
  const auto n = static_cast<size_t>(request_.params.n);
  for (size_t i = piece.prompt * n; request_.stream && i < (piece.prompt + 1) * n; ++i)
    send_chunk(i);
  return true;
}

void CompletionWriter::send_chunk(size_t index) {
  const Choice& choice = choices_[index];
  if (!scores_[request_.prompt_of(index)].complete()) return;
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
  const bool is_first = !std::exchange(choice.sent, true);
  const ChoiceDelta delta = std::exchange(choice.unsent, {});
  Json json = {{"index", sent_index}, {"text", delta.text}, {"logprobs", nullptr}};
  if (request_.logprobs) {
    std::vector<OutputToken> tokens;
    if (request_.echo && is_first) tokens = prompt_tokens(prompt_index);
    tokens.insert(tokens.end(), delta.tokens.begin(), delta.tokens.end());
    json["logprobs"] = completion_logprobs(tokens, *request_.logprobs, *context_.tokenizer,
                                           token_names(request_.extras), choice.offset);
  }
  const bool ends = delta.finish.has_value();
  json["finish_reason"] = ends ? Json(finish_reason(delta.finish->reason)) : Json(nullptr);
  json["matched_stop"] = ends ? matched_stop(*delta.finish) : Json(nullptr);
  if (ends) json["stop_reason"] = stop_reason(*delta.finish, context_.stop_token_ids);
  if (request_.prompt_logprobs)
    json["prompt_logprobs"] = prompt_logprobs(scores_[prompt_index].tokens(),
                                              *request_.prompt_logprobs, *context_.tokenizer);
  if (request_.extras.token_ids) json["token_ids"] = ids_json(delta.tokens);
  if (request_.extras.wants_prompt_ids() && is_first)
    json["prompt_token_ids"] = request_.prompts[prompt_index].copy();
  return json;
}

// The first has no log-probability.
std::vector<OutputToken> CompletionWriter::prompt_tokens(size_t prompt) const {
  std::vector<OutputToken> tokens = {{.id = *request_.prompts[prompt].data(), .logprobs = {}}};
  for (const OutputToken* token : scores_[prompt].tokens()) tokens.push_back(*token);
  return tokens;
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
