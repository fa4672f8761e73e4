#include "tests/sim/invariants.h"

#include <algorithm>
#include <set>
#include <vector>

#include "base/check.h"

namespace glint::sim {
namespace {

using Node = PrefixTree::Node;

// Every page belongs exactly to its holders; a page nobody holds is free.
std::string check_pages(const Scheduler& scheduler, const Clients& clients) {
  const PagePool& pool = scheduler.pool();
  std::vector<int> holders(static_cast<size_t>(pool.num_pages()), 0);
  for (const auto& [id, client] : clients) {
    const Sequence* sequence = scheduler.find(id);
    if (sequence == nullptr || !sequence->running) continue;
    for (const PageId page : sequence->pages) ++holders[static_cast<size_t>(page)];
  }
  for (const Node& node : scheduler.tree().nodes())
    if (node.in_use) ++holders[static_cast<size_t>(node.page)];
  int num_free = 0;
  for (PageId page = 0; page < pool.num_pages(); ++page) {
    const int expected = holders[static_cast<size_t>(page)];
    if (pool.ref_count(page) != expected)
      return cat("page ", page, " has ", expected, " holders and counts ", pool.ref_count(page));
    num_free += expected == 0;
  }
  if (pool.num_free() != num_free)
    return cat(num_free, " pages have no holder and ", pool.num_free(), " are free");
  return {};
}

// A row that a sequence counts as cached holds the token of its own text at that position.
std::string check_rows(const Sequence& sequence, const FakeModelRunner& runner, int page_size) {
  const int computed = std::min(runner.computed_rows(sequence.slot, sequence.cached_len),
                                static_cast<int>(sequence.tokens.size()));
  for (int position = 0; position < computed; ++position) {
    const PageId page = sequence.pages[static_cast<size_t>(position / page_size)];
    const TokenId row = runner.row(page, position % page_size);
    if (row != sequence.tokens[static_cast<size_t>(position)])
      return cat("sequence ", sequence.id, " counts row ", position, " as cached; page ", page,
                 " has token ", row, " there and not ",
                 sequence.tokens[static_cast<size_t>(position)]);
  }
  return {};
}

std::string check_running(const Sequence& sequence, const FakeModelRunner& runner,
                          const SchedulerLimits& limits, std::set<int>& slots) {
  if (!slots.insert(sequence.slot).second) return cat("slot ", sequence.slot, " has two sequences");
  if (sequence.slot < 0 || sequence.slot >= limits.max_running_requests)
    return cat("sequence ", sequence.id, " runs in slot ", sequence.slot);
  if (sequence.cached_len > static_cast<int>(sequence.pages.size()) * limits.page_size)
    return cat("sequence ", sequence.id, " has ", sequence.cached_len, " rows in ",
               sequence.pages.size(), " pages");
  if (sequence.num_output() + sequence.num_in_flight > sequence.max_samples())
    return cat("sequence ", sequence.id, " samples more than its ", sequence.max_samples());
  return check_rows(sequence, runner, limits.page_size);
}

// No request is lost or there twice, and each is in the state that its fields say.
std::string check_sequences(const Scheduler& scheduler, const FakeModelRunner& runner,
                            const Clients& clients) {
  size_t num_open = 0;
  std::set<int> slots;
  for (const auto& [id, client] : clients) {
    const Sequence* sequence = scheduler.find(id);
    if ((sequence == nullptr) != client.end.has_value())
      return cat("request ", client.order, client.end ? " ended and is still here" : " is lost");
    if (sequence == nullptr) continue;
    ++num_open;
    if (client.cancelled) return cat("request ", client.order, " was cancelled and goes on");
    if (!sequence->running) continue;
    const std::string bad = check_running(*sequence, runner, scheduler.limits(), slots);
    if (!bad.empty()) return bad;
  }
  const size_t num_here = scheduler.running().size() + static_cast<size_t>(scheduler.num_waiting());
  if (num_here != num_open) return cat(num_open, " requests are open; ", num_here, " sequences");
  if (slots.size() != scheduler.running().size())
    return cat(slots.size(), " sequences run; the list has ", scheduler.running().size());
  return {};
}

// A node's rows are its tokens, its parent exists, and no row gave bad numbers.
std::string check_nodes(const PrefixTree& tree, const FakeModelRunner& runner) {
  for (const Node& node : tree.nodes()) {
    if (!node.in_use) continue;
    if (node.parent != PrefixTree::kNone && !tree.nodes()[static_cast<size_t>(node.parent)].in_use)
      return cat("page ", node.page, " is cached below a prefix that is gone");
    for (size_t i = 0; i < node.tokens.size(); ++i) {
      if (node.tokens[i] == kPoison) return cat("page ", node.page, " with bad numbers is cached");
      const TokenId row = runner.row(node.page, static_cast<int>(i));
      if (row != node.tokens[i])
        return cat("page ", node.page, " is cached for token ", node.tokens[i], " in row ", i,
                   " and has ", row);
    }
  }
  return {};
}

// Locks and children count up; what is not locked can be evicted.
std::string check_tree_counts(const Scheduler& scheduler, const Clients& clients) {
  const auto& nodes = scheduler.tree().nodes();
  std::vector<int> locks(nodes.size(), 0);
  std::vector<int> children(nodes.size(), 0);
  for (const auto& [id, client] : clients) {
    const Sequence* sequence = scheduler.find(id);
    if (sequence == nullptr) continue;
    for (auto node = sequence->locked; node != PrefixTree::kNone;
         node = nodes[static_cast<size_t>(node)].parent)
      ++locks[static_cast<size_t>(node)];
  }
  int num_nodes = 0;
  int num_unlocked = 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!nodes[i].in_use) continue;
    ++num_nodes;
    num_unlocked += locks[i] == 0;
    if (locks[i] == 0 && scheduler.pool().ref_count(nodes[i].page) > 1)
      return cat("page ", nodes[i].page, " can be evicted and a sequence holds it");
    if (nodes[i].parent != PrefixTree::kNone) ++children[static_cast<size_t>(nodes[i].parent)];
  }
  for (size_t i = 0; i < nodes.size(); ++i)
    if (nodes[i].in_use && (nodes[i].num_locks != locks[i] || nodes[i].num_children != children[i]))
      return cat("the node of page ", nodes[i].page, " has ", locks[i], " locks and ", children[i],
                 " children and counts ", nodes[i].num_locks, " and ", nodes[i].num_children);
  if (scheduler.tree().num_nodes() != num_nodes || scheduler.tree().num_evictable() != num_unlocked)
    return cat(num_nodes, " nodes, ", num_unlocked, " without a lock; the tree counts ",
               scheduler.tree().num_nodes(), " and ", scheduler.tree().num_evictable());
  return {};
}

// A page is seen by requests of one namespace only.
std::string check_namespaces(const Scheduler& scheduler, const Clients& clients) {
  std::unordered_map<PageId, uint64_t> seen;
  for (const auto& [id, client] : clients) {
    const Sequence* sequence = scheduler.find(id);
    if (sequence == nullptr || !sequence->running) continue;
    for (const PageId page : sequence->pages) {
      const auto it = seen.emplace(page, client.request.cache_namespace).first;
      if (it->second != client.request.cache_namespace)
        return cat("page ", page, " is shared between two namespaces");
    }
  }
  return {};
}

}  // namespace

std::string check_invariants(const Scheduler& scheduler, const FakeModelRunner& runner,
                             const Clients& clients) {
  std::string bad = check_sequences(scheduler, runner, clients);
  if (bad.empty()) bad = check_pages(scheduler, clients);
  if (bad.empty()) bad = check_nodes(scheduler.tree(), runner);
  if (bad.empty()) bad = check_tree_counts(scheduler, clients);
  if (bad.empty()) bad = check_namespaces(scheduler, clients);
  return bad;
}

}  // namespace glint::sim
