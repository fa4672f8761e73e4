#pragma once

// The pages of the KV cache, by number: who is free, and how many hold each of the others.

#include <cstdint>
#include <optional>
#include <vector>

namespace glint {

using PageId = int32_t;  // as in model/batch.h, which kv/ may not know

class PagePool {
 public:
  explicit PagePool(int num_pages);

  // A free page with one holder; nothing if there is none.
  std::optional<PageId> acquire();
  void retain(PageId page);   // one holder more; the page has at least one
  void release(PageId page);  // one holder less; without any it is free

  int num_pages() const { return static_cast<int>(ref_counts_.size()); }
  int num_free() const { return static_cast<int>(free_.size()); }
  int ref_count(PageId page) const { return ref_counts_[static_cast<size_t>(page)]; }

 private:
  std::vector<int> ref_counts_;  // [num_pages]
  std::vector<PageId> free_;     // a stack: a page just freed is warm
};

}  // namespace glint
