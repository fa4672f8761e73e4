#pragma once

// What `glint configure` answers: the launch command, what the memory is spent on, how fast it may
// be, and what does not go.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "configure/expected_speed.h"
#include "configure/questions.h"
#include "model/memory_plan.h"

namespace glint {

struct Proposal {
  std::string command;                // for a shell; empty if there are problems
  std::vector<std::string> problems;  // why these answers cannot go together, with the sum
  std::vector<std::string> not_yet;   // what this build cannot do
  std::vector<std::string> notes;
  std::optional<MemoryPlan> memory;  // of one GPU: of all that share the model it is the same
  int64_t wanted_tokens = 0;         // all requests of one copy at their full length, in pages
  int fitting_requests = 0;          // how many of them are in the cache at once
  std::optional<ExpectedSpeed> speed;
};

Proposal propose(const Setup& setup, const Machine& machine);

// The command alone on the first line, or else the problems.
std::string proposal_text(const Proposal& proposal);
Json proposal_json(const Proposal& proposal);
// The table itself, for pages and programs: [{"id", "label", "help", "kind", "preset", "values"}].
Json questions_json(const std::vector<Question>& questions);

// As one word of a POSIX shell: quoted where that is needed.
std::string shell_word(const std::string& text);

}  // namespace glint
