#include "kv/page_pool.h"

#include "base/check.h"

namespace glint {

PagePool::PagePool(int num_pages) : ref_counts_(static_cast<size_t>(num_pages), 0) {
  free_.reserve(static_cast<size_t>(num_pages));
  for (PageId page = num_pages - 1; page >= 0; --page) free_.push_back(page);
}

std::optional<PageId> PagePool::acquire() {
  if (free_.empty()) return std::nullopt;
  const PageId page = free_.back();
  free_.pop_back();
  ref_counts_[static_cast<size_t>(page)] = 1;
  return page;
}

void PagePool::retain(PageId page) {
  CHECK(ref_count(page) > 0, "page ", page, " retained while free");
  ++ref_counts_[static_cast<size_t>(page)];
}

void PagePool::release(PageId page) {
  CHECK(ref_count(page) > 0, "page ", page, " released twice");
  if (--ref_counts_[static_cast<size_t>(page)] == 0) free_.push_back(page);
}

}  // namespace glint
