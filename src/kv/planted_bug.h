#pragma once

// Slips that tests/sim plants to prove that it would notice them. It compiles kv/, scheduler/ and
// engine/ once per bug with GLINT_PLANTED_BUG set to its number; everywhere else it is 0 and each
// `if (planted(...))` vanishes.

#ifndef GLINT_PLANTED_BUG
#define GLINT_PLANTED_BUG 0
#endif

namespace glint {

enum class PlantedBug {
  kNone,
  kSharedPageFreedTwice,  // 1: a finished sequence releases its shared pages once too often
  kPageNeverFreed,        // 2: a cancelled sequence keeps its last page
  kPartialPageShared,  // 3: the page count of a prefix is rounded up: an off-by-one in cached_len
  kRetractedNotCancelled,  // 4: cancel misses a sequence that waits after a retraction
  kStalePageTable,       // 5: a retracted sequence's page table is not cleared before new pages are
                         // appended
  kInFlightTokenLost,    // 6: the token sampled while its sequence was retracted is dropped
  kExtraTokenKept,       // 7: a stop id is overlooked while the next token is in flight
  kBadRowsShared,        // 8: pages of a sequence with NaN logits enter the prefix tree
  kOldestRetracted,      // 9: the oldest gives way instead of the newest
  kNamespaceIgnored,     // 10: prefixes are shared between namespaces
  kParentEvictedFirst,   // 11: a prefix is evicted before the leaves that hang from it
  kUnknownTokenPlanned,  // 12: the batch takes the last known id where the one in flight is due
  kWaitingCountKept,     // 13: a request cancelled while waiting is still counted against the queue
};

constexpr bool planted(PlantedBug bug) { return static_cast<int>(bug) == GLINT_PLANTED_BUG; }

}  // namespace glint
