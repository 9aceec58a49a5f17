#include "holdall/formats/pytorch/tar_streams.h"

#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/endian.h"
#include "holdall/base/text.h"
#include "holdall/formats/torch_storages.h"
#include "holdall/objects/torch_types.h"

namespace holdall::pytorch {

namespace {

constexpr std::uint64_t kNumber = sizeof(std::int64_t);
// Room for a key, a location and a class.
constexpr std::uint64_t kSmallPickle = 512;

bool is_tuple_of(Value value, std::size_t size) { return value.is(ValueKind::kTuple) && value.size() == size; }

bool is_count(Value value) { return value.is(ValueKind::kInt) && value.as_int() >= 0; }

}  // namespace

TarStream::TarStream(SourceRef source, const Limits& limits, See see)
    : source_(std::move(source)), limits_(limits), see_(std::move(see)) {}

Error TarStream::fault(std::uint64_t at, std::string what) const { return corrupt(std::move(what)).at(at).in(source_->name()); }

// The value of the next pickle, which lives until the one behind it is run.
Result<Value> TarStream::run(std::string_view what) {
  arena_ = std::make_unique<Arena>();
  const PickleProgram program = run_pickle(*arena_, source_, position_, {.limits = limits_, .read_first = kSmallPickle});
  if (see_) see_(*arena_, program);
  failed_ = program.error.has_value();
  if (failed_) return Error(*program.error).with(text("the pickle of {}", what)).in(source_->name());
  position_ = program.end;
  return arena_->at(program.root);
}

Result<std::uint64_t> TarStream::count(std::string_view what) {
  HOLDALL_ASSIGN(const Value value, run(text("the number of {}", what)));
  if (!is_count(value)) return fault(0, text("the number of {} is no number", what));
  const auto number = static_cast<std::uint64_t>(value.as_int());
  if (number > source_->size() - position_) {
    return fault(0, text("{} {} do not fit the {} bytes that remain", number, what, source_->size() - position_));
  }
  if (number > limits_.tensors) {
    return over_limit(text("{} {}, {} are allowed", number, what, limits_.tensors)).at(0).in(source_->name());
  }
  return number;
}

Status TarStream::storages(const std::function<Status(const TarStorage&)>& use_storage,
                           const std::function<Status(const TarView&)>& use_view) {
  HOLDALL_ASSIGN(const std::uint64_t number, count("storages"));
  for (std::uint64_t i = 0; i < number; ++i) HOLDALL_TRY(one_storage(use_storage));
  return views(use_view);
}

Status TarStream::one_storage(const std::function<Status(const TarStorage&)>& use) {
  const std::uint64_t begin = position_;
  HOLDALL_ASSIGN(const Value entry, run("a storage"));
  if (!is_tuple_of(entry, 3) || key_text(entry.item(0)).empty() || !entry.item(2).is(ValueKind::kGlobal)) {
    return fault(begin, "a storage that is not a key, a location and a class");
  }
  TarStorage storage;
  storage.key = key_text(entry.item(0));
  storage.location = entry.item(1).is(ValueKind::kString) ? std::string(entry.item(1).as_string()) : "cpu";
  storage.module = std::string(entry.item(2).global_module());
  storage.name = std::string(entry.item(2).global_name());
  const TorchDType* row = torch_storage_dtype(storage.name);
  if (row == nullptr) {
    return unsupported(
               text("the storage '{}' is of the class {}.{}, which is not known", storage.key, storage.module, storage.name))
        .at(begin)
        .in(source_->name());
  }
  HOLDALL_ASSIGN(const Bytes head, read_range(*source_, position_, kNumber));
  const auto elements = load_le<std::int64_t>(head.data());
  storage.offset = position_ + kNumber;
  const auto bytes = checked_multiply(static_cast<std::uint64_t>(elements), row->item_bytes);
  if (elements < 0 || !bytes || !fits(storage.offset, *bytes, source_->size())) {
    return fault(position_, text("the storage '{}' of {} elements of {} bytes passes the end of its member at {}", storage.key,
                                 elements, row->item_bytes, source_->size()));
  }
  storage.elements = static_cast<std::uint64_t>(elements);
  storage.bytes = *bytes;
  position_ = storage.offset + storage.bytes;
  if (Status used = use(storage); !used) return std::move(used).error().at(begin).in(source_->name());
  return {};
}

Status TarStream::views(const std::function<Status(const TarView&)>& use) {
  const std::uint64_t begin = position_;
  HOLDALL_ASSIGN(const Value list, run("the views of storages"));
  if (!list.is(ValueKind::kList)) return fault(begin, "the views of storages are no list");
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Value entry = list.item(i);
    if (!is_tuple_of(entry, 4) || key_text(entry.item(0)).empty() || !is_count(entry.item(2)) || !is_count(entry.item(3))) {
      return fault(begin, "a view that is not two keys, an offset and a size");
    }
    const TarView view{key_text(entry.item(0)), key_text(entry.item(1)), static_cast<std::uint64_t>(entry.item(2).as_int()),
                       static_cast<std::uint64_t>(entry.item(3).as_int())};
    if (Status used = use(view); !used) return std::move(used).error().at(begin).in(source_->name());
  }
  return {};
}

Status TarStream::tensors(const std::function<Status(const TarTensor&)>& use) {
  HOLDALL_ASSIGN(const std::uint64_t number, count("tensors"));
  for (std::uint64_t i = 0; i < number; ++i) HOLDALL_TRY(one_tensor(use));
  return {};
}

Status TarStream::one_tensor(const std::function<Status(const TarTensor&)>& use) {
  const std::uint64_t begin = position_;
  HOLDALL_ASSIGN(const Value entry, run("a tensor"));
  if (!is_tuple_of(entry, 3) || key_text(entry.item(0)).empty()) {
    return fault(begin, "a tensor that is not a key, the key of a storage and a class");
  }
  TarTensor tensor;
  tensor.key = key_text(entry.item(0));
  tensor.storage = key_text(entry.item(1));
  // A storage's key of None: an empty tensor of that time, which no torch opens.
  if (tensor.storage.empty()) return fault(begin, text("the tensor '{}' has no storage; torch refuses it", tensor.key));
  HOLDALL_ASSIGN(const Bytes head, read_range(*source_, position_, kNumber));
  const auto dimensions = load_le<std::int32_t>(head.data());
  const std::uint64_t remain = source_->size() - position_ - kNumber;
  if (dimensions < 0 || remain / (2 * kNumber) < static_cast<std::uint64_t>(dimensions)) {
    return fault(position_, text("the tensor '{}' of {} dimensions passes the end of its member at {}", tensor.key, dimensions,
                                 source_->size()));
  }
  const auto rank = static_cast<std::size_t>(dimensions);
  HOLDALL_ASSIGN(const Bytes numbers, read_range(*source_, position_ + kNumber, (2 * rank + 1) * kNumber));
  const auto number = [&](std::size_t i) { return load_le<std::int64_t>(numbers.data() + i * kNumber); };
  for (std::size_t i = 0; i < rank; ++i) tensor.sizes.push_back(number(i));
  for (std::size_t i = 0; i < rank; ++i) tensor.strides.push_back(number(rank + i));
  tensor.offset = number(2 * rank);
  position_ += (2 * rank + 2) * kNumber;
  if (Status used = use(tensor); !used) return std::move(used).error().at(begin).in(source_->name());
  return {};
}

Status TarStream::only_pickle() {
  HOLDALL_TRY(run("the object"));
  return {};
}

}  // namespace holdall::pytorch
