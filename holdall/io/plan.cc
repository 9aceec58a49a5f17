#include "holdall/io/plan.h"

#include <utility>

#include "holdall/base/checked.h"

namespace holdall {

PartId PlannedFile::add(Bytes literal, Checks checks) {
  parts.push_back({Part::Literal{std::move(literal)}, checks});
  return parts.size() - 1;
}

PartId PlannedFile::add(Blob data, Checks checks) {
  parts.push_back({Part::Data{std::move(data)}, checks});
  return parts.size() - 1;
}

PartId PlannedFile::add(Part::Late late) {
  parts.push_back({std::move(late), {}});
  return parts.size() - 1;
}

PartId PlannedFile::add(Part::Stream stream, Checks checks) {
  parts.push_back({std::move(stream), checks});
  return parts.size() - 1;
}

PartId PlannedFile::align(std::uint64_t alignment, std::byte filler) {
  parts.push_back({Part::Align{alignment, filler}, {}});
  return parts.size() - 1;
}

std::optional<std::uint64_t> PlannedFile::size() const {
  std::optional<std::uint64_t> total = 0;
  for (const Part& part : parts) {
    if (!total) return total;
    if (const auto* literal = std::get_if<Part::Literal>(&part.content)) {
      total = checked_add(*total, literal->bytes.size());
    } else if (const auto* data = std::get_if<Part::Data>(&part.content)) {
      total = checked_add(*total, data->blob.size());
    } else if (const auto* late = std::get_if<Part::Late>(&part.content)) {
      total = checked_add(*total, late->size);
    } else if (const auto* align = std::get_if<Part::Align>(&part.content)) {
      total = checked_align(*total, align->alignment);
    } else {
      return std::nullopt;
    }
  }
  return total;
}

}  // namespace holdall
