#include "kv/prefix_tree.h"

#include <algorithm>

#include "base/check.h"

namespace glint {
namespace {

uint64_t mix(uint64_t hash, uint64_t value) {  // splitmix64's finalizer over a running sum
  hash += value + 0x9E3779B97F4A7C15;
  hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9;
  hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EB;
  return hash ^ (hash >> 31);
}

}  // namespace

PrefixTree::PrefixTree(PagePool& pool, int page_size) : pool_(pool), page_size_(page_size) {}

size_t PrefixTree::KeyHash::operator()(const Key& key) const {
  return mix(mix(key.tokens_hash, key.name_space), static_cast<uint64_t>(key.parent));
}

PrefixTree::Key PrefixTree::key_of(NodeId parent, uint64_t name_space,
                                   std::span<const TokenId> tokens) const {
  uint64_t hash = 0;
  for (const TokenId id : tokens) hash = mix(hash, static_cast<uint64_t>(id));
  return {.parent = parent, .name_space = name_space, .tokens_hash = hash};
}

PrefixTree::NodeId PrefixTree::find(const Key& key, std::span<const TokenId> tokens) const {
  const auto [begin, end] = children_.equal_range(key);
  for (auto it = begin; it != end; ++it)
    if (std::ranges::equal(at(it->second).tokens, tokens)) return it->second;
  return kNone;
}

PrefixTree::Match PrefixTree::match(uint64_t name_space, std::span<const TokenId> tokens) const {
  Match match;
  const auto page_size = static_cast<size_t>(page_size_);
  for (size_t begin = 0; begin + page_size <= tokens.size(); begin += page_size) {
    const auto page_tokens = tokens.subspan(begin, page_size);
    const NodeId child = find(key_of(match.node, name_space, page_tokens), page_tokens);
    if (child == kNone) break;
    match.node = child;
    match.pages.push_back(at(child).page);
  }
  return match;
}

int PrefixTree::match_length(uint64_t name_space, std::span<const TokenId> tokens) const {
  return static_cast<int>(match(name_space, tokens).pages.size());
}

PrefixTree::Match PrefixTree::insert(uint64_t name_space, std::span<const TokenId> tokens,
                                     std::span<const PageId> pages) {
  Match match;
  const auto page_size = static_cast<size_t>(page_size_);
  CHECK(tokens.size() >= pages.size() * page_size, tokens.size(), " tokens for ", pages.size(),
        " pages");
  for (size_t i = 0; i < pages.size(); ++i) {
    const auto page_tokens = tokens.subspan(i * page_size, page_size);
    const Key key = key_of(match.node, name_space, page_tokens);
    const NodeId child = find(key, page_tokens);
    match.node = child != kNone ? child : add(key, page_tokens, pages[i]);
    match.pages.push_back(at(match.node).page);
  }
  touch(match.node);
  return match;
}

PrefixTree::NodeId PrefixTree::add(const Key& key, std::span<const TokenId> tokens, PageId page) {
  NodeId id = static_cast<NodeId>(nodes_.size());
  if (free_nodes_.empty()) {
    nodes_.emplace_back();
  } else {
    id = free_nodes_.back();
    free_nodes_.pop_back();
  }
  pool_.retain(page);
  Node& node = at(id);
  node.parent = key.parent;
  node.name_space = key.name_space;
  node.tokens.assign(tokens.begin(), tokens.end());
  node.page = page;
  node.in_use = true;
  children_.emplace(key, id);
  ++num_nodes_;
  if (key.parent != kNone) {
    leave_candidates(key.parent);
    ++at(key.parent).num_children;
  }
  join_candidates(id);
  return id;
}

void PrefixTree::remove(NodeId id) {
  Node& node = at(id);
  leave_candidates(id);
  const auto [begin, end] =
      children_.equal_range(key_of(node.parent, node.name_space, node.tokens));
  children_.erase(std::find_if(begin, end, [&](const auto& entry) { return entry.second == id; }));
  pool_.release(node.page);
  if (node.parent != kNone) {
    --at(node.parent).num_children;
    join_candidates(node.parent);
  }
  node = {};
  free_nodes_.push_back(id);
  --num_nodes_;
}

void PrefixTree::leave_candidates(NodeId id) { candidates_.erase({at(id).last_used, id}); }

void PrefixTree::join_candidates(NodeId id) {
  const Node& node = at(id);
  if (node.num_children == 0 && node.num_locks == 0) candidates_.insert({node.last_used, id});
}

void PrefixTree::touch(NodeId node) {
  ++now_;
  for (NodeId id = node; id != kNone; id = at(id).parent) {
    leave_candidates(id);
    at(id).last_used = now_;
    join_candidates(id);
  }
}

void PrefixTree::lock(NodeId node) {
  for (NodeId id = node; id != kNone; id = at(id).parent) {
    leave_candidates(id);
    if (at(id).num_locks++ == 0) ++num_locked_;
  }
}

void PrefixTree::unlock(NodeId node) {
  for (NodeId id = node; id != kNone; id = at(id).parent) {
    CHECK(at(id).num_locks > 0, "prefix node ", id, " unlocked twice");
    if (--at(id).num_locks == 0) --num_locked_;
    join_candidates(id);
  }
}

bool PrefixTree::evict_one() {
  if (candidates_.empty()) return false;
  remove(candidates_.begin()->second);
  return true;
}

void PrefixTree::clear() {
  CHECK(num_locked_ == 0, num_locked_, " prefix nodes are in use");
  while (evict_one()) {
  }
}

}  // namespace glint
