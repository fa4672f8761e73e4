#pragma once

// Slips that tests/sim (1 to 14) and tests/fuzz (from 15 on) plant to prove that they would notice
// them. They compile the file that has it once per bug, with GLINT_PLANTED_BUG set to its number;
// everywhere else it is 0 and each `if (planted(...))` vanishes.

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
  kSentAheadDropped,       // 15: requests that came with the one before are dropped
  kNullContentKept,        // 16: a message's null content reaches the template
  kCutNewlineNotAwaited,   // 17: between tags, a written \n cut after its backslash is a key
  kCutCharacterShown,      // 18: a character cut between two tokens is shown in halves
  kTokenIdReused,          // 19: a vocabulary entry may take the id of another
  kOverlapAllowed,         // 20: a tensor may lie in the bytes of another
  kToolTextIsControl,      // 21: a tool's answer is marked as if the template had written it
  kRepeatedKeyAdded,       // 22: a key of a large object that comes again is added again
  kLimitReachedIsOver,     // 23: a text of exactly max_tokens tokens does not fit
  kOneBorderTried,         // 24: a stop string falls back to one shorter beginning only
  kLineEndForgotten,       // 25: \r\n cut in its middle ends two lines
  kMinTokensUnchecked,     // 26: min_tokens may be above max_tokens
  kShardFolderAllowed,     // 27: an index may name a file in another folder
};

constexpr bool planted(PlantedBug bug) { return static_cast<int>(bug) == GLINT_PLANTED_BUG; }

}  // namespace glint
