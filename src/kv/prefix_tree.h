#pragma once

// Token prefixes whose KV rows are in pages already: a tree over whole pages of tokens.
//
//   (namespace 0) ─ [SYSTEM: You are] ─ [ a helpful assi] ─ [stant. What is 2]     a node = a page
//                                     └ [ a pirate. Ahoy]
//
// A node holds one reference to its page in the pool. Its page's rows are those of the tokens from
// the root down to it, so a page means the same in whoever shares it. A locked node, and with it
// all nodes above, stays; the least recently used leaf that is not locked is evicted first, and a
// parent becomes a leaf when its last child goes, so nothing is held that no match can reach.
//
// Costs: match, insert, touch, lock and unlock O(pages of the prefix); evicting one page O(log
// nodes).

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/token_id.h"
#include "kv/page_pool.h"

namespace glint {

class PrefixTree {
 public:
  using NodeId = int32_t;
  static constexpr NodeId kNone = -1;

  struct Match {
    NodeId node = kNone;        // the deepest matching one
    std::vector<PageId> pages;  // from the root down
  };

  struct Node {
    NodeId parent = kNone;
    uint64_t name_space = 0;
    std::vector<TokenId> tokens;  // [page_size]
    PageId page = -1;
    int num_children = 0;
    int num_locks = 0;  // on it or below
    uint64_t last_used = 0;
    bool in_use = false;  // false: on the free list
  };

  PrefixTree(PagePool& pool, int page_size);

  // The longest prefix of whole pages of `tokens`. Changes nothing: see touch() and lock().
  Match match(uint64_t name_space, std::span<const TokenId> tokens) const;
  // The length of that prefix, in pages.
  int match_length(uint64_t name_space, std::span<const TokenId> tokens) const;

  // Adds the prefix tokens[0, pages.size() * page_size), held in `pages`; where a node exists
  // already, it keeps its own page. Returns the deepest node and the nodes' pages.
  Match insert(uint64_t name_space, std::span<const TokenId> tokens, std::span<const PageId> pages);

  void touch(NodeId node);   // marks it and all above as used now
  void lock(NodeId node);    // kNone: nothing to lock
  void unlock(NodeId node);  // undoes one lock()

  // Gives up the least recently used leaf; false if there is none without a lock.
  bool evict_one();
  void clear();  // nothing may be locked

  int num_nodes() const { return num_nodes_; }
  int num_evictable() const { return num_nodes_ - num_locked_; }  // pages that evict_one() can free
  const std::vector<Node>& nodes() const { return nodes_; }       // those in_use; for checks

 private:
  // Children of `parent`, or a namespace's first nodes, by the hash of their tokens.
  struct Key {
    NodeId parent;
    uint64_t name_space;
    uint64_t tokens_hash;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const;
  };

  Key key_of(NodeId parent, uint64_t name_space, std::span<const TokenId> tokens) const;
  NodeId find(const Key& key, std::span<const TokenId> tokens) const;
  NodeId add(const Key& key, std::span<const TokenId> tokens, PageId page);
  void remove(NodeId id);
  // Keeps candidates_ in line with a node's children and locks, around any change of them.
  void leave_candidates(NodeId id);
  void join_candidates(NodeId id);
  Node& at(NodeId id) { return nodes_[static_cast<size_t>(id)]; }
  const Node& at(NodeId id) const { return nodes_[static_cast<size_t>(id)]; }

  PagePool& pool_;
  const int page_size_;
  std::vector<Node> nodes_;
  std::vector<NodeId> free_nodes_;
  std::unordered_multimap<Key, NodeId, KeyHash> children_;
  std::set<std::pair<uint64_t, NodeId>> candidates_;  // (last_used, leaf without a lock)
  uint64_t now_ = 0;                                  // counts touches: a logical clock
  int num_nodes_ = 0;
  int num_locked_ = 0;  // nodes with num_locks > 0
};

}  // namespace glint
