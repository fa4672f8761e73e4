#pragma once

// Who goes first: orders and sizes, as functions of plain data.

#include <functional>
#include <vector>

#include "scheduler/limits.h"
#include "scheduler/sequence.h"

namespace glint {

// Under kLpm a sequence that this many later arrivals overtook goes before all others, so that none
// starves.
inline constexpr int kMaxOvertaken = 32;
// Longer lines are served as under kFcfs: matching all of them in every step would cost more than
// it saves.
inline constexpr int kMaxLpmQueue = 128;

// Whether `a` goes before `b` in line and keeps its pages longer: priority or length of output
// where the policy has it, then arrival. Total: no two sequences have the same arrival.
bool goes_before(SchedulePolicy policy, const Sequence& a, const Sequence& b);

// The order in which `waiting`, sorted by goes_before(), is offered pages. `cached_pages` says how
// many pages of a sequence's tokens the prefix tree has; it is asked under kLpm only.
std::vector<Sequence*> admission_order(SchedulePolicy policy, std::vector<Sequence*> waiting,
                                       const std::function<int(const Sequence&)>& cached_pages);

// Microseconds of `extend_len` rows after `cached_len`.
double chunk_cost_us(const CostTable& cost, int cached_len, int extend_len);

// The most of `wanted` rows whose cost is within `left_us`; may be 0.
int rows_within(const CostTable& cost, int cached_len, int wanted, double left_us);

}  // namespace glint
