// The same graph with other weights: each tensor in its place, byte for byte the same elsewhere. Data goes into files beside
// the model where a folder is written: shards were asked for, or the model has such data and the name that it gets is a
// folder's.
#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/formats/onnx/onnx.h"
#include "holdall/formats/onnx/packed_elements.h"
#include "holdall/formats/onnx/proto_walk.h"
#include "holdall/formats/onnx/rewrite.h"

namespace holdall::onnx {
namespace {

constexpr std::string_view kExtension = ".onnx";
constexpr std::uint64_t kMostMessage = std::numeric_limits<std::int32_t>::max();  // that protobuf's own readers take
constexpr std::uint64_t kLeastExternal = 1024;                                    // onnx's own threshold
constexpr std::uint64_t kPage = 4096;
constexpr std::uint32_t kRaw = 9;

bool is_same(const Tensor& a, const Tensor& b) {
  const auto mine = a.digest();
  const auto theirs = b.digest();
  return mine && theirs && *mine == *theirs;
}

bool is_same_place(const Blob& a, const Blob& b) {
  return a.source() == b.source() && a.offset() == b.offset() && a.size() == b.size();
}

// The fields of a message that `is_gone` names are taken away.
template <class IsGone>
Status take_away(Rewrite& rewrite, const Blob& file, const ModelFile& model, std::uint32_t message, const IsGone& is_gone) {
  HOLDALL_ASSIGN(ProtoReader reader, message_of(file, model, message));
  std::optional<std::uint64_t> begin;
  while (true) {
    const std::uint64_t at = reader.place() - file.offset();
    HOLDALL_ASSIGN(const auto field, reader.next());
    const bool goes = field && is_gone(field->number);
    if (goes && !begin) begin = at;
    if (!goes && begin) {
      rewrite.replace(message, *begin, at, {});
      begin.reset();
    }
    if (!field) return {};
  }
}

// Data files of a folder being written, filled one after another.
class DataFiles {
 public:
  DataFiles(std::string stem, std::uint64_t most) : stem_(std::move(stem)), most_(most) {}

  struct Place {
    std::size_t file = 0;
    std::uint64_t offset = 0;
  };
  // Large tensors begin where a page does, so that they can be mapped.
  Place add(Blob data) {
    std::uint64_t offset = sizes_.empty() ? 0 : checked_align(sizes_.back(), kPage).value_or(UINT64_MAX);
    const bool is_full =
        most_ != 0 && !sizes_.empty() && sizes_.back() != 0 && (offset > most_ || data.size() > most_ - offset);
    if (sizes_.empty() || is_full) {
      sizes_.push_back(0);
      files_.emplace_back();
      offset = 0;
    }
    files_.back().align(kPage);
    sizes_.back() = offset + data.size();
    files_.back().add(std::move(data));
    return {files_.size() - 1, offset};
  }

  std::string name(std::size_t file) const {
    if (files_.size() == 1) return text("{}.onnx.data", stem_);
    return text("{}-{:05}-of-{:05}.onnx.data", stem_, file + 1, files_.size());
  }
  std::vector<PlannedFile> take() {
    for (std::size_t i = 0; i < files_.size(); ++i) files_[i].name = name(i);
    return std::move(files_);
  }

 private:
  std::string stem_;
  std::uint64_t most_;
  std::vector<std::uint64_t> sizes_;
  std::vector<PlannedFile> files_;
};

class Planner {
 public:
  Planner(const Model& model, const WriteOptions& options, const Blob& file, ModelFile parsed)
      : model_(model),
        options_(options),
        file_(file),
        parsed_(std::move(parsed)),
        rewrite_(parsed_.messages),
        data_("model", options.shard_bytes) {}

  Result<Plan> run() {
    HOLDALL_TRY(find_tensors());
    plan_.folder = options_.shard_bytes != 0 || (has_external_ && !options_.name.ends_with(kExtension));
    plan_.holds_side_files = true;
    for (std::size_t i = 0; i < parsed_.weights.size(); ++i) HOLDALL_TRY(write(i));
    for (const auto& [weight, place] : placed_) add_location(weight, place);
    HOLDALL_TRY(write_metadata());
    PlannedFile file;
    file.name = plan_.folder ? "model.onnx" : options_.name;
    const bool is_changed = !rewrite_.empty();
    HOLDALL_TRY(std::move(rewrite_).add_to(file, file_));
    const std::uint64_t size = file.size().value_or(0);
    if (is_changed && size > kMostMessage) {
      return unsupported(text("the model would take {} bytes, readers of protobuf end at {}; {}", size, kMostMessage,
                              "write its data beside it (--shard-size)"));
    }
    plan_.files.push_back(std::move(file));
    for (PlannedFile& each : data_.take()) plan_.files.push_back(std::move(each));
    add_losses();
    return std::move(plan_);
  }

 private:
  // The model's tensors by weight; others have no place.
  Status find_tensors() {
    std::map<std::string_view, const NamedTensor*> by_name;
    for (const NamedTensor& entry : model_.tensors()) by_name.emplace(entry.name, &entry);
    for (const Weight& weight : parsed_.weights) {
      const auto found = by_name.find(weight.name);
      if (found == by_name.end()) {
        return unsupported(text("the graph needs '{}', which the model does not have any more", weight.name));
      }
      tensors_.push_back(&found->second->tensor);
      by_name.erase(found);
      messages_.emplace_back();
      if (weight.form != Form::kTensor) continue;
      HOLDALL_ASSIGN(ProtoReader message, message_of(file_, parsed_, weight.message));
      HOLDALL_ASSIGN(messages_.back(), read_tensor_message(std::move(message)));
      has_external_ = has_external_ || messages_.back().is_external;
    }
    for (const auto& [name, entry] : by_name)
      plan_.losses.push_back({std::string(name), "the graph has no tensor of this name"});
    return {};
  }

  Status write(std::size_t i) {
    const Weight& weight = parsed_.weights[i];
    const Tensor& tensor = *tensors_[i];
    if (weight.form == Form::kTensor && messages_[i].is_external) return write_external(i);
    const OpenExternal none = [](const TensorMessage&, std::uint64_t) -> Result<Blob> {
      return unsupported("the values of a sparse tensor are in another file");
    };
    HOLDALL_ASSIGN(const Tensor own, tensor_of_weight(file_, parsed_, weight, none, Limits()));
    if (!fits(weight, own.dtype(), own.shape(), own.logical(), tensor)) return {};
    HOLDALL_ASSIGN(const Blob before, own.data());
    HOLDALL_ASSIGN(Blob data, tensor.data());
    const bool goes_out = plan_.folder && weight.form == Form::kTensor && weight.is_initializer && own.logical().empty() &&
                          own.dtype() != DType::kString && data.size() >= kLeastExternal;
    if (goes_out) {
      HOLDALL_TRY(take_away(rewrite_, file_, parsed_, weight.message, [](std::uint32_t number) { return is_data(number); }));
      placed_.emplace_back(i, Placed{data_.add(std::move(data)), tensor.bytes()});
      return {};
    }
    if (is_same_place(before, data)) return {};
    if (before.source() == file_.source()) {
      const std::uint64_t begin = before.offset() - file_.offset();
      rewrite_.replace(weight.message, begin, begin + before.size(), {std::move(data)});
      return {};
    }
    if (is_same(own, tensor)) return {};
    return write_spelled(weight, own, tensor);
  }

  static bool is_data(std::uint32_t number) {
    return (number >= 4 && number <= 7) || (number >= 9 && number <= 11) || number == 13 || number == 14;
  }

  // Whether a tensor has the place that the graph has for it; else a loss is noted.
  bool fits(const Weight& weight, DType dtype, const Shape& shape, const std::string& logical, const Tensor& tensor) {
    const bool is_meant = tensor.logical() == logical || tensor.logical().empty();
    if (tensor.dtype() == dtype && tensor.shape() == shape && is_meant) return true;
    plan_.losses.push_back({weight.name, text("the graph has {} {} here, not {} {}", name(dtype), to_string(shape),
                                              name(tensor.dtype()), to_string(tensor.shape()))});
    return false;
  }

  Status write_external(std::size_t i) {
    const Weight& weight = parsed_.weights[i];
    const Tensor& tensor = *tensors_[i];
    const TensorMessage& message = messages_[i];
    const ElementType* const type = element_type(message.data_type);
    if (type == nullptr) return unsupported(text("its data type is {}", message.data_type));
    const bool ragged = is_ragged(type->dtype, message.shape);
    const DType dtype = ragged ? unpacked_dtype(type->dtype) : type->dtype;
    if (!fits(weight, dtype, message.shape, ragged ? std::string(name(type->dtype)) : "", tensor)) return {};
    HOLDALL_TRY(take_away(rewrite_, file_, parsed_, weight.message, [](std::uint32_t number) { return is_data(number); }));
    HOLDALL_ASSIGN(Blob data, raw_data(tensor, type->dtype));
    if (plan_.folder && data.size() >= kLeastExternal) {
      const std::uint64_t bytes = data.size();
      placed_.emplace_back(i, Placed{data_.add(std::move(data)), bytes});
    } else {
      add_raw(weight, std::move(data));
    }
    return {};
  }

  // The bytes of raw data of a data type; elements that have a byte each are packed. Errors: loss, where one does not fit.
  static Result<Blob> raw_data(const Tensor& tensor, DType dtype) {
    if (tensor.dtype() == dtype) return tensor.data();
    HOLDALL_ASSIGN(const Bytes bytes, tensor.read_bytes());
    Blob packed = literal(packed_text(bytes.span(), dtype));
    std::string again(bytes.size(), '\0');
    HOLDALL_TRY(unpacked_source(packed, dtype, bytes.size())->read_at(0, std::as_writable_bytes(std::span(again))));
    if (again != bytes.text()) return Error(Code::kLoss, text("an element does not fit into {}", name(dtype)));
    return packed;
  }

  void add_raw(const Weight& weight, Blob data) {
    std::string head = field_head(kRaw, data.size());
    rewrite_.append(weight.message, {literal(std::move(head)), std::move(data)});
  }

  // Values that were spelled out: of a TensorProto as raw data now, of an attribute as they were.
  Status write_spelled(const Weight& weight, const Tensor& own, const Tensor& tensor) {
    if (weight.form == Form::kSparse) {
      plan_.losses.push_back({weight.name, "a sparse tensor keeps its values"});
      return {};
    }
    if (weight.form != Form::kTensor) return write_attribute(weight, tensor);
    HOLDALL_TRY(take_away(rewrite_, file_, parsed_, weight.message, [](std::uint32_t number) { return is_data(number); }));
    if (own.dtype() == DType::kString) {
      HOLDALL_ASSIGN(std::string texts, spelled_texts(6, tensor));
      rewrite_.append(weight.message, {literal(std::move(texts))});
      return {};
    }
    const auto dtype = own.logical().empty() ? std::optional(own.dtype()) : dtype_named(own.logical());
    HOLDALL_ASSIGN(Blob data, raw_data(tensor, dtype.value_or(own.dtype())));
    add_raw(weight, std::move(data));
    return {};
  }

  static Result<std::string> spelled_texts(std::uint32_t number, const Tensor& tensor) {
    HOLDALL_ASSIGN(const Bytes bytes, tensor.read_bytes());
    std::string made;
    for (std::string_view rest = bytes.text(); rest.size() >= 8;) {
      const auto size = load_le<std::uint64_t>(rest.data());
      rest.remove_prefix(8);
      if (size > rest.size()) return corrupt("a text of a tensor passes its end").in(tensor.storage()->data.name());
      made += field_head(number, size);
      made += rest.substr(0, static_cast<std::size_t>(size));
      rest.remove_prefix(static_cast<std::size_t>(size));
    }
    return made;
  }

  Status write_attribute(const Weight& weight, const Tensor& tensor) {
    const auto number = static_cast<std::uint32_t>(weight.form == Form::kFloat    ? 2
                                                   : weight.form == Form::kInt    ? 3
                                                   : weight.form == Form::kText   ? 4
                                                   : weight.form == Form::kFloats ? 7
                                                   : weight.form == Form::kInts   ? 8
                                                                                  : 9);
    HOLDALL_TRY(take_away(rewrite_, file_, parsed_, weight.message, [&](std::uint32_t field) { return field == number; }));
    std::string made;
    if (tensor.dtype() == DType::kString) {
      HOLDALL_ASSIGN(made, spelled_texts(number, tensor));
    } else if (tensor.dtype() == DType::kFloat32) {
      HOLDALL_ASSIGN(const std::vector<std::uint32_t> values, tensor.read<std::uint32_t>());
      ProtoWriter writer;
      for (const std::uint32_t value : values) writer.fixed32(number, value);
      made = writer.take();
    } else {
      HOLDALL_ASSIGN(const std::vector<std::uint64_t> values, tensor.read<std::uint64_t>());
      ProtoWriter writer;
      for (const std::uint64_t value : values) writer.varint(number, value);
      made = writer.take();
    }
    rewrite_.append(weight.message, {literal(std::move(made))});
    return {};
  }

  struct Placed {
    DataFiles::Place at;
    std::uint64_t bytes = 0;
  };

  // external_data and data_location, once the data files have their names.
  void add_location(std::size_t i, const Placed& place) {
    ProtoWriter writer;
    const auto entry = [&](std::string_view key, const std::string& value) {
      writer.message(13, ProtoWriter().bytes(1, key).bytes(2, value));
    };
    entry("location", data_.name(place.at.file));
    entry("offset", std::to_string(place.at.offset));
    entry("length", std::to_string(place.bytes));
    writer.varint(14, 1);
    rewrite_.append(parsed_.weights[i].message, {literal(writer.take())});
  }

  // metadata_props, where the model's metadata says others than the file.
  Status write_metadata() {
    std::map<std::string, std::string> said, wanted;
    ProtoWriter writer;
    for (const auto& [key, value] : parsed_.properties) {
      if (key == kAbout) writer.message(14, ProtoWriter().bytes(1, key).bytes(2, value));  // the metadata has no place for it
      if (key != kAbout) said[key] = value;
    }
    const Value metadata = model_.metadata();
    for (std::size_t i = 0; metadata.is(ValueKind::kDict) && i < metadata.size(); ++i) {
      const Value key = metadata.key(i), value = metadata.mapped(i);
      if (key.is(ValueKind::kString) && key.as_string() == kAbout && value.is(ValueKind::kDict)) continue;
      if (!key.is(ValueKind::kString) || !value.is(ValueKind::kString)) {
        plan_.losses.push_back({"metadata", "metadata_props of ONNX hold texts under texts"});
        continue;
      }
      wanted[std::string(key.as_string())] = value.as_string();
      writer.message(14, ProtoWriter().bytes(1, key.as_string()).bytes(2, value.as_string()));
    }
    if (wanted == said) return {};
    HOLDALL_TRY(take_away(rewrite_, file_, parsed_, 0, [](std::uint32_t number) { return number == 14; }));
    rewrite_.append(0, {literal(writer.take())});
    return {};
  }

  void add_losses() {
    for (const auto& [name, blob] : model_.side_files())
      if (!is_same_place(blob, file_)) plan_.losses.push_back({name, "an ONNX model has no place for it"});
    if (model_.config() && !model_.config().is_null()) plan_.losses.push_back({"config", "an ONNX model has no place for it"});
  }

  const Model& model_;
  const WriteOptions& options_;
  const Blob& file_;
  ModelFile parsed_;
  Rewrite rewrite_;
  DataFiles data_;
  std::vector<const Tensor*> tensors_;   // by weight
  std::vector<TensorMessage> messages_;  // by weight; empty for other forms
  std::vector<std::pair<std::size_t, Placed>> placed_;
  bool has_external_ = false;
  Plan plan_;
};

}  // namespace

Result<Plan> plan(const Model& model, const WriteOptions& options) {
  const Origin& origin = model.origin();
  const auto graph = origin.format == "onnx" && !origin.files.empty() ? model.side_files().find(origin.files.front())
                                                                      : model.side_files().end();
  if (graph == model.side_files().end()) {
    return unsupported(
        "an ONNX model is written with the graph of one that was read, and this model has none: update puts its "
        "weights into one (holdall update GRAPH.onnx --from WEIGHTS --out NEW.onnx)");
  }
  HOLDALL_ASSIGN(ModelFile parsed, read_model_file(graph->second, Limits()));
  return Planner(model, options, graph->second, std::move(parsed)).run();
}

}  // namespace holdall::onnx
