#pragma once

// What runs next. A function of plain data: no clock, no thread, no text, no tensor.
//
//   add() ─▶ waiting ──plan()──▶ running ──commit()──▶ finished: stop, length, bad numbers
//               ▲                   │
//               └──── retracted ────┘        cancel(): from both
//
// plan() may be called again before the plan's results are committed, once: step n+1 is submitted
// before step n is collected. So the scheduler counts a sequence's tokens in flight and plans with
// them; commit() learns what they are. What it hands back (pages, slots) may be used by the next
// plan at once, because steps run in the order in which they were planned.
//
// Pages. A sequence starts when the pages for all its due rows can be acquired, and acquires them
// there and then; so what admission promises exists. When a running one needs one page more and
// there is none, cached prefixes are evicted, then the last in line gives way: it goes back to its
// place in the waiting line with its output kept, and computes its rows again. The first in line
// never gives way, and its limit fits the pool (scheduler/admission.h), so there is always
// progress.
//
// With a preemption threshold a running sequence gives way to a waiting one of higher priority in
// the same manner, before the step is planned.

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/planted_bug.h"
#include "kv/page_pool.h"
#include "kv/prefix_tree.h"
#include "scheduler/limits.h"
#include "scheduler/plan.h"
#include "scheduler/sequence.h"

namespace glint {

enum class SequenceEnd {
  kStop,        // sampled one of its stop ids
  kLength,      // max_tokens
  kBadNumbers,  // its logits were NaN or infinite
};

// How a sequence stands, for its request's usage.
struct SequenceCounts {
  int prompt_tokens = 0;
  int cached_tokens = 0;
  int output_tokens = 0;
  int num_retractions = 0;
};

// What came out of a chunk with `samples`.
struct SampledChunk {
  std::span<const TokenId> tokens;
  bool bad_numbers = false;
};

// What commit() made of it. `num_tokens` of the chunk's tokens are the sequence's; the rest came
// after its end and is dropped.
struct Outcome {
  SequenceId sequence = 0;
  size_t result = 0;  // its index among the results
  int num_tokens = 0;
  std::optional<SequenceEnd> end;
  SequenceCounts counts;
};

// Since the start.
struct SchedulerTotals {
  int64_t prompt_tokens = 0;  // of sequences that started
  int64_t cached_tokens = 0;
  int64_t output_tokens = 0;
  int64_t retractions = 0;
  int64_t retracted_prompt_tokens = 0;  // of the sequences that gave way, each time
  int64_t retracted_output_tokens = 0;
  int64_t evicted_pages = 0;
};

class Scheduler {
 public:
  explicit Scheduler(const SchedulerLimits& limits);

  void add(SequenceSpec spec);
  // Ends it, in whatever state; nothing if it is not here (any more).
  std::optional<SequenceCounts> cancel(SequenceId id);

  // Decides a step and takes it as submitted. Empty: nothing can be computed before the step in
  // flight is committed, or there is nothing to do.
  Plan plan();
  // The results of the oldest plan that was not committed: one SampledChunk per chunk with
  // `samples`, in order. One Outcome per sequence that is still here.
  std::vector<Outcome> commit(const Plan& plan, std::span<const SampledChunk> sampled);

  // Drops the cached prefixes; false while sequences run or wait.
  bool flush_cache();

  const Sequence* find(SequenceId id) const;                          // null: not here
  const std::vector<Sequence*>& running() const { return running_; }  // first in line first
  int num_waiting() const { return static_cast<int>(waiting_.size()); }
  bool idle() const { return sequences_.empty(); }
  const SchedulerLimits& limits() const { return limits_; }
  const SchedulerTotals& totals() const { return totals_; }
  const PagePool& pool() const { return pool_; }
  const PrefixTree& tree() const { return tree_; }

 private:
  struct InLine {
    SchedulePolicy policy;
    bool operator()(const Sequence* a, const Sequence* b) const;
  };
  // What is left of a step for chunked work.
  struct Budget {
    int rows = 0;
    int whole_rows = 0;  // instead, for a first chunk with all that is due in its form
    int mixed_rows = 0;  // instead, if not all rows of the step are prompts'
    bool is_mixed = false;
    double time_us = 0;
    bool untouched = true;  // the first chunk gets a page's worth whatever the time says

    // Of `wanted` rows of one form, what the model has room for.
    int with_room(int wanted, bool in_prompt) const {
      return is_mixed || !in_prompt ? std::min(wanted, std::max(0, mixed_rows)) : wanted;
    }
  };

  void preempt(Plan& plan);
  bool can_be_preempted_for(const Sequence& waiting) const;
  void plan_decodes(Plan& plan);
  void plan_chunks(Plan& plan, Budget& budget);
  void plan_admissions(Plan& plan, Budget& budget, size_t num_preempted);
  std::vector<Sequence*> next_in_line() const;
  bool plan_chunk(Plan& plan, Sequence& sequence, Budget& budget);
  void add_chunk(Plan& plan, Sequence& sequence, int extend_len);
  int chunk_rows(const Sequence& sequence, const Budget& budget) const;
  Budget budget_after(const Plan& plan) const;

  PrefixTree::Match cached_prefix(const Sequence& sequence) const;
  bool has_room(const Sequence& sequence, const PrefixTree::Match& match);
  bool try_start(Sequence& sequence, const Budget& budget);
  void start(Sequence& sequence, const PrefixTree::Match& match, int num_new_pages);
  bool grow(Plan& plan, Sequence& sequence);
  std::optional<PageId> acquire_page();
  void retract(Plan& plan, Sequence& sequence);
  void leave_pool(Sequence& sequence);
  int shared_rows(const Sequence& sequence, int num_rows) const;
  void share_verified(Sequence& sequence);
  void share_prompt(Sequence& sequence);
  PrefixTree::Match insert_prefix(const Sequence& sequence, int num_rows);

  Outcome commit_chunk(Sequence& sequence, size_t result, const SampledChunk& sampled);
  std::optional<SequenceEnd> end_of(const Sequence& sequence) const;
  void finish(Sequence& sequence, bool share);
  int pages_for(int num_rows) const;

  const SchedulerLimits limits_;
  PagePool pool_;
  PrefixTree tree_;
  std::unordered_map<SequenceId, std::unique_ptr<Sequence>> sequences_;
  std::set<Sequence*, InLine> waiting_;
  std::vector<Sequence*> running_;  // sorted as waiting_
  std::vector<int> free_slots_;     // a stack
  uint64_t num_arrivals_ = 0;
  bool last_was_prefill_ = false;
  SchedulerTotals totals_;
};

}  // namespace glint
