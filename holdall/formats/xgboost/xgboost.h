// What the parts of the xgboost format share: a model's document, in JSON or UBJSON, as values with its arrays as tensors.
#pragma once

#include <string>
#include <string_view>

#include "holdall/formats/format.h"

namespace holdall::xgboost {

enum class Spelling : std::uint8_t { kNone, kJson, kUbjson };
// By the first bytes: an object whose first key is one of a model's.
Spelling spelling_of(std::span<const std::byte> head) noexcept;

// Makes values of a document's pieces, whichever way it is spelled. An array of numbers below "gradient_booster", and an
// objective's "ti+" and "tj-", becomes a tensor of the dtype that XGBoost gives the field of that name in UBJSON.
class Assembly {
 public:
  Assembly(ModelBuilder& builder, const Limits& limits, SharedText file)
      : builder_(builder), limits_(limits), file_(std::move(file)), before_(builder.arena->memory()) {}

  // Errors of all: corrupt (a key twice), limit.
  Status begin_object();
  Status begin_array();
  Status end();
  Status key(std::string_view text);
  Status plain(NodeId node);
  Status integer(std::int64_t value);
  // As the document spells it, or the value where it is binary.
  Status real(std::string_view spelling);
  Status real(double value);
  Status boolean(bool value);
  Status tensor(Tensor tensor);
  bool wants_tensors() const noexcept { return inside_ != 0; }
  NodeId root() const noexcept { return root_; }

 private:
  struct Open {
    NodeId container = kNoNode;
    NodeId key = kNoNode;  // in an object: the key whose value comes next
    bool is_object = false;
  };
  // An array that has held nothing but numbers so far.
  struct Numbers {
    bool is_open = false;
    bool has_reals = false;
    bool has_others = false;  // than booleans
    std::vector<std::int64_t> integers;
    std::vector<float> reals;
  };
  Status place(NodeId node);
  Status spill();
  Status close_numbers();
  void to_reals();
  std::string_view field() const;
  std::optional<DType> dtype_of_field() const;

  ModelBuilder& builder_;
  const Limits& limits_;
  SharedText file_;
  std::uint64_t before_;
  std::uint64_t checked_ = 0;
  std::size_t tensors_ = 0;
  std::size_t inside_ = 0;  // open containers when "gradient_booster" was entered; 0: it was not
  std::vector<Open> open_;
  Numbers numbers_;
  NodeId root_ = kNoNode;
};

// `arena` is that of `into`. Memory: the text of JSON while it is read, and its numbers; of UBJSON neither. Errors: corrupt,
// limit, unsupported, io.
Status read_json(const SourceRef& source, const Limits& limits, Assembly& into, Arena& arena);
Status read_ubjson(const SourceRef& source, const Limits& limits, Assembly& into, Arena& arena);

// What does not fit together: arrays of a tree's nodes, children and parents, features, categories, counts of trees.
Status check(const Model& model, Faults& faults);

}  // namespace holdall::xgboost
