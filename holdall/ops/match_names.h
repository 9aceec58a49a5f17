// How alike the names of two tensors are, whichever frameworks gave them.
//
// Thread-safety: immutable once made. Ownership: owns its texts.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdall {

// "bert/encoder/layer_._0/attention/self/query/kernel:0" as bert encoder layer 0 attention self query weight: words in small
// letters, numbers by themselves, what frameworks call differently (kernel, gamma, beta, moving_mean…) by PyTorch's word.
std::vector<std::string> name_words(std::string_view name);

// 1 for the same words in the same order, 0 for none in common. Numbers that differ cost most.
double likeness(std::span<const std::string> a, std::span<const std::string> b);

// Pairs of `a` and `b` (indices) such that each is the other's most alike and no other is as alike; at least `least`. Owners
// (everything but the last word) that are known to be the same count as alike.
class NameMatcher {
 public:
  NameMatcher(std::span<const std::string> a, std::span<const std::string> b);
  // Names (indices) that are one: what they belong to is one too.
  void know(std::size_t a, std::size_t b);
  using Pairs = std::vector<std::pair<std::size_t, std::size_t>>;
  Pairs match(std::span<const std::size_t> a, std::span<const std::size_t> b, double least) const;

 private:
  double score(std::size_t a, std::size_t b) const;
  struct Name {
    std::vector<std::string> words;
    std::size_t owner;  // a number for each
  };
  std::vector<Name> a_, b_;
  std::set<std::pair<std::size_t, std::size_t>> owners_;
};

}  // namespace holdall
