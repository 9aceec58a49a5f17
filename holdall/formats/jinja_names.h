// Which names of a Jinja template hold texts that it puts together, followed from where they are made through `set`, `with`,
// `for`, macros and what these are called with. Scopes are not told apart: a name is one wherever it stands.
//
// Thread-safety: may be read from several threads. Ownership: owns what it keeps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdall/formats/jinja_code.h"

namespace holdall {

// What follows a value: `[` behind it names an item, `(` calls it.
bool ends_value(const JinjaToken& token) noexcept;
// `|join`, `.decode`, `'reverse'`: what gives texts that stand nowhere in the template.
bool is_joining(std::string_view name) noexcept;
// Whether a text is put together at `at`: by `~`, by what joins, by an item of a text.
bool joins_at(const std::vector<JinjaToken>& tokens, std::size_t at) noexcept;

// Whether `+` or `%` may put texts together: where nothing is evidently a number, to which Python adds no text, or a list.
class JinjaSum {
 public:
  void step(const std::vector<JinjaToken>& tokens, std::size_t at) noexcept;
  void count() noexcept { counts_ = true; }
  bool counts() const noexcept { return counts_; }
  bool may_be_text() const noexcept { return found_ || (adds_ && !counts_); }

 private:
  bool adds_ = false, counts_ = false;  // of the summands behind the last `if`, `else`, `or`
  bool found_ = false;
};

class JinjaNames {
 public:
  // kText: holds a text as the template has it. kParts: a list or dict of which some fields are put together. kWhole: may be
  // a text that is put together, or holds one in any place.
  enum class Level : std::uint8_t { kNone, kText, kParts, kWhole };

  explicit JinjaNames(const std::vector<JinjaCode>& codes);

  // Whether what the name at `at` stands for, or the field that is taken of it, may be a text that is put together.
  bool is_composed(const std::vector<JinjaToken>& tokens, std::size_t at) const;
  // Whether a filter or a method at `at` cuts or respells a text of the template, which has such that hold "__".
  bool reshapes_at(const std::vector<JinjaToken>& tokens, std::size_t at) const;
  // Whether names are handed on through more others than are followed.
  bool is_too_deep() const noexcept { return is_too_deep_; }

 private:
  friend class JinjaFlow;
  using Names = std::map<std::string, Level, std::less<>>;
  struct Handed {  // to one parameter of all macros of a name
    std::vector<std::string> names;
    Level level = Level::kNone;
  };
  struct Macro {
    std::vector<Handed> parameters;
    bool takes_anything = false;
  };

  void learn_parameters(const JinjaCode& code);
  bool is_made_of_text(const std::vector<JinjaToken>& tokens, std::size_t end) const;
  bool holds_text(const std::vector<JinjaToken>& tokens, std::size_t begin, std::size_t end) const;
  Level level_at(const std::vector<JinjaToken>& tokens, std::size_t at) const;
  void raise(Names& names, std::string_view name, Level level);
  void hand(Macro& macro, std::size_t position, Level level);
  void hand_anything(Macro& macro);

  Names names_;
  Names fields_;
  std::map<std::string, Macro, std::less<>> macros_;
  bool has_changed_ = false;
  bool is_too_deep_ = false;
  bool has_underscores_ = false;
};

}  // namespace holdall
