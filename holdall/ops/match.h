// Match: which tensor of one model is which of another, whatever they are called there: by their bytes, by their values up to
// an order of axes, a shape, a cast or a quantisation, and where values cannot say it by what they are called.
//
// Thread-safety: functions may be called from several threads. Ownership: reports own their texts.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/codec/json.h"
#include "holdall/ops/arrange.h"
#include "holdall/ops/names_file.h"
#include "holdall/ops/open.h"

namespace holdall {

struct MatchOptions {
  OpenOptions open = {};
  // The least cosine of two tensors that are one but for a cast, a quantisation or a training that went on.
  double least_cosine = 0.9;
  Progress progress = {};  // counts bytes of A and B
};

struct MatchedPair {
  // How sure, the surest first.
  enum class By : std::uint8_t {
    kDigest,  // the same bytes
    kValues,  // the same numbers, in another order of axes or another dtype
    kClose,   // nearly the same numbers, and no other tensor's are as near
    kName,    // shapes that fit and names that say the same; the values are others
  };
  std::string a, b;
  By by = By::kName;
  DType a_dtype{}, b_dtype{};
  Shape a_shape, b_shape;
  Arrangement arrangement;  // makes A's of B's shape
  // Of A's, arranged, and B's, as diff tells them; empty where the bytes are the same or no number says it.
  std::optional<double> max_abs, cosine;
  bool by_name_among_equals = false;  // others have the same values: of these the names decided
};

struct MatchReport {
  std::string a, b;
  std::vector<MatchedPair> pairs;           // in the order of A; one of A's in several where B has it several times over
  std::vector<std::string> only_a, only_b;  // without a partner; of a tensor with several names the first
  bool complete() const noexcept { return only_a.empty() && only_b.empty(); }
};

std::string_view name(MatchedPair::By by) noexcept;

// Tensors that are not numbers are matched by digest alone. Memory: 2 KiB for each way in which
// a tensor may lie (one, seldom more than four), a few tiles a thread. Errors: those of
// open_model, io, corrupt, cancelled.
Result<MatchReport> match_models(const std::string& a, const std::string& b, const MatchOptions& options = {});
Result<MatchReport> match_models(const Model& a, const Model& b, const MatchOptions& options = {});

// {"a","b","complete","pairs":[{"a","b","by","dtype_a","dtype_b","shape_a","shape_b","steps","max_abs","cosine","ambiguous"}],"only_a","only_b"};
// "steps" as names files have them.
void write_match(JsonWriter& writer, const MatchReport& report);

// Lines of a names file (names_file.h) that make B's names and shapes of A's; tensors of A alone are left out, those of B alone
// are remarks. Errors: invalid argument for names that no line can say.
Result<std::string> names_of(const MatchReport& report);
// The same put at `path` in one step. Errors: those of names_of() and of writing.
Status save_names(const MatchReport& report, const std::string& path);

}  // namespace holdall
