#include "holdall/ops/match_names.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>

namespace holdall {
namespace {

struct Synonym {
  std::string_view word, means;
};
// Of the last word of a name, joined with the word before it where that makes one of these.
constexpr std::array kLast = {
    Synonym{"kernel", "weight"},
    Synonym{"gamma", "weight"},
    Synonym{"scale", "weight"},
    Synonym{"embedding", "weight"},
    Synonym{"embeddings", "weight"},
    Synonym{"w", "weight"},
    Synonym{"depthwisekernel", "weight"},
    Synonym{"pointwisekernel", "weight"},
    Synonym{"beta", "bias"},
    Synonym{"b", "bias"},
    Synonym{"offset", "bias"},
    Synonym{"movingmean", "mean"},
    Synonym{"runningmean", "mean"},
    Synonym{"movingvariance", "var"},
    Synonym{"runningvar", "var"},
    Synonym{"variance", "var"},
};

std::string_view meaning(std::string_view word) {
  const auto found = std::find_if(kLast.begin(), kLast.end(), [&](const Synonym& s) { return s.word == word; });
  return found == kLast.end() ? word : found->means;
}

bool is_number(std::string_view word) { return !word.empty() && std::isdigit(static_cast<unsigned char>(word[0])) != 0; }

// Words of a component: letters or digits, at changes from one to the other and from a small letter to a capital.
void add_words(std::string_view name, std::vector<std::string>& words) {
  enum class Kind : std::uint8_t { kNone, kSmall, kCapital, kDigit } last = Kind::kNone;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const Kind kind = std::isdigit(byte) != 0            ? Kind::kDigit
                      : std::isupper(byte) != 0          ? Kind::kCapital
                      : std::isalpha(byte) || byte > 127 ? Kind::kSmall
                                                         : Kind::kNone;
    const bool begins = last == Kind::kNone || (kind == Kind::kDigit) != (last == Kind::kDigit) ||
                        (kind == Kind::kCapital && last == Kind::kSmall);
    if (kind != Kind::kNone) {
      if (begins) words.emplace_back();
      words.back() += static_cast<char>(std::tolower(byte));
    }
    last = kind;
  }
}

double weight(const std::string& word) { return is_number(word) ? 2 : 1; }

}  // namespace

std::vector<std::string> name_words(std::string_view name) {
  if (name.ends_with(":0")) name.remove_suffix(2);
  constexpr std::string_view kValue = "/.ATTRIBUTES/VARIABLE_VALUE";
  if (name.ends_with(kValue)) name.remove_suffix(kValue.size());
  std::vector<std::string> words;
  add_words(name, words);
  if (words.size() > 1) {
    const std::string joined = words[words.size() - 2] + words.back();
    if (meaning(joined) != joined) {
      words.pop_back();
      words.back() = joined;
    }
  }
  if (!words.empty()) words.back() = meaning(words.back());
  return words;
}

double likeness(std::span<const std::string> a, std::span<const std::string> b) {
  if (a.empty() || b.empty()) return 0;
  // The heaviest common subsequence.
  std::vector<double> row(b.size() + 1), before(b.size() + 1);
  double all = 0;
  for (const std::string& word : a) {
    all += weight(word);
    std::swap(row, before);
    for (std::size_t j = 0; j < b.size(); ++j) {
      row[j + 1] = word == b[j] ? before[j] + weight(word) : std::max(before[j + 1], row[j]);
    }
  }
  for (const std::string& word : b) all += weight(word);
  double alike = 2 * row.back() / all;
  std::vector<std::string_view> a_numbers, b_numbers;
  std::copy_if(a.begin(), a.end(), std::back_inserter(a_numbers), is_number);
  std::copy_if(b.begin(), b.end(), std::back_inserter(b_numbers), is_number);
  if (a_numbers.size() == b_numbers.size() && a_numbers != b_numbers) alike /= 2;
  if (a.back() != b.back()) alike /= 2;
  return alike;
}

NameMatcher::NameMatcher(std::span<const std::string> a, std::span<const std::string> b) {
  std::map<std::vector<std::string>, std::size_t> numbers;
  const auto read = [&](std::span<const std::string> names, std::vector<Name>& into) {
    for (const std::string& name : names) {
      std::vector<std::string> owner = name_words(name);
      into.push_back({owner, 0});
      if (!owner.empty()) owner.pop_back();
      into.back().owner = numbers.try_emplace(std::move(owner), numbers.size()).first->second;
    }
  };
  read(a, a_);
  read(b, b_);
}

void NameMatcher::know(std::size_t a, std::size_t b) { owners_.emplace(a_[a].owner, b_[b].owner); }

double NameMatcher::score(std::size_t a, std::size_t b) const {
  const Name& one = a_[a];
  const Name& other = b_[b];
  const double alike = likeness(one.words, other.words);
  const bool known = !one.words.empty() && !other.words.empty() && one.words.back() == other.words.back() &&
                     owners_.contains({one.owner, other.owner});
  return known ? 1 + alike : alike;
}

NameMatcher::Pairs NameMatcher::match(std::span<const std::size_t> a, std::span<const std::size_t> b, double least) const {
  std::vector<double> scores(a.size() * b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < b.size(); ++j) scores[i * b.size() + j] = score(a[i], b[j]);
  std::vector<bool> a_taken(a.size()), b_taken(b.size());
  Pairs pairs;
  // What stands in its row and in its column alone at the top is a pair; without it others may become that.
  for (bool more = true; more;) {
    more = false;
    constexpr auto kNone = static_cast<std::size_t>(-1);
    const auto best = [&](std::size_t count, const std::vector<bool>& taken, auto&& at) {
      std::size_t found = kNone;
      bool alone = true;
      for (std::size_t k = 0; k < count; ++k) {
        if (taken[k] || at(k) < least) continue;
        if (found == kNone || at(k) > at(found)) {
          found = k;
          alone = true;
        } else if (at(k) == at(found)) {
          alone = false;
        }
      }
      return alone ? found : kNone;
    };
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (a_taken[i]) continue;
      const std::size_t j = best(b.size(), b_taken, [&](std::size_t k) { return scores[i * b.size() + k]; });
      if (j == kNone) continue;
      if (best(a.size(), a_taken, [&](std::size_t k) { return scores[k * b.size() + j]; }) != i) continue;
      a_taken[i] = b_taken[j] = true;
      pairs.emplace_back(a[i], b[j]);
      more = true;
    }
  }
  return pairs;
}

}  // namespace holdall
