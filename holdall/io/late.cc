#include "holdall/io/late.h"

#include <algorithm>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/io/layout.h"

namespace holdall {

LateParts::LateParts(const PlannedFile& file) : file_(file), done_(file.parts.size()) {}

bool LateParts::ready(PartId id) const {
  const auto& late = std::get<Part::Late>(file_.parts[id].content);
  return std::all_of(late.needs.begin(), late.needs.end(), [&](PartId need) { return need < done_.size() && done_[need]; });
}

Status make_late(const PlannedFile& file, PartId id, std::span<Written> written, std::span<std::byte> out) {
  HOLDALL_TRY(std::get<Part::Late>(file.parts[id].content).make(written, out));
  return settle_sums(file.parts[id], PartSums::of(file.parts[id], out), written[id]);
}

Status LateParts::write_rest(const WriteTarget& target, std::span<Written> written) {
  std::vector<PartId> left;
  for (PartId id = 0; id < done_.size(); ++id)
    if (!done_[id] && std::holds_alternative<Part::Late>(file_.parts[id].content)) left.push_back(id);
  while (!left.empty()) {
    std::vector<PartId> waiting;
    for (const PartId id : left) {
      if (!ready(id)) {
        waiting.push_back(id);
        continue;
      }
      // Into the image where there is one, so that it holds the whole file.
      Buffer buffer;
      if (file_.image.empty()) {
        HOLDALL_ASSIGN(buffer, Buffer::allocate(written[id].size));
      }
      const auto out = file_.image.empty() ? buffer.span() : file_.image.subspan(written[id].offset, written[id].size);
      HOLDALL_TRY(make_late(file_, id, written, out));
      if (Status status = target.system.write_at(target.handle, written[id].offset, out); !status) {
        return std::move(status).error().in(target.place);
      }
      done(id);
    }
    if (waiting.size() == left.size()) {
      return invalid_argument(
          text("{} late parts of a plan wait for each other, the first is part {}", left.size(), left.front()));
    }
    left = std::move(waiting);
  }
  return {};
}

}  // namespace holdall
