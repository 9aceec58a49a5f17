#include "holdall/formats/onnx/model_file.h"

#include <algorithm>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/formats/onnx/proto_walk.h"
#include "holdall/formats/onnx/type_text.h"

namespace holdall::onnx {
namespace {

constexpr std::uint32_t kMostNested = 32;         // a graph in a graph is three messages, and protobuf reads a hundred
constexpr std::uint64_t kLongestText = 1u << 20;  // of a name
constexpr std::uint32_t kReferred = 21;           // ref_attr_name of an AttributeProto
constexpr std::string_view kMlDomain = "ai.onnx.ml";

// Where a graph or a function stands.
struct Place {
  std::uint32_t message = 0;
  std::string prefix;  // of its tensors' names
  std::uint32_t depth = 0;
  bool is_main = false;
};

struct NodeHead {
  std::string name, op, overload, domain, output;
  std::string label() const { return !name.empty() ? name : !output.empty() ? output : op; }
  bool is_constant() const { return op == "Constant" && domain.empty(); }
};

// As ONNX Runtime looks up a model's functions.
std::string overloaded(const std::string& type, const std::string& overload) {
  return overload.empty() ? type : text("{}:{}", type, overload);
}

class ModelReader {
 public:
  explicit ModelReader(const Limits& limits) : limits_(limits) {}

  Result<ModelFile> run(const Blob& file) {
    ProtoReader message(file);
    base_ = file.offset();
    file_.messages.push_back({0, 0, 0, 0, file.size()});
    HOLDALL_TRY(each_field(message, [&](const ProtoField& field) -> Status {
      if (field.is_varint(1)) file_.ir_version = field.value;
      if (field.is_varint(5)) file_.model_version = field.as_int();
      if (field.wire != ProtoWire::kBytes) return {};
      HOLDALL_ASSIGN(ProtoReader part, message.message(field));
      return model_part(field, part);
    }));
    HOLDALL_TRY(settle_names());
    return std::move(file_);
  }

 private:
  Status model_part(const ProtoField& field, ProtoReader& part) {
    switch (field.number) {
      case 2:
        return take(file_.producer, part);
      case 3:
        return take(file_.producer_version, part);
      case 4:
        return take(file_.domain, part);
      case 6:
        return take(file_.doc, part);
      case 7:
        return main_graph(field, part);
      case 8:
        return opset(part);
      case 14:
        return property(part);
      case 20:
        return training(field, part);
      case 25:
        return function(field, part);
      default:
        return {};
    }
  }

  // What the summary takes in memory; two bytes of the file make a node.
  Status charge(std::uint64_t bytes) {
    if (bytes > limits_.value_bytes - taken_)
      return over_limit(text("the graph takes more than {} bytes", limits_.value_bytes));
    taken_ += bytes;
    return {};
  }

  Status take(std::string& into, const ProtoReader& whole) {
    const std::uint64_t size = whole.whole().size();
    HOLDALL_TRY(charge(size));
    HOLDALL_ASSIGN(into, whole.text({0, ProtoWire::kBytes, size, 0, 0}, size));
    return {};
  }

  // A name: nothing that a graph can do without.
  Status take_name(std::string& into, const ProtoReader& whole) {
    if (whole.whole().size() > kLongestText)
      return over_limit(text("a name of {} bytes, {} are allowed", whole.whole().size(), kLongestText));
    return take(into, whole);
  }

  std::uint32_t push(std::uint32_t parent, const ProtoField& field, const ProtoReader& part) {
    file_.messages.push_back({parent, field.number, field.at - base_, part.whole().offset() - base_, part.whole().size()});
    return static_cast<std::uint32_t>(file_.messages.size() - 1);
  }

  // Takes away messages that turned out to hold no tensor.
  void drop_since(std::size_t messages, std::size_t weights) {
    if (file_.weights.size() == weights) file_.messages.resize(messages);
  }

  Status add_weight(Weight weight) {
    if (file_.weights.size() == limits_.tensors) return over_limit(text("more than {} tensors", limits_.tensors));
    HOLDALL_TRY(charge(sizeof(Weight) + 4 * sizeof(Message) + weight.name.size()));
    file_.weights.push_back(std::move(weight));
    return {};
  }

  Status main_graph(const ProtoField& field, ProtoReader& part) {
    if (file_.has_graph) return part.fault("a second graph of the model");
    file_.has_graph = true;
    return graph(part, {push(0, field, part), "", 0, true});
  }

  Status opset(ProtoReader& message) {
    HOLDALL_TRY(charge(sizeof(file_.opsets.front())));
    auto& entry = file_.opsets.emplace_back();
    return each_field(message, [&](const ProtoField& field) -> Status {
      if (field.is_varint(2)) entry.second = field.value;
      if (!field.is_bytes(1)) return {};
      HOLDALL_ASSIGN(const ProtoReader part, message.message(field));
      return take_name(entry.first, part);
    });
  }

  Status property(ProtoReader& message) {
    HOLDALL_TRY(charge(sizeof(file_.properties.front())));
    auto& entry = file_.properties.emplace_back();
    return each_part(message, [&](const ProtoField& field, ProtoReader& part) -> Status {
      if (field.number == 1) return take(entry.first, part);
      return field.number == 2 ? take(entry.second, part) : Status();
    });
  }

  Status training(const ProtoField& field, ProtoReader& message) {
    const std::size_t messages = file_.messages.size(), weights = file_.weights.size();
    const std::uint32_t own = push(0, field, message);
    const std::string prefix = text("training_info/{}/", trainings_++);
    HOLDALL_TRY(each_part(message, [&](const ProtoField& inner, ProtoReader& part) -> Status {
      if (inner.number != 1 && inner.number != 2) return {};
      return graph(part, {push(own, inner, part), prefix + (inner.number == 1 ? "initialization/" : "algorithm/"), 1, false});
    }));
    drop_since(messages, weights);
    return {};
  }

  Status function(const ProtoField& field, ProtoReader& message) {
    const std::size_t messages = file_.messages.size(), weights = file_.weights.size();
    OperatorName named;
    std::string overload;
    ProtoReader ahead = message;
    HOLDALL_TRY(each_part(ahead, [&](const ProtoField& inner, ProtoReader& part) -> Status {
      if (inner.number == 1) return take_name(named.second, part);
      if (inner.number == 13) return take_name(overload, part);
      return inner.number == 10 ? take_name(named.first, part) : Status();
    }));
    named.first = std::string(plain_domain(named.first));
    const Place place{push(0, field, message), named.second + "/", 1, false};
    named.second = overloaded(named.second, overload);
    HOLDALL_TRY(charge(sizeof(OperatorName)));
    file_.functions.push_back(std::move(named));
    HOLDALL_TRY(each_part(message, [&](const ProtoField& inner, ProtoReader& part) -> Status {
      return inner.number == 7 ? node(inner, part, place) : Status();
    }));
    drop_since(messages, weights);
    return {};
  }

  Status graph(ProtoReader& message, const Place& place) {
    if (place.depth > kMostNested) return over_limit(text("graphs nest deeper than {} levels", kMostNested));
    return each_part(message, [&](const ProtoField& field, ProtoReader& part) -> Status {
      switch (field.number) {
        case 1:
          return node(field, part, place);
        case 2:
          return place.is_main ? take(file_.graph, part) : Status();
        case 5:
          return initializer(field, part, place);
        case 11:
          return place.is_main ? value_info(part, file_.inputs) : Status();
        case 12:
          return place.is_main ? value_info(part, file_.outputs) : Status();
        case 15:
          return initializer(field, part, place);
        default:
          return {};
      }
    });
  }

  // A TensorProto, or a SparseTensorProto whose values have the name.
  Status initializer(const ProtoField& field, ProtoReader& message, const Place& place) {
    const bool is_sparse = field.number == 15;
    std::string own;
    ProtoReader ahead = message;
    HOLDALL_TRY(each_part(ahead, [&](const ProtoField& inner, ProtoReader& part) -> Status {
      if (!is_sparse) return inner.number == 8 ? take_name(own, part) : Status();
      if (inner.number != 1) return {};
      return each_part(part, [&](const ProtoField& of_values, ProtoReader& value) -> Status {
        return of_values.number == 8 ? take_name(own, value) : Status();
      });
    }));
    if (own.empty()) own = "initializer";
    return add_weight({place.prefix + own, is_sparse ? Form::kSparse : Form::kTensor, push(place.message, field, message), true,
                       place.is_main});
  }

  Status value_info(ProtoReader& message, std::vector<ValueInfo>& into) {
    HOLDALL_TRY(charge(sizeof(ValueInfo)));
    ValueInfo& value = into.emplace_back();
    return each_part(message, [&](const ProtoField& field, ProtoReader& part) -> Status {
      if (field.number == 1) return take_name(value.name, part);
      if (field.number != 2) return {};
      HOLDALL_ASSIGN(TypeText type, type_text(part, limits_));
      value.type = std::move(type.type);
      value.shape = std::move(type.shape);
      return charge(value.type.size() + value.shape.size());
    });
  }

  Result<NodeHead> head_of(ProtoReader message) {
    NodeHead head;
    HOLDALL_TRY(each_part(message, [&](const ProtoField& field, ProtoReader& part) -> Status {
      if (field.number == 2 && head.output.empty()) return take_name(head.output, part);
      if (field.number == 3) return take_name(head.name, part);
      if (field.number == 4) return take_name(head.op, part);
      if (field.number == 8) return take_name(head.overload, part);
      return field.number == 7 ? take_name(head.domain, part) : Status();
    }));
    head.domain = std::string(plain_domain(head.domain));
    taken_ -= head.name.size() + head.op.size() + head.overload.size() + head.domain.size() + head.output.size();
    return head;
  }

  Status node(const ProtoField& field, ProtoReader& message, const Place& place) {
    if (++nodes_ > limits_.members) return over_limit(text("more than {} nodes", limits_.members));
    const std::size_t messages = file_.messages.size(), weights = file_.weights.size();
    HOLDALL_ASSIGN(const NodeHead head, head_of(message));
    HOLDALL_TRY(count(head, place));
    const std::uint32_t own = push(place.message, field, message);
    ContextFile context;
    HOLDALL_TRY(each_part(message, [&](const ProtoField& inner, ProtoReader& part) -> Status {
      return inner.number == 5 ? attribute(inner, part, head, {own, place.prefix, place.depth, false}, context) : Status();
    }));
    if (context.is_file) {
      context.node = place.prefix + head.label();
      HOLDALL_TRY(charge(sizeof(ContextFile) + context.node.size()));
      file_.context_files.push_back(std::move(context));
    }
    drop_since(messages, weights);
    return {};
  }

  Status count(const NodeHead& head, const Place& place) {
    const auto [found, is_new] = file_.operators.try_emplace({head.domain, overloaded(head.op, head.overload)});
    ++found->second.count;
    if (!is_new) return {};
    found->second.first = place.prefix + head.label();
    return charge(sizeof(*found) + head.domain.size() + found->first.second.size() + found->second.first.size());
  }

  // The key may stand behind its value.
  Status attribute(const ProtoField& field, ProtoReader& message, const NodeHead& head, const Place& place,
                   ContextFile& context) {
    const std::size_t messages = file_.messages.size(), weights = file_.weights.size();
    std::string key;
    ProtoReader ahead = message;
    HOLDALL_TRY(each_part(ahead, [&](const ProtoField& inner, ProtoReader& part) -> Status {
      return inner.number == 1 ? take_name(key, part) : Status();
    }));
    taken_ -= key.size();
    const std::uint32_t own = push(place.message, field, message);
    const std::string plain = place.prefix + (head.is_constant() && !head.output.empty() ? head.output : head.label());
    const std::string path = head.is_constant() ? plain : plain + "/" + key;
    std::uint64_t graphs = 0, tensors = 0;
    HOLDALL_TRY(each_part(message, [&](const ProtoField& inner, ProtoReader& part) -> Status {
      switch (inner.number) {
        case 5:
          return add_weight({path, Form::kTensor, push(own, inner, part)});
        case 6:
          return graph(part, {push(own, inner, part), plain + "/" + key + "/", place.depth + 1, false});
        case 10:
          return add_weight({text("{}/{}", path, tensors++), Form::kTensor, push(own, inner, part)});
        case 11:
          return graph(part, {push(own, inner, part), text("{}/{}/{}/", plain, key, graphs++), place.depth + 1, false});
        case 22:
          return add_weight({path, Form::kSparse, push(own, inner, part)});
        case 23:
          return add_weight({text("{}/{}", path, tensors++), Form::kSparse, push(own, inner, part)});
        default:
          return {};
      }
    }));
    HOLDALL_TRY(values(message, head, key, path, own));
    if (head.op == "EPContext") HOLDALL_TRY(native(ProtoReader(message.whole()), key, context));
    drop_since(messages, weights);
    return {};
  }

  // What an EPContext says of its native code: embed_mode 0 means that ep_cache_context is the path of a file.
  Status native(ProtoReader message, std::string_view key, ContextFile& context) {
    constexpr std::uint64_t kLongestPath = 4096;
    return each_field(message, [&](const ProtoField& field) -> Status {
      if (key == "embed_mode" && field.is_varint(3)) context.is_file = field.value == 0;
      if (key != "ep_cache_context" || !field.is_bytes(4) || field.value > kLongestPath) return {};
      HOLDALL_ASSIGN(context.path, message.text(field, kLongestPath));
      return charge(context.path.size());
    });
  }

  // The values that an attribute of a Constant spells out, and the coefficients of ai.onnx.ml's models. In a function an
  // attribute may have the value that its caller gives.
  Status values(const ProtoReader& message, const NodeHead& head, std::string_view key, const std::string& path,
                std::uint32_t own) {
    struct Spelled {
      std::string_view key;
      Form form;
      std::uint32_t number;
    };
    static constexpr Spelled kSpelled[] = {{"value_float", Form::kFloat, 2},
                                           {"value_int", Form::kInt, 3},
                                           {"value_string", Form::kText, 4},
                                           {"value_floats", Form::kFloats, 7},
                                           {"value_ints", Form::kInts, 8},
                                           {"value_strings", Form::kTexts, 9},
                                           {"", Form::kFloats, 7}};
    const auto* const found = std::find_if(std::begin(kSpelled), std::end(kSpelled) - 1,
                                           [&](const Spelled& each) { return head.is_constant() && each.key == key; });
    const bool is_constant = !found->key.empty();
    if (!is_constant && head.domain != kMlDomain) return {};
    bool is_there = false, is_given = false;
    ProtoReader pass(message.whole());
    HOLDALL_TRY(each_field(pass, [&](const ProtoField& field) -> Status {
      is_there = is_there || field.number == found->number;
      is_given = is_given || field.is_bytes(kReferred);
      return {};
    }));
    const bool may_be_empty = is_constant && found->number >= 7;
    return !is_given && (is_there || may_be_empty) ? add_weight({path, found->form, own}) : Status();
  }

  // The main graph's initializers keep their names; of others that meet, the later ones are numbered.
  Status settle_names() {
    std::stable_partition(file_.weights.begin(), file_.weights.end(), [](const Weight& each) { return each.is_own_name; });
    TextSet taken;
    TextMap<std::uint64_t> met;
    for (Weight& weight : file_.weights) {
      if (taken.insert(weight.name).second) continue;
      std::uint64_t& times = met[weight.name];
      std::string unique;
      do unique = text("{}@{}", weight.name, ++times + 1);
      while (!taken.insert(unique).second);
      weight.name = std::move(unique);
    }
    std::erase_if(file_.inputs,
                  [&](const ValueInfo& input) { return taken.contains(input.name) && is_initializer(input.name); });
    return {};
  }

  bool is_initializer(const std::string& name) {
    if (own_names_.empty()) {
      for (const Weight& weight : file_.weights)
        if (weight.is_own_name) own_names_.insert(weight.name);
    }
    return own_names_.contains(name);
  }

  const Limits& limits_;
  std::uint64_t base_ = 0, nodes_ = 0, taken_ = 0, trainings_ = 0;
  TextSet own_names_;
  ModelFile file_;
};

}  // namespace

std::string operator_text(const OperatorName& name) {
  return name.first.empty() ? name.second : text("{}:{}", name.first, name.second);
}

std::string_view plain_domain(std::string_view domain) noexcept { return domain == "ai.onnx" ? std::string_view() : domain; }

Result<ModelFile> read_model_file(const Blob& file, const Limits& limits) { return ModelReader(limits).run(file); }

}  // namespace holdall::onnx
