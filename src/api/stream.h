#pragma once

// The way back: from the engine thread to the connection of the request.
//
//   engine thread                      the connection's strand
//   sink ─▶ incoming ─▶ post one task ─▶ drain ─▶ ChoiceText ─▶ AnswerWriter ─▶ Exchange
//
// At most one drain task is under way, however many events come; events that have gathered are
// joined, so that a slow connection gets fewer and larger chunks, and so does who asked for a
// longer stream_interval. While the Exchange is not writable nothing is drained. A client that goes
// away cancels its sequences.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/answer_metrics.h"
#include "api/choice_text.h"
#include "api/generation_params.h"
#include "api/server_context.h"
#include "base/result.h"
#include "engine/engine.h"
#include "http/http.h"

namespace glint {

// What one endpoint sends. All functions are called on the strand, in the order begin, write…, end
// or fail.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;
  // All requests are with the engine, nothing was sent.
  virtual void begin() = 0;
  // `choice` counts the requests. True: the choice is complete, because delta.finish is set or
  // because the writer wants no more of it.
  virtual bool write(int choice, ChoiceDelta delta) = 0;
  // Nothing has come for a while: a sign of life, in a streamed answer.
  virtual void ping() {}
  // Every choice is complete.
  virtual void end() = 0;
  // Instead of end(): the answer cannot be completed.
  virtual void fail(const Error& error) = 0;
};

class Answer : public std::enable_shared_from_this<Answer> {
 public:
  // Submits all of `requests`, or none: then the Error is the caller's to send. `texts` and `rids`
  // have one for each, or one for all. Until it is complete a request can be aborted by its rid.
  static Result<void> start(ServerContext& context, std::shared_ptr<Exchange> exchange,
                            std::vector<GenerateRequest> requests,
                            const std::vector<TextOptions>& texts,
                            const std::vector<std::string>& rids,
                            std::unique_ptr<AnswerWriter> writer);

 private:
  struct Choice {
    ChoiceText text;
    RequestId id = 0;  // 0: not submitted
    std::string rid{};
    RunningRequests::Entry entry{};
    bool complete = false;
    int stream_interval = 1;
    bool began = false;         // something was written
    ChoiceDelta held{};         // until it is long enough to write
    std::string logged_text{};  // for the log, where that has it

    bool is_due() const;  // `held` is to be written now
  };

  Answer(ServerContext& context, std::shared_ptr<Exchange> exchange,
         std::unique_ptr<AnswerWriter> writer);
  Result<void> submit_all(std::vector<GenerateRequest> requests,
                          const std::vector<TextOptions>& texts,
                          const std::vector<std::string>& rids);
  Result<void> submit_choices(std::vector<GenerateRequest> requests);

  void push(size_t choice, TokenEvent&& event);  // the engine thread
  void drain();
  std::vector<std::optional<TokenEvent>> take_incoming();
  void deliver(size_t index, TokenEvent event);
  void complete(size_t index, FinishReason reason, bool engine_goes_on);
  void ping_later();
  void log_end(const Choice& choice, const Usage& usage) const;
  void abandon();
  void cancel_incomplete();
  void close();

  ServerContext& context_;
  std::shared_ptr<Exchange> exchange_;  // null once the answer is complete or the client is gone
  std::unique_ptr<AnswerWriter> writer_;
  std::vector<Choice> choices_;
  size_t num_complete_ = 0;
  AnswerMetrics metrics_;
  bool came_since_ping_ = false;  // something was delivered

  std::mutex mutex_;                                 // what the engine thread and the strand share:
  std::vector<std::optional<TokenEvent>> incoming_;  // by choice
  bool drain_posted_ = false;
};

}  // namespace glint
