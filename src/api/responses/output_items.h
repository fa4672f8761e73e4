#pragma once

// The items of an answer as it grows, and the events that tell of each step:
//
//   reasoning  ─▶ reasoning_text.delta … (or reasoning_summary_text.delta …, if a summary is asked)
//   message    ─▶ output_text.delta …
//   a call     ─▶ function_call_arguments.delta …
//
// each between output_item.added and output_item.done.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/chat_output.h"
#include "api/request_fields.h"
#include "api/server_context.h"
#include "base/json.h"

namespace glint {

// How the items look.
struct OutputItemOptions {
  bool summarize = false;          // the thinking goes into `summary` and not into `content`
  bool encrypted_content = false;  // and once more into `encrypted_content`
  bool logprobs = false;           // of the messages' tokens
};

// What a reasoning item that we or another server made says: its content, or else what
// encrypted_content keeps of ours, or else its summary.
Result<std::string> reasoning_text(const RequestFields& item);

// Numbers events and frames them.
class EventWriter {
 public:
  // `fields` follow type and sequence_number.
  void add(std::string_view type, const Json& fields);
  // The same for an event of one token: `fields` is JSON text, without the braces.
  void add_text(std::string_view type, std::string_view fields);
  // What was added since.
  std::string take();

 private:
  int64_t sequence_number_ = 0;
  std::string out_;
};

class OutputItems {
 public:
  // `events` may be null. Both outlive this.
  OutputItems(ServerContext& context, const OutputItemOptions& options, EventWriter* events,
              bool starts_in_reasoning);

  void append(const ChoiceDelta& delta, const std::vector<OutputEvent>& events);
  // The end of the answer. An item that is still open becomes `incomplete` if `cut`, or if it is a
  // call: the end cut its arguments.
  void finish(bool cut);

  // The items that are done.
  const Json& items() const { return items_; }

 private:
  enum class Kind { kNone, kReasoning, kMessage, kCall };
  enum class Place { kReasoning, kText, kCall };  // of the next token

  void keep_logprobs(const ChoiceDelta& delta);
  void open(Kind kind);
  void open_call(const std::string& name);
  void add_delta(Kind kind, const std::string& text);
  void close(const char* status);
  Json part() const;
  Json item(const char* status) const;
  std::string at(std::string_view index_name) const;
  void announce(std::string_view type, std::string_view index_name, Json fields);
  void announce_part(const char* step);
  void announce_text_done();

  ServerContext& context_;
  const OutputItemOptions options_;
  EventWriter* events_;
  ReasoningTokens tokens_;
  std::optional<TokenId> tool_call_end_;

  Json items_ = Json::array();
  Kind kind_ = Kind::kNone;  // of the open item:
  std::string id_, text_, name_, call_id_;
  Json logprobs_ = Json::array();

  Place place_;
  Json pending_logprobs_ = Json::array();  // of tokens whose text is still to come
};

}  // namespace glint
