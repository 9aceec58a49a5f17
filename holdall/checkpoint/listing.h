// Listing: a checkpoint folder and what its rules do with each entry, as the document and the page of `checkpoint ls`.
//
// Thread-safety: value types and pure functions. Ownership: a Listing refers to its folder, a Page to its Listing.
#pragma once

#include "holdall/checkpoint/folder.h"
#include "holdall/ops/page.h"

namespace holdall {

struct Listing {
  const CheckpointFolder* folder = nullptr;
  Rules rules;
  std::int64_t now = 0;     // nanoseconds since 1970 UTC
  std::vector<Fate> fates;  // of each entry, in the folder's order
};
Listing listing_of(const CheckpointFolder& folder, Rules rules, std::int64_t now);

// The document of `checkpoint ls --json`: an array of what write_checkpoint() writes of each fate.
void write_listing(JsonWriter& writer, const Listing& listing);

// Metrics over steps, what stays and what goes, a table of all. The listing must outlive the page.
Page page_of(const Listing& listing);

}  // namespace holdall
