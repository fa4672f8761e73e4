#pragma once

// What the tests of api/ say their stories with: requests in, answers out, through the real engine
// on the test's own thread. The model's part is played by a script, so that the text is known.

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/routes.h"
#include "api/server_context.h"
#include "base/clock.h"
#include "base/json.h"
#include "engine/engine.h"
#include "engine/model_runner.h"
#include "http/http.h"
#include "http/router.h"
#include "http/sse.h"
#include "http/target.h"
#include "tests/support/tiny_checkpoint.h"

namespace glint {

// Every sequence says what it is forced to from its start, then the same ids, then stop ids.
class ScriptedRunner final : public ModelRunner {
 public:
  ScriptedRunner(const std::vector<TokenId>& script, TokenId stop) : script_(script), stop_(stop) {}

  Ticket submit(StepInput input) override {
    for (const SlotState& state : input.new_slots) {
      slots_.resize(std::max(slots_.size(), static_cast<size_t>(state.slot) + 1));
      slots_[static_cast<size_t>(state.slot)] = {state.output.size(), forced_ids(state),
                                                 state.params};
    }
    StepOutput output;
    for (const BatchSequence& sequence : input.batch.sequences) {
      if (sequence.num_logit_rows == 0) continue;
      output.sampled.push_back({{next(slots_[static_cast<size_t>(sequence.slot)])}});
    }
    outputs_.push_back(std::move(output));
    return ++last_ticket_;
  }

  StepOutput collect(Ticket) override {
    StepOutput output = std::move(outputs_.front());
    outputs_.pop_front();
    return output;
  }

 private:
  struct Slot {
    size_t position = 0;
    std::vector<TokenId> forced;
    SamplingParams params;
  };

  static std::vector<TokenId> forced_ids(const SlotState& state) {
    for (const Trigger& trigger : state.triggers)
      if (trigger.after_tokens == 0) return trigger.forced_ids;
    return {};
  }

  OutputToken next(Slot& slot) const {
    OutputToken token{.id = next_id(slot), .logprobs = {}};
    if (slot.params.num_logprobs < 0) return token;
    token.logprobs = TokenLogprobs{.chosen = -0.1f, .top = {}, .of_ids = {}};
    for (int i = 0; i < slot.params.num_logprobs; ++i)
      token.logprobs->top.emplace_back(token.id + i, -0.1f - static_cast<float>(i));
    for (const TokenId id : slot.params.logprob_ids)
      token.logprobs->of_ids.push_back(-static_cast<float>(token.id + id));
    return token;
  }

  TokenId next_id(Slot& slot) const {
    const size_t at = slot.position++;
    if (at < slot.forced.size()) return slot.forced[at];
    const size_t in_script = at - slot.forced.size();
    return in_script < script_.size() ? script_[in_script] : stop_;
  }

  const std::vector<TokenId>& script_;  // the harness's: it may change between requests
  TokenId stop_;
  std::vector<Slot> slots_;
  std::deque<StepOutput> outputs_;
  Ticket last_ticket_ = 0;
};

class FakeExchange final : public Exchange {
 public:
  explicit FakeExchange(HttpRequest http) : request_(std::move(http)) {}

  const HttpRequest& request() const override { return request_; }
  void respond(HttpResponse response) override {
    status = response.status;
    body = std::move(response.body);
    headers = std::move(response.headers);
    complete = true;
    later_ = nullptr;
  }
  void begin_stream(int stream_status, std::string,
                    std::vector<std::pair<std::string, std::string>>) override {
    status = stream_status;
  }
  void write(std::string bytes) override { body += bytes; }
  void end_stream() override {
    complete = true;
    later_ = nullptr;
  }
  bool writable() const override { return is_writable; }
  void on_writable(std::function<void()> callback) override { writable_ = std::move(callback); }
  void on_disconnect(std::function<void()> callback) override { gone_ = std::move(callback); }
  void after(double seconds, std::function<void()> work) override {
    after_s = seconds;
    later_ = std::move(work);
  }
  void post(std::function<void()> work) override { posted_.push_back(std::move(work)); }

  void run_posted() {
    while (!posted_.empty()) {
      const std::function<void()> work = std::move(posted_.front());
      posted_.pop_front();
      work();
    }
  }
  void time_passes() {  // until the work of after() is due
    if (const auto work = std::exchange(later_, nullptr)) work();
  }
  void become_writable() {
    is_writable = true;
    if (const auto callback = writable_) callback();
  }
  void disconnect() {
    if (const auto callback = std::exchange(gone_, nullptr)) callback();
  }
  // What still waits for the connection holds its answer, and that the connection.
  void drop() {
    posted_.clear();
    writable_ = gone_ = later_ = nullptr;
  }
  size_t num_posted() const { return posted_.size(); }

  int status = 0;
  std::string body;
  HttpFields headers;
  bool complete = false;
  double after_s = 0;
  bool is_writable = true;

 private:
  HttpRequest request_;
  std::deque<std::function<void()>> posted_;
  std::function<void()> writable_, gone_, later_;
};

class ApiHarness {
 public:
  explicit ApiHarness(SchedulerLimits limits = default_limits())
      : tokenizer(*Tokenizer::parse(tiny_tokenizer_json(), "tiny")),
        engine(limits, std::make_unique<ScriptedRunner>(script_, tiny_token_id("<|user|>")),
               clock_),
        context(options(), tiny_config(), engine, clock_),
        router_(make_router(context)) {
    context.tokenizer = tokenizer;
    context.stop_token_ids = {tiny_token_id("<|endoftext|>"), tiny_token_id("<|user|>")};
    context.limits = limits;
  }

  // A test need not wait for its answers.
  ~ApiHarness() {
    engine.stop();
    engine.run();
    for (const auto& exchange : sent_)
      if (const auto open = exchange.lock()) open->drop();
  }

  static SchedulerLimits default_limits() {
    SchedulerLimits limits;
    limits.page_size = 4;
    limits.num_pages = 1024;
    limits.max_running_requests = 16;
    limits.context_length = 2048;
    return limits;
  }

  // What the model will say.
  void say(std::string_view text) { script_ = tokenizer.encode(text); }
  void say_ids(std::vector<TokenId> ids) { script_ = std::move(ids); }

  std::shared_ptr<FakeExchange> send(std::string method, std::string_view target, std::string body,
                                     HttpFields headers = {}) {
    HttpRequest request;
    request.headers = std::move(headers);
    request.method = std::move(method);
    Target parsed = *parse_target(target);
    request.path = std::move(parsed.path);
    request.query = std::move(parsed.query);
    request.body = std::move(body);
    return send(std::move(request));
  }
  std::shared_ptr<FakeExchange> send(HttpRequest request) {
    request.received_s = clock_.now_s();
    auto exchange = std::make_shared<FakeExchange>(std::move(request));
    sent_.push_back(exchange);
    router_.route(exchange);
    return exchange;
  }
  std::shared_ptr<FakeExchange> get(std::string path,
                                    std::vector<std::pair<std::string, std::string>> query) {
    HttpRequest request;
    request.method = "GET";
    request.path = std::move(path);
    request.query = std::move(query);
    return send(std::move(request));
  }
  std::shared_ptr<FakeExchange> post(std::string path, const Json& body) {
    return send("POST", std::move(path), body.dump());
  }

  const Router& router() const { return router_; }

  // Steps the engine, and then the connection, until the answer is complete.
  void finish(FakeExchange& exchange) {
    for (int i = 0; i < 2000 && !exchange.complete; ++i) {
      engine.step();
      exchange.run_posted();
    }
  }
  // The whole JSON answer.
  Json ask(std::string path, const Json& body) {
    const auto exchange = post(std::move(path), body);
    finish(*exchange);
    return Json::parse(exchange->body);
  }
  // The data of each event of a streamed answer.
  std::vector<std::string> stream(std::string path, Json body) {
    body["stream"] = true;
    const auto exchange = post(std::move(path), body);
    finish(*exchange);
    return events_of(exchange->body);
  }
  static std::vector<std::string> events_of(const std::string& body) {
    std::vector<std::string> events;
    SseParser parser([&](const SseEvent& event) { events.push_back(event.data); });
    parser.put(body);
    return events;
  }

 private:
  static ApiOptions options() {
    ApiOptions options;
    options.served_model_name = "glint-tiny";
    options.model_path = "/models/glint-tiny";
    return options;
  }

  SteadyClock clock_;
  std::vector<TokenId> script_;

 public:
  Tokenizer tokenizer;
  Engine engine;
  ServerContext context;

 private:
  Router router_;
  std::vector<std::weak_ptr<FakeExchange>> sent_;
};

inline Json user_says(std::string_view text) {
  return Json{{"messages", Json::array({{{"role", "user"}, {"content", text}}})}};
}

}  // namespace glint
