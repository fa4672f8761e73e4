#include "scheduler/policy.h"

#include <algorithm>
#include <utility>

namespace glint {

bool goes_before(SchedulePolicy policy, const Sequence& a, const Sequence& b) {
  if (policy == SchedulePolicy::kPriority && a.priority != b.priority)
    return a.priority > b.priority;
  if (policy == SchedulePolicy::kLof && a.max_tokens != b.max_tokens)
    return a.max_tokens > b.max_tokens;
  return a.arrival < b.arrival;
}

std::vector<Sequence*> admission_order(SchedulePolicy policy, std::vector<Sequence*> waiting,
                                       const std::function<int(const Sequence&)>& cached_pages) {
  if (policy != SchedulePolicy::kLpm || waiting.size() > kMaxLpmQueue) return waiting;
  const auto overtaken_end =
      std::stable_partition(waiting.begin(), waiting.end(),
                            [](const Sequence* s) { return s->num_overtaken >= kMaxOvertaken; });
  std::vector<std::pair<int, Sequence*>> matched;
  for (auto it = overtaken_end; it != waiting.end(); ++it)
    matched.emplace_back(cached_pages(**it), *it);
  std::ranges::stable_sort(matched, std::greater{}, &std::pair<int, Sequence*>::first);
  std::ranges::transform(matched, overtaken_end, &std::pair<int, Sequence*>::second);
  return waiting;
}

double chunk_cost_us(const CostTable& cost, int cached_len, int extend_len) {
  return cost.per_token_us * extend_len +
         cost.per_context_token_us * extend_len * (cached_len + extend_len / 2.0);
}

int rows_within(const CostTable& cost, int cached_len, int wanted, double left_us) {
  int fits = 0;  // the cost grows with the rows, so bisect: fits <= answer < too_many
  int too_many = wanted + 1;
  while (too_many - fits > 1) {
    const int rows = fits + (too_many - fits) / 2;
    (chunk_cost_us(cost, cached_len, rows) <= left_us ? fits : too_many) = rows;
  }
  return fits;
}

}  // namespace glint
