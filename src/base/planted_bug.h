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
  kSharedPageFreedTwice,   // 1: a sequence that ends releases its first shared page twice
  kPageNeverFreed,         // 2: a cancelled sequence keeps its last page
  kPartialPageShared,      // 3: a prefix's pages are rounded up: its last rows are not computed yet
  kRetractedNotCancelled,  // 4: cancel misses a sequence that waits after a retraction
  kStalePageTable,         // 5: a retracted sequence's table is not cleared; new pages are appended
  kInFlightTokenLost,      // 6: the token sampled while its sequence gave way is not sent
  kExtraTokenKept,         // 7: a stop id is overlooked while the next token is in flight
  kBadRowsShared,          // 8: pages of a sequence with NaN logits enter the prefix tree
  kOldestRetracted,        // 9: the first in line gives way instead of the last
  kNamespaceIgnored,       // 10: prefixes are shared between namespaces
  kLockKept,               // 11: a retracted sequence leaves its prefix locked
  kUnknownTokenPlanned,    // 12: the batch has the last known id where the one in flight is due
  kWaitingCountKept,       // 13: a request cancelled while new still counts against the queue limit
  kLockTooShallow,         // 14: after a resume, generated pages it shares can be evicted
};

constexpr bool planted(PlantedBug bug) { return static_cast<int>(bug) == GLINT_PLANTED_BUG; }

}  // namespace glint
