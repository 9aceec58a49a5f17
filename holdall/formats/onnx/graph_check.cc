// What onnx's own checker asks of a graph beyond what reading it asks: names that are given once, nodes behind what they use,
// outputs that are made, tensors whose fields do not contradict one another.
#include <algorithm>
#include <deque>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/formats/onnx/onnx.h"
#include "holdall/formats/onnx/proto_walk.h"

namespace holdall::onnx {
namespace {

constexpr std::uint64_t kLongestName = 1u << 20;
constexpr std::size_t kMostFaults = 100;
constexpr std::uint32_t kMostNested = 32;

class GraphCheck {
 public:
  GraphCheck(const ModelFile& model, const Limits& limits, Faults& faults) : model_(model), limits_(limits), faults_(faults) {}

  Status run(const Blob& file) {
    if (model_.ir_version == 0) add(file, "the model says no IR version");
    if (model_.opsets.empty() && model_.ir_version >= 3) add(file, "the model imports no opset");
    ProtoReader message(file);
    return each_part(message, [&](const ProtoField& field, ProtoReader& part) -> Status {
      if (field.number == 7) return graph(part, 0);
      return field.number == 25 ? function(part) : Status();
    });
  }

 private:
  void add(const Blob& place, std::string what) {
    if (faults_.list.size() < kMostFaults) faults_.list.push_back({place.name(), place.offset(), std::move(what)});
  }

  // Names of this graph, and of those around it.
  bool is_known(std::string_view name) const {
    return std::any_of(scopes_.begin(), scopes_.end(), [&](const TextSet& scope) { return scope.contains(name); });
  }

  // Each name is kept once for each graph; a graph's memory is bounded as its file is.
  Status give(const Blob& place, std::string name, bool is_new) {
    if (name.empty()) return {};
    taken_ += name.size() + 64;
    if (taken_ > limits_.value_bytes) return over_limit(text("names take more than {} bytes", limits_.value_bytes));
    if (is_new && is_known(name)) add(place, text("the name '{}' is given twice", name));
    scopes_.back().insert(std::move(name));
    return {};
  }

  Result<std::string> text_in(ProtoReader message, std::uint32_t number) {
    std::string found;
    HOLDALL_TRY(each_field(message, [&](const ProtoField& field) -> Status {
      if (!field.is_bytes(number)) return {};
      HOLDALL_ASSIGN(found, message.text(field, kLongestName));
      return {};
    }));
    return found;
  }

  // The name of an initializer.
  Result<std::string> name_of(const ProtoField& field, ProtoReader& part) {
    if (field.number == 5) return text_in(part, 8);
    std::string found;
    ProtoReader pass = part;
    HOLDALL_TRY(each_part(pass, [&](const ProtoField& inner, ProtoReader& values) -> Status {
      if (inner.number != 1) return {};
      HOLDALL_ASSIGN(found, text_in(values, 8));
      return {};
    }));
    return found;
  }

  Status graph(ProtoReader& message, std::uint32_t depth) {
    if (depth > kMostNested) return over_limit(text("graphs nest deeper than {} levels", kMostNested));
    scopes_.emplace_back();
    TextSet initializers;
    ProtoReader first = message, second = message;
    HOLDALL_TRY(each_part(first, [&](const ProtoField& field, ProtoReader& part) -> Status {
      if (field.number == 11) {
        HOLDALL_ASSIGN(std::string name, text_in(part, 1));
        return give(part.whole(), std::move(name), true);
      }
      if (field.number != 5 && field.number != 15) return {};
      HOLDALL_ASSIGN(std::string name, name_of(field, part));
      if (name.empty()) add(part.whole(), "an initializer has no name");
      if (!initializers.insert(name).second) add(part.whole(), text("the initializer '{}' is there twice", name));
      return {};
    }));
    for (const std::string& name : initializers) HOLDALL_TRY(give(message.whole(), name, false));
    HOLDALL_TRY(each_part(second, [&](const ProtoField& field, ProtoReader& part) -> Status {
      return field.number == 1 ? node(part, depth) : Status();
    }));
    ProtoReader third = message;
    HOLDALL_TRY(each_part(third, [&](const ProtoField& field, ProtoReader& part) -> Status {
      if (field.number != 12) return {};
      HOLDALL_ASSIGN(const std::string name, text_in(part, 1));
      if (!scopes_.back().contains(name)) add(part.whole(), text("nothing makes the output '{}'", name));
      return {};
    }));
    scopes_.pop_back();
    return {};
  }

  Status function(ProtoReader& message) {
    scopes_.emplace_back();
    ProtoReader first = message;
    HOLDALL_TRY(each_field(first, [&](const ProtoField& field) -> Status {
      if (!field.is_bytes(4)) return {};
      HOLDALL_ASSIGN(std::string name, first.text(field, kLongestName));
      return give(first.whole(), std::move(name), true);
    }));
    ProtoReader second = message;
    HOLDALL_TRY(each_part(second, [&](const ProtoField& field, ProtoReader& part) -> Status {
      return field.number == 7 ? node(part, 1) : Status();
    }));
    ProtoReader third = message;
    HOLDALL_TRY(each_field(third, [&](const ProtoField& field) -> Status {
      if (!field.is_bytes(5)) return {};
      HOLDALL_ASSIGN(const std::string name, third.text(field, kLongestName));
      if (!is_known(name)) add(third.whole(), text("nothing makes the output '{}' of a function", name));
      return {};
    }));
    scopes_.pop_back();
    return {};
  }

  Status node(ProtoReader& message, std::uint32_t depth) {
    ProtoReader first = message;
    HOLDALL_TRY(each_field(first, [&](const ProtoField& field) -> Status {
      if (!field.is_bytes(1) || field.value == 0) return {};
      HOLDALL_ASSIGN(const std::string name, first.text(field, kLongestName));
      if (!is_known(name)) add(first.whole(), text("a node uses '{}', which nothing before it makes", name));
      return {};
    }));
    ProtoReader second = message;
    HOLDALL_TRY(each_part(second, [&](const ProtoField& field, ProtoReader& part) -> Status {
      if (field.number != 5) return {};
      return each_part(part, [&](const ProtoField& inner, ProtoReader& value) -> Status {
        return inner.number == 6 || inner.number == 11 ? graph(value, depth + 1) : Status();
      });
    }));
    ProtoReader third = message;
    return each_field(third, [&](const ProtoField& field) -> Status {
      if (!field.is_bytes(2)) return {};
      HOLDALL_ASSIGN(std::string name, third.text(field, kLongestName));
      return give(third.whole(), std::move(name), true);
    });
  }

  const ModelFile& model_;
  const Limits& limits_;
  Faults& faults_;
  std::deque<TextSet> scopes_;
  std::uint64_t taken_ = 0;
};

// Fields that exclude one another.
Status check_tensor(const TensorMessage& tensor, const std::string& name, Faults& faults) {
  const auto add = [&](std::string what) {
    faults.list.push_back({tensor.whole.name(), tensor.whole.offset(), text("tensor '{}': {}", name, what)});
  };
  const auto filled = std::count_if(tensor.values.begin(), tensor.values.end(), [](const Values& each) {
    return each.bytes != 0 || (each.first.source() == nullptr && each.fields != 0) || each.number == 6;
  });
  if (tensor.is_external && filled != 0) add("its data is external, and it has values too");
  if (!tensor.is_external && filled > 1) add(text("{} fields hold values, one may", filled));
  return {};
}

}  // namespace

Status check_graphs(const Blob& file, const ModelFile& model, const Limits& limits, Faults& faults) {
  HOLDALL_TRY(GraphCheck(model, limits, faults).run(file));
  for (const Weight& weight : model.weights) {
    if (weight.form != Form::kTensor) continue;
    HOLDALL_ASSIGN(ProtoReader message, message_of(file, model, weight.message));
    HOLDALL_ASSIGN(const TensorMessage tensor, read_tensor_message(std::move(message)));
    HOLDALL_TRY(check_tensor(tensor, weight.name, faults));
  }
  return {};
}

}  // namespace holdall::onnx
