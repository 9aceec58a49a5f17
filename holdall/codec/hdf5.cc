#include "holdall/codec/hdf5.h"

#include <algorithm>
#include <array>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/codec/hdf5_heaps.h"

namespace holdall {
namespace {

using hdf5::Fields;
using hdf5::kUndefined;
using hdf5::Message;
using hdf5::MessageType;

constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
constexpr std::uint64_t kFirstUserBlock = 512;
// Soft links that lead to soft links.
constexpr unsigned kMostHops = 32;

}  // namespace

// Reads a file's metadata, once.
class Hdf5Opener {
 public:
  Hdf5Opener(SourceRef source, const Limits& limits)
      : file_(std::shared_ptr<Hdf5File>(new Hdf5File(std::move(source), limits))),
        metadata_(file_->source_, 0, limits),
        headers_(metadata_),
        limits_(limits) {}

  Result<std::shared_ptr<const Hdf5File>> run() {
    Status status = read();
    if (!status) return std::move(status).error().in(file_->source_->name());
    file_->checked_ = metadata_.checked();
    return std::shared_ptr<const Hdf5File>(file_);
  }

 private:
  Status read() {
    HOLDALL_TRY(find());
    HOLDALL_TRY(read_superblock());
    HOLDALL_TRY(add(root_));
    // Objects are found while others are read.
    for (std::size_t i = 0; i < file_->objects_.size(); ++i) HOLDALL_TRY(read_object(i));
    resolve_soft_links();
    return judge_sizes();
  }

  Status find() {
    const std::uint64_t size = file_->source_->size();
    std::array<std::byte, 8> found{};
    for (std::uint64_t at = 0; fits(at, found.size(), size); at = at == 0 ? kFirstUserBlock : 2 * at) {
      HOLDALL_TRY(file_->source_->read_at(at, found));
      if (as_text(found) != kSignature) continue;
      file_->base_ = at;
      metadata_ = hdf5::Metadata(file_->source_, at, limits_);
      return {};
    }
    return corrupt("no superblock of an HDF5 file is found").at(0);
  }

  Status read_superblock() {
    HOLDALL_ASSIGN(hdf5::Block block, metadata_.read_at_most(0, 256));
    Fields fields = metadata_.fields(block);
    HOLDALL_TRY(fields.skip(kSignature.size()));
    HOLDALL_ASSIGN(const std::uint8_t version, fields.version("a superblock", 0, 3));
    file_->superblock_ = version;
    if (version < 2) HOLDALL_TRY(fields.skip(4));
    HOLDALL_ASSIGN(const std::uint8_t address_bytes, fields.byte());
    HOLDALL_ASSIGN(const std::uint8_t length_bytes, fields.byte());
    const auto is_width = [](std::uint8_t bytes) { return bytes == 2 || bytes == 4 || bytes == 8; };
    if (!is_width(address_bytes) || !is_width(length_bytes)) {
      return fields.refused(text("addresses of {} and lengths of {} bytes; 2, 4 and 8 are known", address_bytes, length_bytes));
    }
    file_->widths_ = {address_bytes, length_bytes};
    metadata_.widths = file_->widths_;
    const std::size_t at = fields.position();
    Fields rest = metadata_.fields(fields.rest());
    return version < 2 ? read_old_superblock(std::move(rest), version) : read_new_superblock(std::move(rest), block, at);
  }

  Status read_old_superblock(Fields fields, std::uint8_t version) {
    HOLDALL_TRY(fields.skip(1 + 2 + 2 + 4 + (version == 1 ? 4 : 0)));
    HOLDALL_TRY(fields.skip(2 * std::uint64_t{file_->widths_.address}));
    HOLDALL_ASSIGN(const std::uint64_t end, fields.address());
    HOLDALL_TRY(check_end(fields, end));
    HOLDALL_TRY(fields.skip(std::uint64_t{file_->widths_.address} + file_->widths_.length));
    HOLDALL_ASSIGN(root_, fields.address());
    return {};
  }

  Status read_new_superblock(Fields fields, const hdf5::Block& block, std::size_t at) {
    HOLDALL_TRY(fields.skip(1 + std::uint64_t{file_->widths_.address}));
    HOLDALL_ASSIGN(const std::uint64_t extension, fields.address());
    HOLDALL_ASSIGN(const std::uint64_t end, fields.address());
    HOLDALL_ASSIGN(root_, fields.address());
    const std::size_t summed = at + fields.position();
    HOLDALL_ASSIGN(const std::uint32_t sum, fields.word());
    HOLDALL_TRY(metadata_.check(block.slice(0, summed), sum));
    HOLDALL_TRY(check_end(fields, end));
    if (extension == kUndefined) return {};
    HOLDALL_ASSIGN(const hdf5::ObjectHeader header, headers_.read(extension));
    const Message* table = header.find(MessageType::kSharedTable);
    return table == nullptr ? Status() : headers_.read_shared_table(*table);
  }

  Status check_end(const Fields& fields, std::uint64_t end) const {
    const std::uint64_t size = file_->source_->size() - file_->base_;
    if (end == kUndefined || end <= size) return {};
    // Older versions of the library counted the end from the start of the file, user block and all.
    if (end - std::min(end, file_->base_) <= size) return {};
    return fields.fault(text("the file ends at {}, it has {} bytes", end, size));
  }

  Status add(std::uint64_t address) {
    if (file_->objects_.size() >= limits_.members) return over_limit(text("more than {} objects", limits_.members));
    by_address_.emplace(address, static_cast<std::uint32_t>(file_->objects_.size()));
    Hdf5Object object;
    object.address = address;
    file_->objects_.push_back(std::move(object));
    return {};
  }

  Status read_object(std::size_t index) {
    HOLDALL_ASSIGN(const hdf5::ObjectHeader header, headers_.read(file_->objects_[index].address));
    Hdf5Object object;
    object.address = header.address;
    HOLDALL_ASSIGN(object.attributes, hdf5::read_attributes(metadata_, headers_, header));
    HOLDALL_ASSIGN(auto links, hdf5::read_links(metadata_, header));
    if (header.find(MessageType::kLayout) != nullptr) {
      // The library would take it for a group.
      if (links) return corrupt("an object is a group and a data set").at(metadata_.base() + header.address);
      object.kind = Hdf5Object::Kind::kDataset;
      HOLDALL_ASSIGN(object.dataset, read_dataset(header));
    } else if (links) {
      links_ += links->size();
      if (links_ > limits_.members) return over_limit(text("more than {} links", limits_.members));
      for (hdf5::Link& link : *links) {
        HOLDALL_ASSIGN(Hdf5Link made, follow(std::move(link)));
        object.links.push_back(std::move(made));
      }
    } else {
      object.kind = Hdf5Object::Kind::kType;
    }
    file_->objects_[index] = std::move(object);
    return {};
  }

  Result<Hdf5Link> follow(hdf5::Link link) {
    Hdf5Link made;
    made.kind = static_cast<Hdf5Link::Kind>(link.kind);
    made.name = std::move(link.name);
    made.target = std::move(link.target);
    if (made.kind != Hdf5Link::Kind::kHard) return made;
    auto found = by_address_.find(link.address);
    if (found == by_address_.end()) {
      HOLDALL_TRY(add(link.address));
      found = by_address_.find(link.address);
    }
    made.object = found->second;
    return made;
  }

  Result<std::unique_ptr<Hdf5Dataset>> read_dataset(const hdf5::ObjectHeader& header) {
    auto dataset = std::make_unique<Hdf5Dataset>();
    const Message* type = header.find(MessageType::kType);
    const Message* space = header.find(MessageType::kSpace);
    if (type == nullptr || space == nullptr) {
      return corrupt("a data set without a type or a space").at(metadata_.base() + header.address);
    }
    Fields type_fields = metadata_.fields(type->data);
    HOLDALL_ASSIGN(dataset->type, hdf5::parse_type(type_fields));
    HOLDALL_ASSIGN(dataset->space, hdf5::parse_space(metadata_.fields(space->data)));
    HOLDALL_ASSIGN(dataset->layout, hdf5::parse_layout(metadata_.fields(header.find(MessageType::kLayout)->data)));
    if (const Message* filters = header.find(MessageType::kFilters)) {
      HOLDALL_ASSIGN(dataset->filters, hdf5::parse_filters(metadata_.fields(filters->data)));
    }
    if (const Message* fill = header.find(MessageType::kFill)) {
      HOLDALL_ASSIGN(dataset->fill, hdf5::parse_fill(metadata_.fields(fill->data)));
    } else if (const Message* old = header.find(MessageType::kOldFill)) {
      HOLDALL_ASSIGN(dataset->fill, hdf5::parse_old_fill(metadata_.fields(old->data)));
    }
    dataset->is_external = header.find(MessageType::kExternal) != nullptr;
    HOLDALL_ASSIGN(const std::uint64_t elements, hdf5::elements_of(dataset->space));
    const auto bytes = checked_multiply(elements, dataset->type->size);
    if (!bytes || *bytes > INT64_MAX) return corrupt("a data set of 2^63 bytes").at(metadata_.base() + header.address);
    dataset->bytes = *bytes;
    declared_ = checked_add(declared_, *bytes).value_or(UINT64_MAX);
    return dataset;
  }

  // What need not be in the file (chunks, data never written), or is in it once for several, is bounded by the bytes that are.
  Status judge_sizes() const {
    if (declared_ <= limits_.expansion_floor || declared_ / limits_.expansion <= file_->source_->size()) return {};
    return over_limit(text("data sets of {} bytes in a file of {}, {} times as much is allowed", declared_,
                           file_->source_->size(), limits_.expansion));
  }

  void resolve_soft_links() {
    for (std::uint32_t i = 0; i < file_->objects_.size(); ++i) {
      for (Hdf5Link& link : file_->objects_[i].links) {
        if (link.kind != Hdf5Link::Kind::kSoft) continue;
        unsigned hops = 0;
        link.object = resolve(i, link.target, hops);
      }
    }
  }

  // The object at a path from a group; kNowhere where the path leads nowhere or in circles.
  std::uint32_t resolve(std::uint32_t from, std::string_view path, unsigned& hops) {
    if (++hops > kMostHops) return Hdf5Link::kNowhere;
    if (path.starts_with('/')) from = 0;
    while (!path.empty()) {
      const std::string_view part = path.substr(0, path.find('/'));
      path.remove_prefix(std::min(path.size(), part.size() + 1));
      if (part.empty() || part == ".") continue;
      const Hdf5Link* link = link_of(from, part);
      if (link == nullptr) return Hdf5Link::kNowhere;
      const std::uint32_t to = link->kind == Hdf5Link::Kind::kSoft ? resolve(from, link->target, hops) : link->object;
      if (to == Hdf5Link::kNowhere) return to;
      from = to;
    }
    return from;
  }

  // The link of a name, found by it: a path may ask the same large group very often.
  const Hdf5Link* link_of(std::uint32_t group, std::string_view name) {
    const std::vector<Hdf5Link>& links = file_->objects_[group].links;
    auto [known, is_new] = by_name_.try_emplace(group);
    if (is_new)
      for (const Hdf5Link& link : links) known->second.emplace(link.name, &link);
    const auto found = known->second.find(name);
    return found == known->second.end() ? nullptr : found->second;
  }

  std::shared_ptr<Hdf5File> file_;
  hdf5::Metadata metadata_;
  hdf5::Headers headers_;
  const Limits& limits_;
  std::uint64_t root_ = kUndefined;
  NumberMap<std::uint32_t> by_address_;
  NumberMap<TextViewMap<const Hdf5Link*>> by_name_;  // links of groups that paths lead through
  std::uint64_t links_ = 0;
  std::uint64_t declared_ = 0;
};

const hdf5::Attribute* Hdf5Object::attribute(std::string_view name) const noexcept {
  const auto is = [&](const hdf5::Attribute& attribute) { return attribute.name == name; };
  const auto found = std::find_if(attributes.begin(), attributes.end(), is);
  return found == attributes.end() ? nullptr : &*found;
}

const Hdf5Link* Hdf5Object::link(std::string_view name) const noexcept {
  const auto found = std::find_if(links.begin(), links.end(), [&](const Hdf5Link& link) { return link.name == name; });
  return found == links.end() ? nullptr : &*found;
}

std::optional<std::uint64_t> Hdf5File::find_superblock(std::span<const std::byte> head) noexcept {
  for (std::uint64_t at = 0; fits(at, kSignature.size(), head.size()); at = at == 0 ? kFirstUserBlock : 2 * at) {
    if (as_text(head).substr(static_cast<std::size_t>(at), kSignature.size()) == kSignature) return at;
  }
  return std::nullopt;
}

Result<std::shared_ptr<const Hdf5File>> Hdf5File::open(SourceRef source, const Limits& limits) {
  if (!source->random_access()) {
    // What can only be decoded from front to back is decoded once.
    HOLDALL_ASSIGN(Bytes bytes, read_all(*source, limits.value_bytes));
    source = memory_source(std::move(bytes), source->name());
  }
  return Hdf5Opener(std::move(source), limits).run();
}

Result<std::shared_ptr<const Hdf5File>> Hdf5File::open(const Bundle& bundle, const Limits& limits) {
  static const char whose = 0;
  if (auto kept = bundle.kept(&whose)) return std::static_pointer_cast<const Hdf5File>(std::move(kept));
  HOLDALL_ASSIGN(auto file, open(bundle.main(), limits));
  bundle.keep(&whose, file);
  return file;
}

hdf5::Metadata Hdf5File::metadata() const {
  hdf5::Metadata metadata(source_, base_, limits_);
  metadata.widths = widths_;
  return metadata;
}

}  // namespace holdall
