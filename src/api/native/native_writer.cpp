#include "api/native/native_writer.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "api/errors.h"
#include "api/native/native_meta.h"
#include "http/sse.h"

namespace glint {
namespace {

class NativeWriter final : public AnswerWriter {
 public:
  NativeWriter(ServerContext& context, std::shared_ptr<Exchange> exchange, NativeRequest request);

  void begin() override {
    if (request_.stream) exchange_->begin_stream(200, "text/event-stream");
  }
  bool write(int sequence, ChoiceDelta delta) override;
  void ping() override {
    if (request_.stream) exchange_->write(std::string(kSsePing));
  }
  void end() override;
  void fail(const Error& error) override;

 private:
  // What a sequence of the engine is here: an answer, or a piece of a prompt's scores.
  struct Role {
    size_t prompt = 0;
    std::optional<size_t> choice{};
    size_t piece = 0;
  };
  struct Choice {
    size_t prompt = 0;
    NativeAnswer answer{};
    int num_sent = 0;  // tokens in events
  };
  bool is_list() const { return request_.is_batch || choices_.size() > 1; }
  bool take_scores(const Role& role, ChoiceDelta delta);
  bool is_due(const Choice& choice) const;
  void send_if_due(size_t choice);
  Json answer_json(const Choice& choice) const;

  ServerContext& context_;
  std::shared_ptr<Exchange> exchange_;
  NativeRequest request_;
  std::vector<Role> roles_;
  std::vector<Choice> choices_;
  std::vector<PromptScores> scores_;  // of each prompt
  double started_s_;
};

NativeWriter::NativeWriter(ServerContext& context, std::shared_ptr<Exchange> exchange,
                           NativeRequest request)
    : context_(context),
      exchange_(std::move(exchange)),
      request_(std::move(request)),
      started_s_(context.clock.now_s()) {
  for (size_t i = 0; i < request_.prompts.size(); ++i) {
    const NativePrompt& prompt = request_.prompts[i];
    for (int n = 0; n < prompt.params.n; ++n) {
      roles_.push_back({.prompt = i, .choice = choices_.size()});
      choices_.push_back({.prompt = i, .answer = NativeAnswer(context.tokenizer, prompt.ids)});
    }
    const size_t num_pieces = prompt.num_score_pieces();
    for (size_t piece = 0; piece < num_pieces; ++piece)
      roles_.push_back({.prompt = i, .piece = piece});
    scores_.emplace_back(num_pieces);
  }
}

bool NativeWriter::write(int sequence, ChoiceDelta delta) {
  const Role& role = roles_[static_cast<size_t>(sequence)];
  if (!role.choice) return take_scores(role, std::move(delta));
  Choice& choice = choices_[*role.choice];
  choice.answer.append(std::move(delta));
  const bool complete = choice.answer.all.finish.has_value();
  send_if_due(*role.choice);
  return complete;
}

bool NativeWriter::take_scores(const Role& role, ChoiceDelta delta) {
  if (!scores_[role.prompt].append(role.piece, std::move(delta))) return false;
  for (size_t i = 0; i < choices_.size(); ++i)
    if (choices_[i].prompt == role.prompt) send_if_due(i);
  return true;
}

bool NativeWriter::is_due(const Choice& choice) const {
  if (!request_.stream || !scores_[choice.prompt].complete()) return false;
  if (choice.answer.all.finish) return true;
  const int num_new = choice.answer.all.usage.completion_tokens - choice.num_sent;
  const int interval = request_.prompts[choice.prompt].stream_interval;
  return num_new > 0 && (choice.num_sent == 0 || num_new >= interval);
}

void NativeWriter::send_if_due(size_t index) {
  Choice& choice = choices_[index];
  if (!is_due(choice)) return;
  Json event = answer_json(choice);
  if (is_list()) event["index"] = index;
  exchange_->write(sse_event(to_json_text(event)));
  choice.num_sent = choice.answer.all.usage.completion_tokens;
  if (request_.incremental) choice.answer.forget();
}

// Of a stream of what is new, the first event has the prompt's log-probabilities.
Json NativeWriter::answer_json(const Choice& choice) const {
  const NativePrompt& prompt = request_.prompts[choice.prompt];
  const LogprobJson logprobs{prompt.logprobs,
                             request_.return_text_in_logprobs ? &context_.tokenizer : nullptr};
  Json json = choice.answer.to_json(prompt.id);
  Json& meta = json["meta_info"];
  if (prompt.logprobs.wanted) {
    const bool with_prompt = !request_.incremental || choice.num_sent == 0;
    if (prompt.logprobs.prompt_begin && with_prompt) {
      const auto first = prompt.ids.data()[*prompt.logprobs.prompt_begin];
      logprobs.add_input(first, scores_[choice.prompt].tokens(), meta);
    } else {
      logprobs.add_no_input(meta);
    }
    logprobs.add_output(choice.answer.all.tokens, meta);
  }
  if (choice.answer.all.finish) meta["e2e_latency"] = context_.clock.now_s() - started_s_;
  return json;
}

void NativeWriter::end() {
  if (request_.stream) {
    exchange_->write(sse_event("[DONE]"));
    return exchange_->end_stream();
  }
  Json answers = Json::array();
  for (const Choice& choice : choices_) answers.push_back(answer_json(choice));
  exchange_->respond({.status = 200, .body = to_json_text(is_list() ? answers : answers[0])});
}

void NativeWriter::fail(const Error& error) {
  if (!request_.stream) return exchange_->respond(error_response(error));
  exchange_->write(sse_event(stream_error(error)) + sse_event("[DONE]"));
  exchange_->end_stream();
}

}  // namespace

std::unique_ptr<AnswerWriter> make_native_writer(ServerContext& context,
                                                 std::shared_ptr<Exchange> exchange,
                                                 NativeRequest request) {
  return std::make_unique<NativeWriter>(context, std::move(exchange), std::move(request));
}

}  // namespace glint
