#include "holdall/checkpoint/mend.h"

#include <algorithm>

#include "holdall/base/keyed_hash.h"

namespace holdall {
namespace {

// A journal is written anew once this many of its lines say nothing any more.
constexpr std::uint64_t kIdleLines = 200;

bool says_the_same(const Checkpoint& a, const Checkpoint& b) {
  return a.run == b.run && a.sequence == b.sequence && a.bytes == b.bytes;
}

class Mending {
 public:
  explicit Mending(const CheckpointFolder& contents) : contents_(contents) {
    for (const Checkpoint& said : contents.journal().saved) said_[said.name] = &said;
    for (const Checkpoint& checkpoint : contents.all()) present_.push_back(&checkpoint);
    std::stable_sort(present_.begin(), present_.end(), [](const auto* a, const auto* b) { return a->sequence < b->sequence; });
  }

  // A line for each; of a damaged one, what the journal said of it while it was whole.
  std::string all() const {
    std::string lines;
    for (const Checkpoint* checkpoint : present_) {
      const Checkpoint* const said = said_of(*checkpoint);
      if (checkpoint->is_complete()) {
        lines += saved_line(*checkpoint);
      } else if (said != nullptr) {
        lines += saved_line(*said);
      }
    }
    return lines;
  }

  // What the journal lacks, and what it should no longer say: a file that comes under that name later may be another one.
  std::string news() const {
    std::string lines;
    TextViewMap<bool> there;
    for (const Checkpoint* checkpoint : present_) {
      there[checkpoint->name] = true;
      const Checkpoint* const said = said_of(*checkpoint);
      if (checkpoint->is_complete() && (said == nullptr || !says_the_same(*said, *checkpoint)))
        lines += saved_line(*checkpoint);
    }
    for (const Checkpoint& said : contents_.journal().saved)
      if (!there.contains(said.name)) lines += removed_line(said.name);
    return lines;
  }

 private:
  const Checkpoint* said_of(const Checkpoint& checkpoint) const {
    if (checkpoint.noted) return &checkpoint;
    const auto said = said_.find(checkpoint.name);
    return said == said_.end() ? nullptr : said->second;
  }

  const CheckpointFolder& contents_;
  TextViewMap<const Checkpoint*> said_;
  std::vector<const Checkpoint*> present_;
};

}  // namespace

bool is_worn(const CheckpointFolder& contents) {
  const JournalContents& journal = contents.journal();
  return journal.bad_lines != 0 || journal.lines > 2 * contents.all().size() + kIdleLines;
}

Status mend_journal(System& system, const CheckpointFolder& contents, const std::string& run, const Rules& rules,
                    bool durable) {
  const JournalContents& journal = contents.journal();
  const Mending mending(contents);
  const std::string wanted = rules_object(rules);
  if (journal.lines == 0 || is_worn(contents))
    return replace_journal(system, contents.path(), run_line(run) + rules_line(wanted) + mending.all(), durable);
  std::string news;
  if (journal.run != run) news += run_line(run);
  if (journal.rules != wanted) news += rules_line(wanted);
  news += mending.news();
  return news.empty() ? Status() : append_journal(system, contents.path(), news, durable);
}

}  // namespace holdall
