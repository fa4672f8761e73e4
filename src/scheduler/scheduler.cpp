#include "scheduler/scheduler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"
#include "scheduler/policy.h"

namespace glint {

bool Scheduler::InLine::operator()(const Sequence* a, const Sequence* b) const {
  return goes_before(policy, *a, *b);
}

Scheduler::Scheduler(const SchedulerLimits& limits)
    : limits_(limits),
      pool_(limits.num_pages),
      tree_(pool_, limits.page_size),
      waiting_(InLine{limits.policy}) {
  for (int slot = limits.max_running_requests - 1; slot >= 0; --slot) free_slots_.push_back(slot);
}

void Scheduler::add(SequenceSpec spec) {
  CHECK(!spec.prompt.empty(), "sequence ", spec.id, " has no prompt");
  auto sequence = std::make_unique<Sequence>();
  sequence->id = spec.id;
  sequence->num_prompt = static_cast<int>(spec.prompt.size());
  sequence->prompt = std::move(spec.prompt);
  sequence->max_tokens = spec.max_tokens;
  sequence->stop_token_ids = std::move(spec.stop_token_ids);
  sequence->priority = limits_.low_priority_values_first ? -spec.priority : spec.priority;
  sequence->cache_namespace = planted(PlantedBug::kNamespaceIgnored) ? 0 : spec.cache_namespace;
  sequence->use_prefix_cache = spec.use_prefix_cache && limits_.prefix_cache;
  sequence->arrival = num_arrivals_++;
  waiting_.insert(sequence.get());
  const bool is_new = sequences_.emplace(spec.id, std::move(sequence)).second;
  CHECK(is_new, "sequence ", spec.id, " added twice");
}

namespace {

SequenceCounts counts_of(const Sequence& sequence) {
  return {.prompt_tokens = sequence.num_prompt,
          .cached_tokens = sequence.cached_tokens,
          .output_tokens = sequence.num_output(),
          .num_retractions = sequence.num_retractions};
}

}  // namespace

std::optional<SequenceCounts> Scheduler::cancel(SequenceId id) {
  const auto it = sequences_.find(id);
  if (it == sequences_.end()) return std::nullopt;
  Sequence& sequence = *it->second;
  if (planted(PlantedBug::kRetractedNotCancelled) && !sequence.running && sequence.was_started)
    return std::nullopt;
  const SequenceCounts counts = counts_of(sequence);
  if (planted(PlantedBug::kPageNeverFreed) && !sequence.pages.empty()) sequence.pages.pop_back();
  finish(sequence, /*share=*/true);
  return counts;
}

const Sequence* Scheduler::find(SequenceId id) const {
  const auto it = sequences_.find(id);
  return it == sequences_.end() ? nullptr : it->second.get();
}

bool Scheduler::flush_cache() {
  if (!idle()) return false;
  tree_.clear();
  return true;
}

// ---- plan

Plan Scheduler::plan() {
  Plan plan;
  preempt(plan);
  const size_t num_preempted = plan.retracted.size();
  // Without mixed steps, prefills and decodes take turns, so that neither starves the other.
  if (limits_.mixed_chunks || last_was_prefill_) plan_decodes(plan);
  const size_t num_decodes = plan.chunks.size();
  if (limits_.mixed_chunks || num_decodes == 0) {
    Budget budget = budget_after(plan);
    plan_chunks(plan, budget);
    plan_admissions(plan, budget, num_preempted);
  }
  last_was_prefill_ = plan.chunks.size() > num_decodes;
  if (plan.empty()) plan_decodes(plan);
  if (!plan.empty()) plan.cost_us += limits_.cost.base_us;
  return plan;
}

// Before anything is planned, so that nobody who gives way is in the step.
void Scheduler::preempt(Plan& plan) {
  const bool may = limits_.policy == SchedulePolicy::kPriority && limits_.preemption_threshold;
  if (!may || waiting_.empty()) return;
  const Sequence& first = **waiting_.begin();
  while (can_be_preempted_for(first)) {
    if (!free_slots_.empty() && has_room(first, cached_prefix(first))) return;
    retract(plan, *running_.back());
  }
}

bool Scheduler::can_be_preempted_for(const Sequence& waiting) const {
  if (running_.empty()) return false;
  const int64_t difference = int64_t{waiting.priority} - running_.back()->priority;
  return difference > *limits_.preemption_threshold;
}

// In line order, so that whoever gives way was not planned yet.
void Scheduler::plan_decodes(Plan& plan) {
  for (size_t i = 0; i < running_.size(); ++i) {
    Sequence& sequence = *running_[i];
    if (sequence.all_sampled() || !sequence.decodes()) continue;
    if (grow(plan, sequence)) add_chunk(plan, sequence, 1);
  }
}

Scheduler::Budget Scheduler::budget_after(const Plan& plan) const {
  Budget budget;
  budget.rows = std::min(max_chunk_tokens(limits_), limits_.max_prefill_tokens);
  const bool chunks = limits_.chunked_prefill_size > 0;
  const bool is_alone = sequences_.size() == 1;
  budget.whole_rows = !chunks || is_alone ? max_step_prompt_tokens(limits_) : 0;
  const bool keeps_others_waiting = !plan.chunks.empty();
  budget.mixed_rows = std::numeric_limits<int>::max();
  if (limits_.max_mixed_tokens > 0)
    budget.mixed_rows = limits_.max_mixed_tokens - static_cast<int>(plan.chunks.size());
  budget.is_mixed = keeps_others_waiting;
  budget.time_us = limits_.step_budget_us > 0 && keeps_others_waiting
                       ? limits_.step_budget_us - limits_.cost.base_us - plan.cost_us
                       : std::numeric_limits<double>::infinity();
  return budget;
}

void Scheduler::plan_chunks(Plan& plan, Budget& budget) {
  for (Sequence* sequence : running_) {
    if (sequence->num_due() == 0 || sequence->decodes()) continue;
    if (!plan_chunk(plan, *sequence, budget)) return;
  }
}

// Nobody overtakes the first in the order that does not fit, and nobody starts in a step in which
// another gave way for lack of pages, nor who gave way in this one.
void Scheduler::plan_admissions(Plan& plan, Budget& budget, size_t num_preempted) {
  if (waiting_.empty() || plan.retracted.size() > num_preempted) return;
  const auto cached_pages = [&](const Sequence& s) {
    return s.use_prefix_cache ? tree_.match_length(s.cache_namespace, s.known()) : 0;
  };
  for (Sequence* sequence : admission_order(limits_.policy, next_in_line(), cached_pages)) {
    if (free_slots_.empty() || budget.rows == 0 || sequence->num_in_flight > 0) return;
    if (!try_start(*sequence, budget)) return;
    plan_chunk(plan, *sequence, budget);
  }
}

// Those who could start in this step. Under kLpm anyone could.
std::vector<Sequence*> Scheduler::next_in_line() const {
  const size_t most = limits_.policy == SchedulePolicy::kLpm ? waiting_.size() : free_slots_.size();
  std::vector<Sequence*> line;
  for (auto it = waiting_.begin(); it != waiting_.end() && line.size() < most; ++it)
    line.push_back(*it);
  return line;
}

// As many of the sequence's due rows as the budget has; false when there is nothing left of it.
bool Scheduler::plan_chunk(Plan& plan, Sequence& sequence, Budget& budget) {
  const int rows = chunk_rows(sequence, budget);
  if (rows == 0) return false;
  const double cost_us = chunk_cost_us(limits_.cost, sequence.cached_len, rows);
  budget.rows -= std::min(rows, budget.rows);
  budget.mixed_rows -= rows;
  budget.is_mixed = budget.is_mixed || sequence.cached_len >= sequence.num_prompt;
  budget.time_us -= cost_us;
  budget.untouched = false;
  add_chunk(plan, sequence, rows);
  return true;
}

int Scheduler::chunk_rows(const Sequence& sequence, const Budget& budget) const {
  // Prompt rows and generated ones are computed in different forms: a chunk ends between them.
  const bool in_prompt = sequence.cached_len < sequence.num_prompt;
  const int end = in_prompt ? sequence.num_prompt : sequence.len();
  const int due = end - sequence.cached_len;
  const bool is_whole = budget.untouched && due <= budget.whole_rows;
  const int wanted = budget.with_room(is_whole ? due : std::min(due, budget.rows), in_prompt);
  const int in_time = rows_within(limits_.cost, sequence.cached_len, wanted, budget.time_us);
  return budget.untouched ? std::max(in_time, std::min(wanted, limits_.page_size)) : in_time;
}

void Scheduler::add_chunk(Plan& plan, Sequence& sequence, int extend_len) {
  Chunk chunk;
  chunk.sequence = sequence.id;
  chunk.cached_len = sequence.cached_len;
  chunk.extend_len = extend_len;
  chunk.form = sequence.cached_len < sequence.num_prompt ? ChunkForm::kPrompt : ChunkForm::kDecode;
  chunk.starts = std::exchange(sequence.starts, false);
  plan.cost_us += chunk_cost_us(limits_.cost, sequence.cached_len, extend_len);
  sequence.cached_len += extend_len;
  chunk.samples = sequence.num_due() == 0;
  if (chunk.samples) ++sequence.num_in_flight;
  plan.chunks.push_back(chunk);
}

// ---- pages

int Scheduler::pages_for(int num_rows) const {
  return (num_rows + limits_.page_size - 1) / limits_.page_size;
}

std::optional<PageId> Scheduler::acquire_page() {
  if (const auto page = pool_.acquire()) return page;
  if (!tree_.evict_one()) return std::nullopt;
  ++totals_.evicted_pages;
  return pool_.acquire();
}

// The last token is always computed, even if it is cached: its logits are needed.
PrefixTree::Match Scheduler::cached_prefix(const Sequence& sequence) const {
  if (!sequence.use_prefix_cache) return {};
  const int most = shared_rows(sequence, static_cast<int>(sequence.known().size()) - 1);
  return tree_.match(sequence.cache_namespace, sequence.known().first(static_cast<size_t>(most)));
}

// Whether the pages for all due rows exist. One page a running sequence stays free beyond that:
// without it, the next to grow would make the newcomer give way at once.
bool Scheduler::has_room(const Sequence& sequence, const PrefixTree::Match& match) {
  const int num_new = pages_for(sequence.len()) - static_cast<int>(match.pages.size());
  const double kept = std::ceil(static_cast<double>(running_.size()) * limits_.conservativeness);
  tree_.lock(match.node);
  const int available = pool_.num_free() + tree_.num_evictable();
  tree_.unlock(match.node);
  return num_new + kept <= available;
}

// Takes a slot and the pages for all due rows, if they exist and a row is within the budget.
bool Scheduler::try_start(Sequence& sequence, const Budget& budget) {
  CHECK(sequence.num_in_flight == 0, "sequence ", sequence.id, " starts with a token in flight");
  const PrefixTree::Match found = cached_prefix(sequence);
  const int num_cached = static_cast<int>(found.pages.size());
  const bool in_time =
      chunk_cost_us(limits_.cost, num_cached * limits_.page_size, 1) <= budget.time_us;
  if (!in_time && !budget.untouched) return false;
  const bool in_prompt = num_cached * limits_.page_size < sequence.num_prompt;
  if (budget.with_room(1, in_prompt) == 0) return false;
  if (!has_room(sequence, found)) return false;
  tree_.lock(found.node);
  start(sequence, found, pages_for(sequence.len()) - num_cached);
  return true;
}

void Scheduler::start(Sequence& sequence, const PrefixTree::Match& match, int num_new_pages) {
  tree_.touch(match.node);
  for (const PageId page : match.pages) pool_.retain(page);
  sequence.pages.insert(sequence.pages.end(), match.pages.begin(), match.pages.end());
  for (int i = 0; i < num_new_pages; ++i) {
    const auto page = acquire_page();
    CHECK(page.has_value(), "a page that was counted as available cannot be acquired");
    sequence.pages.push_back(*page);
  }
  sequence.locked = match.node;
  // A match that reaches the generated tokens must stay locked as deep as it is.
  sequence.prompt_shared =
      !planted(PlantedBug::kLockTooShallow) &&
      static_cast<int>(match.pages.size()) >= sequence.num_prompt / limits_.page_size;
  sequence.cached_len = static_cast<int>(match.pages.size()) * limits_.page_size;
  sequence.slot = free_slots_.back();
  free_slots_.pop_back();
  sequence.running = true;
  sequence.starts = true;
  waiting_.erase(&sequence);
  running_.insert(std::ranges::upper_bound(running_, &sequence, InLine{limits_.policy}), &sequence);
  if (limits_.policy == SchedulePolicy::kLpm)
    for (Sequence* other : waiting_) other->num_overtaken += other->arrival < sequence.arrival;
  if (!std::exchange(sequence.was_started, true)) {
    sequence.tokens = std::exchange(sequence.prompt, {}).copy();
    sequence.cached_tokens = sequence.cached_len;
    totals_.prompt_tokens += sequence.num_prompt;
    totals_.cached_tokens += sequence.cached_tokens;
  }
}

// The page for one row more, if the last is full. False: the sequence had to give way itself.
bool Scheduler::grow(Plan& plan, Sequence& sequence) {
  if (pages_for(sequence.cached_len + 1) <= static_cast<int>(sequence.pages.size())) return true;
  for (;;) {
    if (const auto page = acquire_page()) {
      sequence.pages.push_back(*page);
      return true;
    }
    Sequence* victim = planted(PlantedBug::kOldestRetracted) ? running_.front() : running_.back();
    retract(plan, *victim);
    if (victim == &sequence) return false;
  }
}

void Scheduler::retract(Plan& plan, Sequence& sequence) {
  share_verified(sequence);
  if (planted(PlantedBug::kLockKept)) sequence.locked = PrefixTree::kNone;
  leave_pool(sequence);
  ++sequence.num_retractions;
  ++totals_.retractions;
  totals_.retracted_prompt_tokens += sequence.num_prompt;
  totals_.retracted_output_tokens += sequence.num_output();
  plan.retracted.push_back(sequence.id);
  waiting_.insert(&sequence);
}

// Gives back pages, lock and slot.
void Scheduler::leave_pool(Sequence& sequence) {
  for (const PageId page : sequence.pages) pool_.release(page);
  if (!planted(PlantedBug::kStalePageTable)) sequence.pages.clear();
  tree_.unlock(std::exchange(sequence.locked, PrefixTree::kNone));
  free_slots_.push_back(std::exchange(sequence.slot, -1));
  sequence.cached_len = 0;
  sequence.prompt_shared = false;
  sequence.running = false;
  std::erase(running_, &sequence);
}

PrefixTree::Match Scheduler::insert_prefix(const Sequence& sequence, int num_rows) {
  const int num_pages = planted(PlantedBug::kPartialPageShared)
                            ? std::min(pages_for(num_rows),
                                       static_cast<int>(sequence.tokens.size()) / limits_.page_size)
                            : num_rows / limits_.page_size;
  return tree_.insert(sequence.cache_namespace, sequence.tokens,
                      std::span(sequence.pages).first(static_cast<size_t>(num_pages)));
}

// How many of its first `num_rows` rows others may have from it, and it from others.
int Scheduler::shared_rows(const Sequence& sequence, int num_rows) const {
  return limits_.share_prompt_rows_only ? std::min(num_rows, sequence.num_prompt) : num_rows;
}

// Only rows whose logits were seen to be finite; the pages stay the sequence's too, until it
// leaves.
void Scheduler::share_verified(Sequence& sequence) {
  if (sequence.use_prefix_cache)
    insert_prefix(sequence,
                  shared_rows(sequence, std::min(sequence.num_verified(), sequence.cached_len)));
}

// After the first token: others with this prompt need not wait for the sequence's end. Where the
// tree had such a page already, the sequence takes that one and gives up its own.
void Scheduler::share_prompt(Sequence& sequence) {
  if (!sequence.use_prefix_cache || std::exchange(sequence.prompt_shared, true)) return;
  const PrefixTree::Match match = insert_prefix(sequence, sequence.num_prompt);
  tree_.lock(match.node);
  tree_.unlock(std::exchange(sequence.locked, match.node));
  for (size_t i = 0; i < match.pages.size(); ++i) {
    pool_.retain(match.pages[i]);
    pool_.release(std::exchange(sequence.pages[i], match.pages[i]));
  }
}

// ---- commit

std::vector<Outcome> Scheduler::commit(const Plan& plan, std::span<const SampledChunk> sampled) {
  std::vector<Outcome> outcomes;
  size_t next = 0;
  for (const Chunk& chunk : plan.chunks) {
    if (!chunk.samples) continue;
    CHECK(next < sampled.size(), "a step gave ", sampled.size(), " results, too few");
    const size_t result = next++;
    const auto it = sequences_.find(chunk.sequence);
    if (it == sequences_.end()) continue;  // it ended while this token was sampled
    outcomes.push_back(commit_chunk(*it->second, result, sampled[result]));
  }
  CHECK(next == sampled.size(), "a step gave ", sampled.size(), " results, expected ", next);
  return outcomes;
}

Outcome Scheduler::commit_chunk(Sequence& sequence, size_t result, const SampledChunk& sampled) {
  Outcome outcome;
  outcome.sequence = sequence.id;
  outcome.result = result;
  --sequence.num_in_flight;
  if (sampled.bad_numbers) outcome.end = SequenceEnd::kBadNumbers;
  for (const TokenId id : sampled.tokens) {
    if (outcome.end) break;
    if (sequence.max_tokens > 0) sequence.tokens.push_back(id);
    outcome.num_tokens += sequence.max_tokens > 0;
    outcome.end = end_of(sequence);
  }
  totals_.output_tokens += outcome.num_tokens;
  outcome.counts = counts_of(sequence);
  const bool good = !sampled.bad_numbers || planted(PlantedBug::kBadRowsShared);
  if (good && sequence.running) share_prompt(sequence);
  if (outcome.end) finish(sequence, /*share=*/good);
  return outcome;
}

std::optional<SequenceEnd> Scheduler::end_of(const Sequence& sequence) const {
  if (sequence.max_tokens == 0) return SequenceEnd::kLength;
  const bool looks = !planted(PlantedBug::kExtraTokenKept) || sequence.num_in_flight == 0;
  if (looks && std::ranges::count(sequence.stop_token_ids, sequence.tokens.back()) > 0)
    return SequenceEnd::kStop;
  if (sequence.num_output() >= sequence.max_tokens) return SequenceEnd::kLength;
  return std::nullopt;
}

void Scheduler::finish(Sequence& sequence, bool share) {
  if (sequence.running) {
    if (share) share_verified(sequence);
    if (planted(PlantedBug::kSharedPageFreedTwice) && sequence.cached_tokens > 0 && share)
      pool_.release(sequence.pages.front());
    leave_pool(sequence);
  } else {
    waiting_.erase(&sequence);
  }
  sequences_.erase(sequence.id);
}

}  // namespace glint
