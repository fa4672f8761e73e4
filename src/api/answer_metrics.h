#pragma once

// What one answer adds to the server's RequestMetrics.

#include <cstddef>
#include <vector>

#include "api/choice_text.h"
#include "api/request_metrics.h"
#include "base/clock.h"
#include "engine/event.h"
#include "engine/request.h"

namespace glint {

// Used on the connection's strand. Choices are numbered as they are added.
class AnswerMetrics {
 public:
  // `received_s`: when the HTTP request was complete, on `clock`.
  AnswerMetrics(RequestMetrics& metrics, const Clock& clock, double received_s)
      : metrics_(metrics), clock_(clock), received_s_(received_s) {}

  // To be called before the request is submitted, in order: a prompt's choices stand together, the
  // first of them with sampling.choice 0.
  void add_choice(const GenerateRequest& request);
  // A choice grew by `delta`.
  void observe(size_t choice, const ChoiceDelta& delta, const RequestTimes& times);
  // It ended. kAbort: by someone else's will, its client's too.
  void end(size_t choice, FinishReason reason);

  double elapsed_s() const { return clock_.now_s() - received_s_; }

 private:
  struct Choice {
    size_t prompt = 0;
    int max_tokens = 0;
    bool counts = true;
    bool started = false;
    double last_token_s = 0;  // sent; 0: none yet
    Usage usage{};
    RequestTimes times{};
  };
  struct Prompt {
    int num_choices = 0;
    int num_ended = 0;  // by themselves
    int longest = 0;    // tokens
  };

  void start(Choice& choice);
  void observe_tokens(Choice& choice, size_t num_tokens);
  void observe_whole(Choice& choice);

  RequestMetrics& metrics_;
  const Clock& clock_;
  double received_s_;
  std::vector<Choice> choices_;
  std::vector<Prompt> prompts_;
};

}  // namespace glint
