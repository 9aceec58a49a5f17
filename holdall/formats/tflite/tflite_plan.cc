// The same graph with other weights: everything stays where it is, byte for byte, but the bytes of tensors that changed, and
// their scales.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/core/cast.h"
#include "holdall/core/quantize.h"
#include "holdall/formats/tflite/tflite.h"
#include "holdall/io/joined.h"

namespace holdall::tflite {
namespace {

// Whether both are the same bytes of one source, which need not be read to be equal.
bool is_one(const Blob& a, const Blob& b) {
  return a.source() == b.source() && a.offset() == b.offset() && a.size() == b.size();
}

Result<bool> is_equal(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  HOLDALL_ASSIGN(const Blob mine, a.data());
  HOLDALL_ASSIGN(const Blob theirs, b.data());
  if (is_one(mine, theirs)) return true;
  HOLDALL_ASSIGN(const Digest first, a.digest());
  HOLDALL_ASSIGN(const Digest second, b.digest());
  return first == second;
}

class Planner {
 public:
  Planner(const Model& model, Blob file) : model_(model), file_(std::move(file)) {}

  Result<Plan> run() {
    HOLDALL_ASSIGN(graph_, read_graph(file_, Limits()));
    HOLDALL_TRY(check_indices(graph_));
    if (!graph_.external_buffers.empty()) return unsupported("models with tensors in files beside them are not written");
    HOLDALL_ASSIGN(constants_, constants_of(graph_, Bundle::of(file_.source()), Limits()));
    TextViewMap<const Constant*> by_name;
    for (const Constant& each : constants_.all) by_name.emplace(each.name, &each);
    for (const NamedTensor& entry : model_.tensors()) {
      const auto found = by_name.find(entry.name);
      if (found == by_name.end()) {
        lose(entry.name, "the graph has no constant of this name");
      } else {
        HOLDALL_TRY(change(*found->second, entry.tensor));
      }
    }
    HOLDALL_TRY(follow_shared());
    check_scales();
    HOLDALL_TRY(lay_out());
    plan_.holds_side_files = true;  // what lies behind the model too
    return std::move(plan_);
  }

 private:
  struct Patch {
    Tensor values;
    std::string name;
  };

  void lose(const std::string& name, std::string what) { plan_.losses.push_back({name, std::move(what)}); }
  const TensorRecord& record_of(const Constant& constant) const {
    return graph_.subgraphs[constant.subgraph].tensors[constant.place];
  }

  Status change(const Constant& own, const Tensor& now) {
    HOLDALL_ASSIGN(const bool is_same, is_equal(now, own.tensor));
    if (!is_same) {
      if (!own.bytes || now.dtype() != own.tensor.dtype() || now.shape() != own.tensor.shape()) {
        lose(own.name, "a tensor of another dtype or shape, of texts, or one that is sparse in the file, has no place in it");
        return {};
      }
      HOLDALL_ASSIGN(const Tensor stored, own.is_widened ? packed(own, now) : Result<Tensor>(now));
      HOLDALL_TRY(put(*own.bytes, stored, own.name));
    }
    return change_scales(own, now, is_same);
  }

  // Elements smaller than a byte whose last byte is not full.
  Result<Tensor> packed(const Constant& own, const Tensor& now) const {
    const DType dtype = tensor_type(record_of(own).type)->dtype;
    const std::uint64_t block = info(dtype).block_elements;
    const std::uint64_t spare = block - now.elements() % block;
    HOLDALL_ASSIGN(Blob data, now.data());
    std::vector<Blob> pieces = {std::move(data),
                                Blob::memory(Bytes::copy(std::string(static_cast<std::size_t>(spare), '\0')), "0")};
    HOLDALL_ASSIGN(const Tensor filled,
                   Tensor::dense(now.dtype(), {now.elements() + spare}, Blob(joined_source(std::move(pieces), own.name))));
    return cast(filled, dtype);
  }

  Status change_scales(const Constant& own, const Tensor& now, bool is_same) {
    const QuantizationRef& new_one = now.quantization();
    const QuantizationRef& old_one = own.tensor.quantization();
    // Scales in a tensor of their own are changed there.
    if (new_one == nullptr || old_one == nullptr || record_of(own).quantization->details != Details::kNone) return {};
    if (new_one->blocks != old_one->blocks || new_one->scales.elements() != old_one->scales.elements()) {
      lose(own.name, "its scales are along other dimensions");
      return {};
    }
    HOLDALL_ASSIGN(const Tensor scales, cast(new_one->scales, DType::kFloat32));
    HOLDALL_ASSIGN(const bool are_equal, is_equal(reshaped(scales), reshaped(old_one->scales)));
    if (!are_equal) {
      HOLDALL_TRY(put(record_of(own).quantization->scale_bytes, scales, own.name));
      if (!is_same) scaled_[own.bytes->offset()] = scales;
    }
    wanting_.emplace(own.subgraph, own.place);
    return change_zero_points(own, *new_one, *old_one);
  }

  Status change_zero_points(const Constant& own, const Quantization& new_one, const Quantization& old_one) {
    if (!old_one.zero_points) return {};
    const std::size_t count = static_cast<std::size_t>(old_one.zero_points->elements());
    std::vector<std::int64_t> now(count, 0);
    if (new_one.zero_points) {
      HOLDALL_ASSIGN(const Tensor wide, cast(*new_one.zero_points, DType::kInt64));
      HOLDALL_ASSIGN(now, wide.read<std::int64_t>());
    }
    HOLDALL_ASSIGN(const std::vector<std::int64_t> before, old_one.zero_points->read<std::int64_t>());
    if (now == before || now.size() != count) return {};
    HOLDALL_ASSIGN(const Tensor made, Tensor::dense(DType::kInt64, {count},
                                                    Blob::memory(Bytes::copy(std::as_bytes(std::span(now))), "zero points")));
    return put(record_of(own).quantization->zero_point_bytes, made, own.name);
  }

  // Scales as one list.
  static Tensor reshaped(const Tensor& scales) {
    auto data = scales.data();
    if (!data) return scales;
    auto made = Tensor::dense(scales.dtype(), {scales.elements()}, std::move(*data));
    return made ? std::move(*made) : scales;
  }

  Status put(const Blob& place, const Tensor& values, const std::string& name) {
    const std::uint64_t offset = place.offset() - file_.offset();
    const auto [found, is_new] = patches_.try_emplace(offset, Patch{values, name});
    if (is_new) return {};
    HOLDALL_ASSIGN(const bool same, is_equal(reshaped(found->second.values), reshaped(values)));
    if (!same) lose(name, text("it shares its bytes with '{}', which gets others", found->second.name));
    return {};
  }

  // What shares a buffer whose scales are new and was not changed itself is the same tensor in another subgraph.
  Status follow_shared() {
    for (const Constant& each : constants_.all) {
      if (!each.bytes || each.tensor.quantization() == nullptr) continue;
      const auto found = scaled_.find(each.bytes->offset());
      if (found == scaled_.end() || record_of(each).quantization->details != Details::kNone) continue;
      if (record_of(each).quantization->scale_bytes.size() != found->second.bytes()) {
        lose(each.name, "it shares its bytes with a tensor whose scales are others");
        continue;
      }
      HOLDALL_TRY(put(record_of(each).quantization->scale_bytes, found->second, each.name));
      wanting_.emplace(each.subgraph, each.place);
    }
    return {};
  }

  // Scales that other tensors share, which keep theirs.
  void check_scales() {
    for (std::uint32_t s = 0; s < graph_.subgraphs.size(); ++s) {
      for (std::uint32_t t = 0; t < graph_.subgraphs[s].tensors.size(); ++t) {
        const auto& quantization = graph_.subgraphs[s].tensors[t].quantization;
        if (!quantization || quantization->scale.empty() || wanting_.contains({s, t})) continue;
        if (patches_.contains(quantization->scale_bytes.offset() - file_.offset()))
          lose(constants_.names[s][t], "its scales are in the file once for several tensors, one of which gets others");
      }
    }
  }

  Status lay_out() {
    PlannedFile planned;
    std::uint64_t done = 0;
    for (const auto& [begin, patch] : patches_) {
      if (begin < done) return corrupt(text("'{}' lies within another tensor", patch.name)).at(begin).in(file_.name());
      HOLDALL_ASSIGN(Blob before, file_.slice(done, begin - done));
      planned.add(std::move(before));
      HOLDALL_ASSIGN(Blob data, patch.values.data());
      done = begin + data.size();
      planned.add(std::move(data));
    }
    HOLDALL_ASSIGN(Blob rest, file_.slice(done, file_.size() - done));
    planned.add(std::move(rest));
    plan_.files.push_back(std::move(planned));
    return {};
  }

  const Model& model_;
  Blob file_;
  Graph graph_;
  Constants constants_;
  Plan plan_;
  std::map<std::uint64_t, Patch> patches_;                     // by place in the file
  std::map<std::uint64_t, Tensor> scaled_;                     // new scales, by the offset of the tensor's bytes
  std::set<std::pair<std::uint32_t, std::uint32_t>> wanting_;  // tensors whose scales are patched as they are to be
};

}  // namespace

Result<Plan> plan(const Model& model, const WriteOptions& options) {
  if (options.shard_bytes != 0) return invalid_argument("a TFLite model has no shards");
  const auto file = model.side_files().find(std::string(kGraphFile));
  if (file == model.side_files().end())
    return unsupported("a TFLite model is written with the graph of one that was read; this model has none");
  return Planner(model, file->second).run();
}

}  // namespace holdall::tflite
