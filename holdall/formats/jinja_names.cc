#include "holdall/formats/jinja_names.h"

#include <algorithm>
#include <array>

#include "holdall/base/among.h"

namespace holdall {
namespace {

using Tokens = std::vector<JinjaToken>;
using Level = JinjaNames::Level;

constexpr std::array<std::string_view, 6> kJoining = {"join", "format", "format_map", "replace", "reverse", "concat"};
// What a macro or a block is handed without a name of its own.
constexpr std::array<std::string_view, 4> kHanded = {"caller", "self", "varargs", "kwargs"};
// Methods that put what they are called with into their object.
constexpr std::array<std::string_view, 5> kPutting = {"append", "extend", "insert", "update", "setdefault"};

bool is_mark(const Tokens& tokens, std::size_t at, char mark) noexcept {
  return at < tokens.size() && tokens[at].is_mark(mark);
}
bool is_opening(const JinjaToken& token) noexcept { return token.is_mark('(') || token.is_mark('[') || token.is_mark('{'); }
bool is_closing(const JinjaToken& token) noexcept { return token.is_mark(')') || token.is_mark(']') || token.is_mark('}'); }
bool is_assigned(const Tokens& tokens, std::size_t at) noexcept {
  return is_mark(tokens, at + 1, '=') && !is_mark(tokens, at + 2, '=');
}

// A name that is looked at and does not go on into the value: `x is none`, `x == 'a'`, `not x`, `x|length`.
bool is_asked(const Tokens& tokens, std::size_t at) noexcept {
  constexpr std::array<std::string_view, 3> kBehind = {"is", "in", "not"}, kNumbers = {"length", "count", "int"};
  if (at > 0 && tokens[at - 1].is_name("not")) return true;
  if (at + 1 >= tokens.size()) return false;
  const JinjaToken& next = tokens[at + 1];
  if (next.is_mark('|')) return at + 2 < tokens.size() && is_among(kNumbers, tokens[at + 2].value);
  const bool is_compared = next.is_mark('<') || next.is_mark('>') || next.is_mark('!') || next.is_mark('=');
  return is_compared || (next.kind == JinjaToken::Kind::kName && is_among(kBehind, next.value));
}

// Where the last token that `is` outside of all brackets stands; past the end where there is none.
template <class Is>
std::size_t last_outside(const Tokens& tokens, Is is) {
  std::size_t depth = 0, found = tokens.size();
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (is_closing(tokens[i]) && depth > 0) --depth;
    if (depth == 0 && is(i)) found = i;
    if (is_opening(tokens[i])) ++depth;
  }
  return found;
}

}  // namespace

bool ends_value(const JinjaToken& token) noexcept {
  if (token.kind != JinjaToken::Kind::kName) return token.is_text() || token.is_mark(']') || token.is_mark(')');
  constexpr std::array<std::string_view, 9> kWords = {"in", "not", "and", "or", "if", "else", "elif", "is", "set"};
  return !is_among(kWords, token.value);
}

bool is_joining(std::string_view name) noexcept { return is_among(kJoining, name); }

bool joins_at(const Tokens& tokens, std::size_t at) noexcept {
  const JinjaToken& token = tokens[at];
  if (token.is_mark('~')) return true;
  if (token.is_text() && is_mark(tokens, at + 1, '[')) return true;
  if (token.kind == JinjaToken::Kind::kMark || !is_joining(token.value) || at == 0) return false;
  // Its name as a text: `x['join']`, `map('join')`.
  if (token.is_text() && at < 2) return false;
  if (token.is_text()) return tokens[at - 2].is_name("map") || (tokens[at - 1].is_mark('[') && ends_value(tokens[at - 2]));
  const bool is_taken = tokens[at - 1].is_mark('|') || tokens[at - 1].is_mark('.') || tokens[at - 1].is_name("filter");
  return is_taken && token.value != "reverse";  // which lists are, too
}

// Goes through one piece of code and says of each place that a value is put in how it is made.
class JinjaFlow {
 public:
  JinjaFlow(const Tokens& tokens, JinjaNames& names) : tokens_(tokens), names_(names) {}

  void run(bool is_statement) {
    const std::string_view word = is_statement && !tokens_.empty() ? std::string_view(tokens_[0].value) : std::string_view();
    std::size_t begin = word.empty() ? 0 : 1, end = tokens_.size(), targets = 0;
    if (word == "set" || word == "with") {
      const auto gives = [&](std::size_t i) { return i > 0 && is_assigned(tokens_, i) && ends_value(tokens_[i]); };
      // `{% set x %}…{% endset %}`: a text that stands outside of all code.
      const std::size_t last = last_outside(tokens_, gives);
      targets = std::min(last + 1, tokens_.size());
      if (word == "set") begin = targets;
      is_block_ = word == "set" && last == tokens_.size();
    } else if (word == "for") {
      const auto in = std::find_if(tokens_.begin(), tokens_.end(), [](const JinjaToken& t) { return t.is_name("in"); });
      targets = static_cast<std::size_t>(in - tokens_.begin());
      begin = std::min(targets + 1, tokens_.size());
      end = std::min(end, last_outside(tokens_, [&](std::size_t i) { return i > targets && tokens_[i].is_name("if"); }));
    }
    frames_.push_back({word == "with" ? Kind::kCall : Kind::kGroup, {}});
    for (std::size_t i = begin; i < end; ++i) step(i);
    while (frames_.size() > 1) close();
    flush(frames_.back());
    give(targets);
    if (word == "for" && frames_.back().all > Level::kText) {
      names_.raise(names_.names_, "loop", Level::kParts);
      for (const std::string_view item : {"previtem", "nextitem"}) names_.raise(names_.fields_, item, frames_.back().all);
    }
  }

 private:
  enum class Kind : std::uint8_t { kCall, kGroup, kItem, kList, kDict };
  // Open brackets, and what is known of the value that stands in them at the moment: an argument, an entry.
  struct Frame {
    Kind kind;
    std::string_view callee = {};  // of a call
    std::string_view put_into = {};
    std::string_view key = {};  // the name of the argument, the key of the entry
    bool is_keyed = false, is_spread = false, has_text = false, adds = false, is_condition = false;
    std::size_t position = 0;
    Level level = Level::kNone;
    Level all = Level::kNone;  // of the values before it
    bool had_text = false;     // in them
    bool has_literal = false;  // a text that is no argument of a call
  };

  void step(std::size_t i) {
    const JinjaToken& token = tokens_[i];
    Frame& frame = frames_.back();
    if (is_opening(token)) return open(i);
    if (is_closing(token)) return close();
    if (token.is_mark(',')) return flush(frame);
    if (token.is_name("if")) frame.is_condition = true;
    if (token.is_name("else")) frame.is_condition = false;
    const bool is_first = i == 0 || tokens_[i - 1].is_mark('(') || tokens_[i - 1].is_mark('{') || tokens_[i - 1].is_mark(',') ||
                          tokens_[i - 1].is_name("with");
    const bool is_argument = frame.kind == Kind::kCall && token.kind == JinjaToken::Kind::kName && is_assigned(tokens_, i);
    const bool is_entry = frame.kind == Kind::kDict && token.is_text() && is_mark(tokens_, i + 1, ':');
    if (is_first && (is_argument || is_entry)) {
      frame.key = token.value;
      frame.is_keyed = true;
      return;
    }
    if (is_first && token.is_mark('*')) {
      frame.is_spread = true;
    } else if (token.is_mark('+') || token.is_mark('*') || token.is_mark('%') || token.is_name("reverse")) {
      frame.adds = frame.adds || !is_assigned(tokens_, i);
    }
    frame.has_text = frame.has_text || token.is_text();
    frame.has_literal = frame.has_literal || token.is_text();
    if (joins_at(tokens_, i)) frame.level = Level::kWhole;
    if (token.kind == JinjaToken::Kind::kName && !frame.is_condition) mention(i);
  }

  void mention(std::size_t i) {
    Frame& frame = frames_.back();
    if ((i > 0 && tokens_[i - 1].is_mark('.')) || is_asked(tokens_, i)) return;
    const Level level = names_.level_at(tokens_, i);
    frame.has_text = frame.has_text || level == Level::kText;
    if (level > Level::kText) frame.level = std::max(frame.level, level);
    // A macro that is called by other names than its own takes anything.
    const bool is_own = is_mark(tokens_, i + 1, '(');
    if (is_own || names_.macros_.empty()) return;
    const auto macro = names_.macros_.find(tokens_[i].value);
    if (macro != names_.macros_.end()) names_.hand_anything(macro->second);
  }

  void open(std::size_t i) {
    const bool follows = i > 0 && ends_value(tokens_[i - 1]);
    if (tokens_[i].is_mark('{')) return frames_.push_back({Kind::kDict});
    if (tokens_[i].is_mark('[')) return frames_.push_back({follows ? Kind::kItem : Kind::kList});
    if (!follows) return frames_.push_back({Kind::kGroup});
    Frame call{Kind::kCall};
    const bool is_method = i > 2 && tokens_[i - 2].is_mark('.');
    if (!is_method) call.callee = tokens_[i - 1].value;
    if (is_method && is_among(kPutting, tokens_[i - 1].value)) call.put_into = tokens_[i - 3].value;
    frames_.push_back(call);
  }

  // Also of what is closed without having been opened, which Jinja refuses.
  void close() {
    if (frames_.size() == 1) return;
    flush(frames_.back());
    const Frame closed = frames_.back();
    frames_.pop_back();
    Frame& outer = frames_.back();
    outer.level = std::max(outer.level, closed.all);
    const bool is_value = closed.kind != Kind::kList && closed.kind != Kind::kDict;
    outer.has_text = outer.has_text || (is_value && closed.had_text);
    outer.has_literal = outer.has_literal || (closed.kind == Kind::kGroup && closed.has_literal);
  }

  // The end of an argument or an entry.
  void flush(Frame& frame) {
    if (frame.adds && frame.has_text) frame.level = Level::kWhole;
    Level level = frame.level;
    if (level > Level::kText && frame.is_keyed) {
      names_.raise(names_.fields_, frame.key, level);
      if (frame.kind == Kind::kCall) names_.raise(names_.names_, frame.key, level);
      level = Level::kParts;
    } else if (level > Level::kText && !frame.callee.empty()) {
      hand(frame, level);
    }
    if (level > Level::kText && !frame.put_into.empty()) names_.raise(names_.names_, frame.put_into, level);
    frame.all = std::max(frame.all, level);
    frame.had_text = frame.had_text || frame.has_text;
    frame.level = Level::kNone;
    frame.is_keyed = frame.has_text = frame.adds = frame.is_condition = false;
    ++frame.position;
  }

  void hand(const Frame& frame, Level level) {
    const auto macro = names_.macros_.find(frame.callee);
    if (macro == names_.macros_.end()) return;
    if (frame.is_spread) return names_.hand_anything(macro->second);
    names_.hand(macro->second, frame.position, level);
  }

  // To the names before `targets`: `x`, `x.field`.
  void give(std::size_t targets) {
    const Frame& whole = frames_.back();
    const Level made = std::max(whole.all, whole.has_literal ? Level::kText : Level::kNone);
    const Level level = is_block_ ? Level::kWhole : made;
    if (level == Level::kNone) return;
    for (std::size_t i = 1; i < targets; ++i) {
      if (tokens_[i].kind != JinjaToken::Kind::kName) continue;
      const bool is_field = tokens_[i - 1].is_mark('.'), has_field = is_mark(tokens_, i + 1, '.');
      names_.raise(is_field ? names_.fields_ : names_.names_, tokens_[i].value,
                   has_field ? std::min(level, Level::kParts) : level);
      if (is_block_ && !has_field) return;  // what follows is a filter
    }
  }

  const Tokens& tokens_;
  JinjaNames& names_;
  std::vector<Frame> frames_;
  bool is_block_ = false;
};

JinjaNames::JinjaNames(const std::vector<JinjaCode>& codes) {
  for (const std::string_view name : kHanded) names_.emplace(name, Level::kWhole);
  for (const JinjaCode& code : codes) learn_parameters(code);
  constexpr int kMost = 8;
  for (int pass = 0; pass < kMost; ++pass) {
    has_changed_ = false;
    for (const JinjaCode& code : codes) JinjaFlow(code.tokens, *this).run(code.is_statement);
    if (!has_changed_) return;
  }
  is_too_deep_ = true;
}

bool JinjaNames::is_composed(const Tokens& tokens, std::size_t at) const {
  return !is_asked(tokens, at) && level_at(tokens, at) >= Level::kParts;
}

// `{% macro f(a, b=1) %}`, whose result is a text that it puts together; `{% call(a) f() %}`, which `caller(…)` fills;
// `{% for a in b recursive %}`, which `loop(…)` fills.
void JinjaNames::learn_parameters(const JinjaCode& code) {
  const Tokens& tokens = code.tokens;
  if (!code.is_statement || tokens.size() < 3) return;
  const bool is_macro = tokens[0].is_name("macro"), is_call = tokens[0].is_name("call") && tokens[1].is_mark('(');
  const bool is_loop = tokens[0].is_name("for") && tokens.back().is_name("recursive");
  if (!is_macro && !is_call && !is_loop) return;
  if (is_macro) names_[tokens[1].value] = Level::kWhole;
  std::vector<Handed>& handed = macros_[is_macro ? tokens[1].value : is_call ? "caller" : "loop"].parameters;
  std::size_t position = 0, depth = 0;
  for (std::size_t i = is_macro ? 2 : 1; i < tokens.size(); ++i) {
    if (is_opening(tokens[i])) ++depth;
    if (is_closing(tokens[i]) && (depth == 0 || --depth == 0)) break;
    if (is_loop && tokens[i].is_name("in")) break;
    if (tokens[i].is_mark(',') && depth <= 1 && !is_loop) ++position;
    const bool begins = is_loop || tokens[i - 1].is_mark('(') || tokens[i - 1].is_mark(',');
    if (depth > 1 || tokens[i].kind != JinjaToken::Kind::kName || !begins) continue;
    if (handed.size() <= position) handed.resize(position + 1);
    handed[position].names.push_back(tokens[i].value);
  }
}

JinjaNames::Level JinjaNames::level_at(const Tokens& tokens, std::size_t at) const {
  const auto found = names_.find(tokens[at].value);
  Level level = found == names_.end() ? Level::kNone : found->second;
  for (std::size_t i = at + 1; level == Level::kParts && i + 1 < tokens.size();) {
    const bool is_dotted = tokens[i].is_mark('.') && !is_mark(tokens, i + 2, '(');
    const bool is_item = tokens[i].is_mark('[') && tokens[i + 1].is_text() && is_mark(tokens, i + 2, ']');
    if (!is_dotted && !is_item) break;
    const auto field = fields_.find(tokens[i + 1].value);
    level = field == fields_.end() ? Level::kNone : field->second;
    i += is_dotted ? 2 : 3;
  }
  return level;
}

void JinjaNames::raise(Names& names, std::string_view name, Level level) {
  const auto at = names.find(name);
  if (at != names.end() && at->second >= level) return;
  names.insert_or_assign(std::string(name), level);
  has_changed_ = true;
}

void JinjaNames::hand(Macro& macro, std::size_t position, Level level) {
  if (position >= macro.parameters.size() || macro.parameters[position].level >= level) return;
  macro.parameters[position].level = level;
  for (const std::string& name : macro.parameters[position].names) raise(names_, name, level);
}

void JinjaNames::hand_anything(Macro& macro) {
  if (macro.takes_anything) return;
  macro.takes_anything = true;
  for (std::size_t n = 0; n < macro.parameters.size(); ++n) hand(macro, n, Level::kWhole);
}

}  // namespace holdall
