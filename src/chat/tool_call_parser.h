#pragma once

// One call of the glm47 format, from behind its name to </tool_call>:
//
//   PAIRS ──<arg_key>──▶ KEY ──</arg_key>──▶ AFTER_KEY ──<arg_value>──▶ VALUE ──</arg_value>──▶
//   PAIRS
//     └──{──▶ JSON                                                          PAIRS ──</tool_call>──▶
//     done
//
// A value of type string goes on as it comes, escaped piece by piece; all others wait for their
// end. Only </arg_value> ends a value, so that it may hold any other tag as text. Tolerated,
// because models write it: white space between tags, a missing <arg_key>, </arg_key> or
// <arg_value>, a JSON object in the place of the pairs, and a missing </arg_value> where a further
// call or the end of the text leaves no other reading.
//
// A key that comes twice stands twice in the JSON: fragments cannot be taken back, and readers of
// JSON keep the last value.

#include <string>
#include <string_view>
#include <vector>

#include "chat/argument_types.h"
#include "chat/lookahead.h"
#include "chat/output_parser.h"

namespace glint {

class ToolCallParser {
 public:
  // `tools` must outlive the parser.
  explicit ToolCallParser(const std::vector<Tool>& tools) : tools_(tools) {}

  // A call begins; without a name (and without JSON that brings one) it is read and dropped.
  void begin(const CallOpening& opening, int index, std::vector<OutputEvent>& events);

  // Takes what it can from the front of `text`; false if it waits for more.
  bool advance(std::string_view& text, bool at_end, std::vector<OutputEvent>& events);

  // The turn ended within the call: what it lacks is closed. A key without a value is dropped.
  void close(std::vector<OutputEvent>& events);

  bool done() const { return state_ == State::kDone; }
  // Whether the call counted: it had a name, and took its index.
  bool was_emitted() const { return begun_; }
  // Of a call that proved to be none: what stood between its tags.
  const std::string& rejected() const { return rejected_; }

 private:
  enum class State { kPairs, kKey, kAfterKey, kValue, kJson, kDone };

  bool advance_pairs(std::string_view& text);
  bool advance_key(std::string_view& text);
  bool advance_after_key(std::string_view& text);
  bool advance_value(std::string_view& text, bool at_end);
  bool advance_json(std::string_view& text);

  bool ends_value(std::string_view rest, std::string_view tag, bool at_end, Match& match) const;
  void end_key();
  void add_to_value(std::string_view piece);
  void end_value();
  void end_json();
  void end_call();
  void emit_begin(const std::string& name);
  void emit_key();
  void emit(std::string_view fragment);

  const std::vector<Tool>& tools_;
  std::vector<OutputEvent>* events_ = nullptr;  // of the present advance()
  State state_ = State::kDone;
  std::string name_;
  const Tool* tool_ = nullptr;
  int index_ = 0;
  bool begun_ = false;  // its name has been sent
  int num_pairs_ = 0;
  std::string key_;
  ArgumentTypes types_;
  std::string value_;     // held, unless it streams
  bool streams_ = false;  // the present value is certainly a string, and its quote is open
  std::string json_;
  bool in_json_string_ = false;
  bool after_backslash_ = false;
  std::string rejected_;
};

}  // namespace glint
