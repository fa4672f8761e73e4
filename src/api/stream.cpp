#include "api/stream.h"

#include <iterator>

#include "api/request_log.h"

namespace glint {
namespace {

constexpr double kPingInterval_s = 15;  // under the 60 s that proxies commonly wait

// `later` came after `event`, for the same choice.
void join(TokenEvent& event, TokenEvent&& later) {
  event.tokens.insert(event.tokens.end(), std::make_move_iterator(later.tokens.begin()),
                      std::make_move_iterator(later.tokens.end()));
  event.usage = later.usage;
  event.times = later.times;
  event.finish = std::move(later.finish);
}

}  // namespace

Result<void> Answer::start(ServerContext& context, std::shared_ptr<Exchange> exchange,
                           std::vector<GenerateRequest> requests,
                           const std::vector<TextOptions>& texts,
                           const std::vector<std::string>& rids,
                           std::unique_ptr<AnswerWriter> writer) {
  std::shared_ptr<Answer> answer(new Answer(context, std::move(exchange), std::move(writer)));
  TRY(answer->submit_all(std::move(requests), texts, rids));
  // Weak: the exchange must not keep its own answer alive.
  answer->exchange_->on_disconnect([weak = answer->weak_from_this()] {
    const std::shared_ptr<Answer> gone = weak.lock();
    if (gone == nullptr) return;
    gone->abandon();
    gone->close();
  });
  answer->writer_->begin();
  answer->ping_later();
  return {};
}

Answer::Answer(ServerContext& context, std::shared_ptr<Exchange> exchange,
               std::unique_ptr<AnswerWriter> writer)
    : context_(context),
      exchange_(std::move(exchange)),
      writer_(std::move(writer)),
      metrics_(context.metrics, context.clock, exchange_->request().received_s) {}

Result<void> Answer::submit_all(std::vector<GenerateRequest> requests,
                                const std::vector<TextOptions>& texts,
                                const std::vector<std::string>& rids) {
  choices_.reserve(requests.size());
  log_received(context_, exchange_->request(), requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    const TextOptions& text = texts.size() == 1 ? texts[0] : texts[i];
    metrics_.add_choice(requests[i]);
    choices_.push_back(Choice{.text = ChoiceText(context_.tokenizer, text),
                              .rid = rids.size() == 1 ? rids[0] : rids[i],
                              .stream_interval = text.stream_interval});
  }
  Result<void> submitted = submit_choices(std::move(requests));
  if (!submitted) {
    cancel_incomplete();
    close();
  }
  return submitted;
}

Result<void> Answer::submit_choices(std::vector<GenerateRequest> requests) {
  const std::string http_id(request_id(exchange_->request()));
  const auto held = context_.running.hold_finds();
  for (size_t i = 0; i < requests.size(); ++i) {
    Choice& choice = choices_[i];
    choice.id = TRY(context_.engine.submit(
        std::move(requests[i]),
        [self = shared_from_this(), i](TokenEvent&& event) { self->push(i, std::move(event)); }));
    std::vector<std::string> names = {choice.rid};
    if (!http_id.empty()) names.push_back(http_id);
    choice.entry = {context_.running, choice.id, std::move(names)};
  }
  return {};
}

void Answer::push(size_t choice, TokenEvent&& event) {
  std::shared_ptr<Exchange> exchange;
  {
    std::lock_guard lock(mutex_);
    if (exchange_ == nullptr) return;
    if (incoming_.size() <= choice) incoming_.resize(choice + 1);
    // Joined at once: while a reader is paused, only the tokens themselves gather.
    if (incoming_[choice]) {
      join(*incoming_[choice], std::move(event));
    } else {
      incoming_[choice] = std::move(event);
    }
    if (std::exchange(drain_posted_, true)) return;
    exchange = exchange_;
  }
  exchange->post([self = shared_from_this()] { self->drain(); });
}

void Answer::drain() {
  if (exchange_ == nullptr) return;
  if (!exchange_->writable()) {  // drain_posted_ stays set: events gather until the client reads
    exchange_->on_writable([self = shared_from_this()] { self->drain(); });
    return;
  }
  std::vector<std::optional<TokenEvent>> events = take_incoming();
  for (size_t i = 0; i < events.size() && exchange_ != nullptr; ++i)
    if (events[i]) deliver(i, std::move(*events[i]));
}

std::vector<std::optional<TokenEvent>> Answer::take_incoming() {
  std::lock_guard lock(mutex_);
  drain_posted_ = false;
  return std::exchange(incoming_, {});
}

bool Answer::Choice::is_due() const {
  return !began || held.finish || held.tokens.size() >= static_cast<size_t>(stream_interval);
}

void Answer::deliver(size_t index, TokenEvent event) {
  Choice& choice = choices_[index];
  if (choice.complete) return;
  came_since_ping_ = true;
  const bool engine_goes_on = !event.finish;
  const RequestTimes times = event.times;
  ChoiceDelta delta = choice.text.append(std::move(event));
  metrics_.observe(index, delta, times);
  if (logs_answers(context_)) choice.logged_text += delta.text;
  if (delta.finish) log_end(choice, delta.usage);
  // A writer that wants no more has what it asked for.
  const FinishReason reason = delta.finish ? delta.finish->reason : FinishReason::kStop;
  if (reason == FinishReason::kError) {
    if (!choice.held.tokens.empty())
      writer_->write(static_cast<int>(index), std::move(choice.held));
    writer_->fail({ErrorCode::kInternal, delta.finish->message});
    choice.complete = true;
  } else {
    choice.held.append(std::move(delta));
    if (!choice.is_due()) return;
    choice.began = true;
    choice.complete = writer_->write(static_cast<int>(index), std::exchange(choice.held, {}));
  }
  if (choice.complete) complete(index, reason, engine_goes_on);
}

void Answer::complete(size_t index, FinishReason reason, bool engine_goes_on) {
  metrics_.end(index, reason);
  choices_[index].entry.release();
  if (engine_goes_on) context_.engine.cancel(choices_[index].id);
  const bool is_last = ++num_complete_ == choices_.size();
  if (reason == FinishReason::kError) {
    abandon();
  } else if (is_last) {
    writer_->end();
  } else {
    return;
  }
  close();
}

// While a prompt is long or generation is paused, so that proxies between us and the client do not
// give up.
void Answer::ping_later() {
  exchange_->after(kPingInterval_s, [weak = weak_from_this()] {
    const std::shared_ptr<Answer> answer = weak.lock();
    if (answer == nullptr || answer->exchange_ == nullptr) return;
    if (!std::exchange(answer->came_since_ping_, false)) answer->writer_->ping();
    answer->ping_later();
  });
}

void Answer::log_end(const Choice& choice, const Usage& usage) const {
  log_done(context_, exchange_->request(),
           {.id = choice.id,
            .rid = choice.rid,
            .usage = usage,
            .seconds = metrics_.elapsed_s(),
            .text = choice.logged_text});
}

// Who is left will get nothing more.
void Answer::abandon() {
  for (size_t i = 0; i < choices_.size(); ++i)
    if (!choices_[i].complete) metrics_.end(i, FinishReason::kAbort);
  cancel_incomplete();
}

void Answer::cancel_incomplete() {
  for (const Choice& choice : choices_)
    if (!choice.complete && choice.id != 0) context_.engine.cancel(choice.id);
}

void Answer::close() {
  for (Choice& choice : choices_) choice.entry.release();
  std::lock_guard lock(mutex_);
  exchange_.reset();
  writer_.reset();
  incoming_.clear();
}

}  // namespace glint
