#include "holdall/checkpoint/listing.h"

#include <filesystem>

#include "holdall/base/text.h"
#include "holdall/ops/page_content.h"
#include "holdall/ops/page_parts.h"

namespace holdall {
namespace {

std::string folder_name(const std::string& path) {
  const std::filesystem::path whole = std::filesystem::path(path).lexically_normal();
  const std::string name = (whole.has_filename() ? whole : whole.parent_path()).filename().string();
  return name.empty() || name == "." ? path : name;
}

PageTable plain_listing(const Listing& listing) {
  const auto row = [&listing](std::size_t i) {
    const Fate& fate = listing.fates[i];
    const Checkpoint& checkpoint = *fate.checkpoint;
    std::string metrics;
    for (const auto& [metric, value] : checkpoint.label.metrics)
      metrics += text("{}{} {:.6g}", metrics.empty() ? "" : ", ", metric, value);
    const bool known = checkpoint.sequence != 0;
    return std::vector<std::string>{known ? text("{}", checkpoint.label.step) : "-",
                                    known && checkpoint.label.epoch ? text("{}", *checkpoint.label.epoch) : "-",
                                    metrics,
                                    text("{}", checkpoint.bytes),
                                    std::string(name(checkpoint.state)),
                                    text("{}: {}", fate.goes ? "goes" : "kept", fate.why),
                                    checkpoint.name,
                                    checkpoint.why};
  };
  const std::string rules = to_string(listing.rules);
  return {listing.folder->path(),
          text("{} entries; rules: {}", listing.fates.size(), rules.empty() ? "none, all stay" : rules),
          {"step", "epoch", "metrics", "bytes", "state", "rules", "name", "what was found"},
          listing.fates.size(),
          row};
}

}  // namespace

Listing listing_of(const CheckpointFolder& folder, Rules rules, std::int64_t now) {
  Listing listing{&folder, std::move(rules), now, {}};
  listing.fates = fates_of(folder.all(), listing.rules, now);
  return listing;
}

void write_listing(JsonWriter& writer, const Listing& listing) {
  writer.begin_array();
  for (const Fate& fate : listing.fates) write_checkpoint(writer, fate, listing.folder->path());
  writer.end_array();
}

Page page_of(const Listing& listing) {
  const auto data = [&listing](JsonWriter& json) -> Status {
    json.begin_object().key("timeline").begin_object();
    json.key("path").string(listing.folder->path());
    json.key("rules").string(to_string(listing.rules));
    json.key("now").number(static_cast<double>(listing.now) / 1e9);
    json.key("checkpoints");
    write_listing(json, listing);
    json.end_object().end_object();
    return {};
  };
  return page_of(
      PageContent{folder_name(listing.folder->path()) + " · Holdall", page_parts().timeline, plain_listing(listing), data});
}

}  // namespace holdall
