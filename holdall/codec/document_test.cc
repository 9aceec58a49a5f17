#include "holdall/codec/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <random>

namespace holdall {
namespace {

using ::testing::HasSubstr;

std::string_view tensor_name(std::uint32_t index) {
  static const std::string kNames[] = {"a", "b.weight", "$c", ""};
  return kNames[index % 4];
}

Result<std::uint32_t> tensor_index(std::string_view name) {
  for (std::uint32_t i = 0; i < 4; ++i)
    if (tensor_name(i) == name) return i;
  return corrupt("no tensor '" + std::string(name) + "'");
}

std::string written(Value root, const DocumentOptions& options = {}) {
  JsonWriter writer;
  const Status status = write_document(writer, root, tensor_name, options);
  return status ? writer.text() : status.error().to_string();
}

Result<NodeId> read(Arena& arena, std::string_view json, std::uint32_t depth = 1'000) {
  JsonOptions options;
  options.depth = kDocumentLevels * depth;
  options.surrogates = JsonOptions::Surrogates::kBytes;
  HOLDALL_ASSIGN(const NodeId root, parse_json(arena, json, options));
  return read_document(arena, arena.at(root), tensor_index, depth);
}

// What is wrong with reading a document; empty when it reads.
std::string fault(std::string_view json) {
  Arena arena;
  const auto root = read(arena, json);
  return root ? "" : root.error().message();
}

// Whether two trees are equal, sharing and cycles included: a walk in step that pairs the nodes of one with those of the other.
class Comparison {
 public:
  bool same(Value a, Value b) {
    std::vector<std::pair<Value, Value>> waiting = {{a, b}};
    while (!waiting.empty()) {
      const auto [x, y] = waiting.back();
      waiting.pop_back();
      if (!!x != !!y || (x && x.kind() != y.kind())) return false;
      if (!x) continue;
      if (is_container(x)) {
        const auto [forth, is_new] = forth_.emplace(x.id(), y.id());
        const auto [back, back_is_new] = back_.emplace(y.id(), x.id());
        if (forth->second != y.id() || back->second != x.id()) return false;
        if (!is_new) continue;
      }
      if (!same_content(x, y, waiting)) return false;
    }
    return true;
  }

 private:
  static bool is_container(Value value) {
    const bool immutable = value.is(ValueKind::kTuple) || value.is(ValueKind::kFrozenSet);
    return value.kind() >= ValueKind::kList && !value.is(ValueKind::kGlobal) && !(immutable && value.size() == 0);
  }

  static bool same_content(Value x, Value y, std::vector<std::pair<Value, Value>>& waiting) {
    switch (x.kind()) {
      case ValueKind::kNull:
        return true;
      case ValueKind::kBool:
        return x.as_bool() == y.as_bool();
      case ValueKind::kInt:
        return x.as_int() == y.as_int();
      case ValueKind::kBigInt:
        return x.as_big_int() == y.as_big_int();
      case ValueKind::kFloat:  // reading gives every float a spelling
        return bits(x.as_float()) == bits(y.as_float()) &&
               (x.float_spelling().empty() || x.float_spelling() == y.float_spelling());
      case ValueKind::kComplex:
        return bits(x.as_complex().real()) == bits(y.as_complex().real()) &&
               bits(x.as_complex().imag()) == bits(y.as_complex().imag());
      case ValueKind::kString:
        return x.as_string() == y.as_string();
      case ValueKind::kBytes:
        return x.as_blob().read()->text() == y.as_blob().read()->text();
      case ValueKind::kGlobal:
        return x.global_module() == y.global_module() && x.global_name() == y.global_name();
      case ValueKind::kTensor: {
        const TensorNode& s = x.as_tensor();
        const TensorNode& t = y.as_tensor();
        waiting.emplace_back(x.of(s.attributes), y.of(t.attributes));
        return s.index == t.index && s.parameter == t.parameter && s.requires_grad == t.requires_grad;
      }
      case ValueKind::kObject:
        return same_objects(x, y, waiting);
      default: {
        if (x.size() != y.size()) return false;
        const std::size_t entries = x.is(ValueKind::kDict) ? 2 * x.size() : x.size();
        for (std::size_t i = 0; i < entries; ++i) waiting.emplace_back(x.item(i), y.item(i));
        return true;
      }
    }
  }

  static bool same_objects(Value x, Value y, std::vector<std::pair<Value, Value>>& waiting) {
    const ObjectParts& s = x.as_object();
    const ObjectParts& t = y.as_object();
    if (s.new_object != t.new_object) return false;
    waiting.emplace_back(x.of(s.callee), y.of(t.callee));
    waiting.emplace_back(x.of(s.args), y.of(t.args));
    waiting.emplace_back(x.of(s.kwargs), y.of(t.kwargs));
    waiting.emplace_back(x.of(s.state), y.of(t.state));
    if (s.items.size() != t.items.size() || s.pairs.size() != t.pairs.size()) return false;
    for (std::size_t i = 0; i < s.items.size(); ++i) waiting.emplace_back(x.of(s.items[i]), y.of(t.items[i]));
    for (std::size_t i = 0; i < s.pairs.size(); ++i) waiting.emplace_back(x.of(s.pairs[i]), y.of(t.pairs[i]));
    return true;
  }

  static std::uint64_t bits(double value) { return std::bit_cast<std::uint64_t>(value); }

  std::map<NodeId, NodeId> forth_, back_;
};

// A random graph of values: containers are made first and then filled with any nodes, so sharing and cycles abound.
class Graph {
 public:
  Graph(Arena& arena, std::uint64_t seed) : arena_(arena), random_(seed) {}

  NodeId make() {
    const std::size_t containers = 1 + pick(12);
    for (std::size_t i = 0; i < containers; ++i) nodes_.push_back(container());
    const std::size_t scalars = 1 + pick(12);
    for (std::size_t i = 0; i < scalars; ++i) nodes_.push_back(scalar());
    for (std::size_t i = 0; i < containers; ++i) fill(nodes_[i]);
    return nodes_[0];
  }

 private:
  std::size_t pick(std::size_t below) { return static_cast<std::size_t>(random_() % below); }
  NodeId any() { return nodes_[pick(nodes_.size())]; }
  NodeId maybe() { return pick(2) == 0 ? any() : kNoNode; }

  std::string word() {
    static const std::string kWords[] = {"",     "$", "$ref",         "a.b",  "id",
                                         "\xff", "é", "\xed\xb2\x80", "x\ny", std::string(1, '\0')};
    return kWords[pick(10)];
  }

  NodeId container() {
    switch (pick(8)) {
      case 0:
        return arena_.list();
      case 1:
        return arena_.tuple();
      case 2:
        return arena_.set();
      case 3:
        return arena_.frozen_set();
      case 4:
        return arena_.object({});
      case 5:
        return arena_.tensor({static_cast<std::uint32_t>(pick(4)), pick(2) == 0, pick(2) == 0, kNoNode});
      default:
        return arena_.dict();
    }
  }

  NodeId scalar() {
    static const double kNumbers[] = {0.0,          -0.0,          1.5,
                                      5e-324,       INFINITY,      -INFINITY,
                                      std::nan(""), -std::nan(""), std::bit_cast<double>(std::uint64_t{0x7FF0000000000001})};
    switch (pick(10)) {
      case 0:
        return arena_.null();
      case 1:
        return arena_.boolean(pick(2) == 0);
      case 2:
        return arena_.integer(static_cast<std::int64_t>(random_()));
      case 3:
        return arena_.big_integer("-98765432109876543210987654321");
      case 4:
        return arena_.real(kNumbers[pick(9)]);
      case 5:
        return arena_.real(0.5, "5.0E-1");
      case 6:
        return arena_.complex({kNumbers[pick(9)], kNumbers[pick(9)]});
      case 7:
        return arena_.bytes(word());
      case 8:
        return arena_.global(word(), word());
      default:
        return arena_.string(word());
    }
  }

  void fill(NodeId node) {
    const std::size_t count = pick(4);
    switch (arena_.at(node).kind()) {
      case ValueKind::kTensor:
        arena_.tensor_node(node).attributes = maybe();
        return;
      case ValueKind::kObject: {
        const NodeId callee = pick(3) == 0 ? any() : arena_.global(word(), word());
        const NodeId args = maybe(), kwargs = maybe(), state = maybe();
        ObjectParts& parts = arena_.object_parts(node);
        if (!arena_.at(callee).is_null()) parts.callee = callee;
        parts.args = args;
        parts.kwargs = kwargs;
        parts.state = state;
        parts.new_object = pick(2) == 0;
        for (std::size_t i = 0; i < count; ++i) parts.items.push_back(any());
        for (std::size_t i = 0; i < 2 * pick(3); ++i) parts.pairs.push_back(any());
        if (parts.pairs.size() % 2 == 1) parts.pairs.push_back(any());
        return;
      }
      case ValueKind::kDict:
        for (std::size_t i = 0; i < count; ++i) arena_.set_item(node, pick(2) == 0 ? any() : arena_.string(word()), any());
        return;
      default:
        for (std::size_t i = 0; i < count; ++i) arena_.append(node, any());
    }
  }

  Arena& arena_;
  std::mt19937_64 random_;
  std::vector<NodeId> nodes_;
};

TEST(Document, AnyGraphOfValuesComesBackEqualSharingIncluded) {
  for (std::uint64_t seed = 0; seed < 4'000; ++seed) {
    Arena arena;
    const Value root = arena.at(Graph(arena, seed).make());
    const std::string document = written(root);
    Arena again;
    const auto back = read(again, document);
    ASSERT_TRUE(back) << back.error().to_string() << "\n" << document;
    ASSERT_TRUE(Comparison().same(root, again.at(*back))) << "seed " << seed << "\n" << document;
    ASSERT_EQ(written(again.at(*back)), document);
  }
}

TEST(Document, FormsAreThoseOfTheSurface) {
  Arena arena;
  const NodeId dict = arena.dict();
  arena.set_item(dict, "w", arena.tensor({1, true, true, kNoNode}));
  arena.set_item(dict, "t", arena.tuple({arena.integer(1), arena.real(1)}));
  arena.set_item(dict, "s", arena.set({arena.string("x")}));
  arena.set_item(dict, "b", arena.bytes("hi"));
  arena.set_item(dict, "f", arena.real(std::nan("")));
  const NodeId by_number = arena.dict();
  arena.set_item(by_number, arena.integer(0), arena.null());
  arena.set_item(dict, "d", by_number);
  ObjectParts parts;
  parts.callee = arena.global("collections", "OrderedDict");
  parts.args = arena.tuple();
  parts.pairs = {arena.string("k"), arena.boolean(true)};
  arena.set_item(dict, "o", arena.object(parts));
  ObjectParts made;
  made.callee = arena.global("m", "C");
  made.new_object = true;
  arena.set_item(dict, "n", arena.object(made));
  arena.set_item(dict, "g", arena.global("a.b", "C.d"));
  EXPECT_EQ(
      written(arena.at(dict)),
      R"({"w":{"$tensor":"b.weight","parameter":true,"requires_grad":true},"t":{"$tuple":[1,1.0]},"s":{"$set":["x"]},)"
      R"("b":{"$bytes":"aGk="},"f":{"$float":"nan"},"d":{"$dict":[[0,null]]},)"
      R"("o":{"$object":"collections.OrderedDict","args":[],"pairs":[["k",true]]},"n":{"$object":"m.C","new":true},"g":{"$global":"a.b.C.d","module":"a.b"}})");
}

TEST(Document, SharedAndCyclicValuesAreReferences) {
  Arena arena;
  const NodeId shared = arena.list({arena.integer(1)});
  const NodeId root = arena.list({shared, shared});
  arena.append(root, root);
  EXPECT_EQ(written(arena.at(root)), R"({"$list":[{"$list":[1],"id":1},{"$ref":1},{"$ref":0}],"id":0})");
}

TEST(Document, LongBytesAreCutWhereAskedAndNotReadBack) {
  Arena arena;
  DocumentOptions options;
  options.most_bytes = 3;
  const NodeId list =
      arena.list({arena.bytes("abc"), arena.bytes("abcd"), arena.bytes(Blob::memory(Bytes::copy("abcde"), "x"))});
  const std::string document = written(arena.at(list), options);
  EXPECT_EQ(document, R"([{"$bytes":"YWJj"},{"$bytes_omitted":4},{"$bytes_omitted":5}])");
  EXPECT_THAT(fault(document), HasSubstr("left out"));
  EXPECT_EQ(written(arena.at(list)), R"([{"$bytes":"YWJj"},{"$bytes":"YWJjZA=="},{"$bytes":"YWJjZGU="}])");
}

TEST(Document, BrokenDocumentsAreCorrupt) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"$what":1})", "'$what' is not known"},
      {R"({"a":1,"$b":2})", "stands behind others"},
      {R"({"$ref":0})", "no id that stands before"},
      {R"([{"$ref":1},{"$list":[],"id":1}])", "no id that stands before"},
      {R"([{"$list":[],"id":1},{"$list":[],"id":1}])", "stands twice"},
      {R"({"$list":[],"id":"1"})", "no integer"},
      {R"({"$list":[],"size":1})", "'size' is not known"},
      {R"({"$tuple":{}})", "not an array"},
      {R"({"$tensor":"z"})", "no tensor 'z'"},
      {R"({"$tensor":1})", "no text"},
      {R"({"$tensor":"a","parameter":1})", "no boolean"},
      {R"({"$bytes":"a"})", "no base64"},
      {R"({"$float":"1.0"})", "none of nan"},
      {R"({"$float":"nan","bits":"0000000000000000"})", "no NaN"},
      {R"({"$complex":[1.0]})", "not two numbers"},
      {R"({"$complex":[1,"x"]})", "stands for a float"},
      {R"({"$global":"nodot"})", "no module"},
      {R"({"$global":"a.b","module":"c"})", "not of its module"},
      {R"({"$object":1})", "neither a name"},
      {R"({"$object":"a.b","items":1})", "no array"},
      {R"({"$object":"a.b","new":1})", "no boolean"},
      {R"({"$object":"a.b","pairs":[[1]]})", "array of two"},
      {R"({"$dict":[[1,2],[1,3]]})", "one key twice"},
      {R"({"$dict":[1]})", "array of two"},
  };
  for (const auto& [json, expected] : cases) EXPECT_THAT(fault(json), HasSubstr(expected)) << json;
}

TEST(Document, DepthIsLimitedAndNotByTheStack) {
  Arena arena;
  NodeId deep = arena.null();
  for (int i = 0; i < 300'000; ++i) deep = arena.tuple({deep});
  const std::string document = written(arena.at(deep));
  Arena again;
  const auto refused = read(again, document, 1'000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kLimit);
  const auto back = read(again, document, 300'000);
  ASSERT_TRUE(back);
  EXPECT_TRUE(Comparison().same(arena.at(deep), again.at(*back)));
}

// A value of a megabyte, referred to by a few bytes each time, must not be written each time.
TEST(Document, LongValuesThatAreSharedAreWrittenOnce) {
  const std::string text(1'000, 'x');
  const auto make = [&](Arena& arena, int kind) {
    switch (kind) {
      case 0:
        return arena.string(text);
      case 1:
        return arena.bytes(text);
      case 2:
        return arena.global(text, "name.of.it");
      case 3:
        return arena.global("module", text);
      default:
        return arena.big_integer(std::string(1'000, '7'));
    }
  };
  for (int kind = 0; kind < 5; ++kind) {
    Arena arena;
    const NodeId shared = make(arena, kind);
    const NodeId list = arena.list();
    for (int i = 0; i < 100; ++i) {
      arena.append(list, shared);
      const NodeId dict = arena.dict();
      arena.set_item(dict, shared, arena.integer(i));
      arena.append(list, dict);
      ObjectParts parts;
      parts.callee = shared;
      parts.args = arena.tuple({shared});
      arena.append(list, arena.object(std::move(parts)));
    }
    const std::string json = written(arena.at(list));
    EXPECT_LT(json.size(), 20'000u) << kind;
    Arena copy;
    const auto root = read(copy, json);
    ASSERT_TRUE(root.has_value()) << root.error().to_string();
    EXPECT_TRUE(Comparison().same(arena.at(list), copy.at(*root))) << kind;
    EXPECT_EQ(copy.at(*root).item(0).id(), copy.at(*root).item(3).id()) << kind;
    EXPECT_EQ(written(copy.at(*root)), json) << kind;
  }
}

TEST(Document, ShortTextsStandWhereverTheyAreMet) {
  Arena arena;
  const NodeId text = arena.string(std::string(128, 'x'));
  EXPECT_EQ(written(arena.at(arena.list({text, text}))).find("$ref"), std::string::npos);
  const NodeId alone = arena.string(std::string(129, 'x'));
  EXPECT_EQ(written(arena.at(arena.list({alone}))), "[\"" + std::string(129, 'x') + "\"]");
}

TEST(Document, ATextOfAnotherKindIsMalformed) {
  EXPECT_THAT(fault(R"({"$text":1,"id":0})"), HasSubstr("'$text' is a int"));
  EXPECT_THAT(fault(R"({"$int":"1"})"), HasSubstr("'$int' is a string"));
  EXPECT_THAT(fault(R"([{"$text":"a","id":0},{"$global":"a.b","id":0}])"), HasSubstr("id 0 stands twice"));
}

}  // namespace
}  // namespace holdall
