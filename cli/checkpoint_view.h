// Checkpoint view: what `holdall checkpoint` prints of a folder: a page for people, lines for programs.
//
// Thread-safety: one thread. Ownership: borrows what it shows.
#pragma once

#include <string_view>
#include <vector>

#include "cli/console.h"
#include "holdall/checkpoint/listing.h"

namespace holdall::cli {

void print_page(Console& console, const Listing& listing);
void print_lines(Console& console, const Listing& listing);

// One entry, and what verifying it gave. Without a report it was not looked into: it is not Holdall's, or of a later version.
struct Verified {
  const Checkpoint* checkpoint = nullptr;
  std::string path;
  std::optional<VerifyReport> report;
};
// "sound", "damaged", "foreign", "future"
std::string_view verdict_of(const Verified& entry) noexcept;
void print_page(Console& console, const std::vector<Verified>& entries);
void print_lines(Console& console, const std::vector<Verified>& entries);
void write_verified(JsonWriter& writer, const CheckpointFolder& folder, const std::vector<Verified>& entries);

struct Pruned {
  const CheckpointFolder* folder = nullptr;
  const Rules* rules = nullptr;
  const Pruning* pruning = nullptr;
  bool dry_run = false;
};
void print_page(Console& console, const Pruned& pruned);
void print_lines(Console& console, const Pruned& pruned);
void write_pruned(JsonWriter& writer, const Pruned& pruned);

}  // namespace holdall::cli
