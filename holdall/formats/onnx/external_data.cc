#include "holdall/formats/onnx/external_data.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/io/own_part.h"

namespace holdall::onnx {
namespace {

std::optional<std::uint64_t> number_of(std::string_view digits) {
  std::uint64_t number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  if (error != std::errc() || stop != end || number > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return number;
}

}  // namespace

Result<ExternalPlace> external_place(const TensorMessage& message) {
  ExternalPlace place;
  std::set<std::string_view> seen;
  const auto fault = [&](std::string what) {
    return corrupt(std::move(what)).at(message.whole.offset()).in(message.whole.name());
  };
  for (const ExternalEntry& entry : message.external) {
    if (!seen.insert(entry.key).second) return fault(text("external data has '{}' twice", entry.key));
    if (entry.key == "location") place.location = entry.value;
    if (entry.key == "checksum") place.checksum = entry.value;
    if (entry.key != "offset" && entry.key != "length") continue;
    const auto number = number_of(entry.value);
    if (!number) return fault(text("the {} '{}' of external data is no number of bytes", entry.key, entry.value));
    if (entry.key == "offset") place.offset = *number;
    if (entry.key == "length") place.length = *number;
  }
  while (place.location.starts_with("./")) place.location.erase(0, 2);
  if (place.location.empty()) return fault("external data has no location");
  std::transform(place.checksum.begin(), place.checksum.end(), place.checksum.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
  return place;
}

Result<Blob> ExternalFiles::open(const TensorMessage& message, std::uint64_t bytes) {
  HOLDALL_ASSIGN(const ExternalPlace place, external_place(message));
  if (!is_contained(place.location)) {
    return corrupt(text("the external data '{}' leads out of the model's folder", place.location))
        .at(message.whole.offset())
        .in(message.whole.name());
  }
  const std::uint64_t length = place.length.value_or(bytes);
  if (length != bytes) {
    return corrupt(text("{} bytes of external data in '{}', shape {} takes {}", length, place.location,
                        to_string(message.shape), bytes))
        .at(message.whole.offset())
        .in(message.whole.name());
  }
  auto found = files_.find(place.location);
  if (found == files_.end()) {
    HOLDALL_ASSIGN(SourceRef source, open_own_part(bundle_, place.location));
    found = files_.emplace(place.location, File{std::move(source), {}}).first;
  }
  if (!place.checksum.empty()) found->second.checksum = place.checksum;
  const SourceRef& source = found->second.source;
  if (!fits(place.offset, length, source->size())) {
    return corrupt(text("external data ends at {}, the file at {}", place.offset + length, source->size()))
        .at(place.offset)
        .in(source->name());
  }
  return Blob::range(source, place.offset, length);
}

}  // namespace holdall::onnx
