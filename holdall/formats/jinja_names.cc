#include "holdall/formats/jinja_names.h"

#include <algorithm>
#include <array>

#include "holdall/base/among.h"

namespace holdall {
namespace {

using Tokens = std::vector<JinjaToken>;
using Level = JinjaNames::Level;

// Filters and methods that make one text of others, of bytes, of numbers, or of a text in which it is spelled otherwise.
constexpr std::array<std::string_view, 22> kJoining = {
    "join",    "format",   "format_map", "replace",   "reverse",  "concat",    "encode", "decode",
    "fromhex", "to_bytes", "translate",  "maketrans", "unescape", "striptags", "center", "ljust",
    "rjust",   "indent",   "truncate",   "wordwrap",  "urlize",   "xmlattr"};
// Those that give parts of one text, or the same in other cases.
constexpr std::array<std::string_view, 20> kReshaping = {"lower",    "upper", "capitalize", "title",        "swapcase",
                                                         "casefold", "strip", "lstrip",     "rstrip",       "trim",
                                                         "split",    "first", "rsplit",     "removeprefix", "removesuffix",
                                                         "last",     "zfill", "partition",  "rpartition",   "splitlines"};
// What gives numbers: filters, and the fields of `loop`.
constexpr std::array<std::string_view, 3> kNumbers = {"length", "count", "int"};
constexpr std::array<std::string_view, 7> kOfLoop = {"index", "index0", "revindex", "revindex0", "length", "depth", "depth0"};
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
  constexpr std::array<std::string_view, 3> kBehind = {"is", "in", "not"};
  if (at > 0 && tokens[at - 1].is_name("not")) return true;
  if (at + 1 >= tokens.size()) return false;
  const JinjaToken& next = tokens[at + 1];
  if (next.is_mark('|')) return at + 2 < tokens.size() && is_among(kNumbers, tokens[at + 2].value);
  const bool is_compared = next.is_mark('<') || next.is_mark('>') || next.is_mark('!') || next.is_mark('=');
  return is_compared || (next.kind == JinjaToken::Kind::kName && is_among(kBehind, next.value));
}

// A number that is added or subtracted: `i + 1`, `x|length`, `loop.index0`. Texts are multiplied by numbers, too.
bool is_count(const Tokens& tokens, std::size_t at) noexcept {
  const JinjaToken& token = tokens[at];
  const auto is_near = [&](char mark) { return is_mark(tokens, at + 1, mark) || (at > 0 && is_mark(tokens, at - 1, mark)); };
  if (token.kind == JinjaToken::Kind::kNumber) return (is_near('+') || is_near('-')) && !is_near('*') && !is_near('%');
  if (token.kind != JinjaToken::Kind::kName || at == 0) return false;
  if (tokens[at - 1].is_mark('|')) return is_among(kNumbers, token.value);
  return at > 1 && tokens[at - 1].is_mark('.') && tokens[at - 2].is_name("loop") && is_among(kOfLoop, token.value);
}

constexpr std::size_t kNear = 96;

// The bracket that the one at `at` closes; 0 where there is none, or none near.
std::size_t opening_of(const Tokens& tokens, std::size_t at) noexcept {
  std::size_t depth = 0;
  for (const std::size_t end = at - std::min(at, kNear); at > end; --at) {
    if (is_closing(tokens[at])) ++depth;
    if (is_opening(tokens[at]) && --depth == 0) return at;
  }
  return 0;
}

// A filter or a method at `at`: `|lower`, `.lower`, `['lower']`, `map('lower')`, `attr('lower')`.
bool is_taken(const Tokens& tokens, std::size_t at) noexcept {
  if (at == 0) return false;
  const JinjaToken& before = tokens[at - 1];
  if (!tokens[at].is_text()) return before.is_mark('|') || before.is_mark('.') || before.is_name("filter");
  if (at < 2) return false;
  const JinjaToken& taker = tokens[at - 2];
  return taker.is_name("map") || taker.is_name("attr") || (before.is_mark('[') && ends_value(taker)) ||
         (before.is_mark('=') && taker.is_name("attribute"));
}

// `strftime_now('%d %b %Y')`: of directives alone, which give what the time is.
bool is_date(const Tokens& tokens, std::size_t at) noexcept {
  if (!is_mark(tokens, at + 1, '(') || !is_mark(tokens, at + 3, ')') || !tokens[at + 2].is_text()) return false;
  bool is_directive = false;
  for (const char c : tokens[at + 2].value) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if ((is_letter && !is_directive) || c == '_' || (c == '%' && is_directive)) return false;
    is_directive = c == '%';
  }
  return true;
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
  if (token.is_name("strftime_now")) return !is_date(tokens, at);
  if (token.kind == JinjaToken::Kind::kMark || !is_joining(token.value) || !is_taken(tokens, at)) return false;
  return token.is_text() || token.value != "reverse";  // which lists are, too
}

void JinjaSum::step(const Tokens& tokens, std::size_t at) noexcept {
  constexpr std::array<std::string_view, 5> kChoosing = {"if", "elif", "else", "or", "and"};
  const JinjaToken& token = tokens[at];
  if (token.is_mark(',') || (token.kind == JinjaToken::Kind::kName && is_among(kChoosing, token.value))) {
    found_ = may_be_text();
    adds_ = counts_ = false;
  }
  const auto is_list_before = [&] {
    if (at == 0 || !tokens[at - 1].is_mark(']')) return false;
    const std::size_t open = opening_of(tokens, at - 1);
    return open == 0 || !ends_value(tokens[open - 1]);
  };
  const auto is_number = [&](std::size_t i) { return i < tokens.size() && tokens[i].kind == JinjaToken::Kind::kNumber; };
  const bool formats = token.is_mark('%') && !is_number(at + 1) && (at == 0 || !is_number(at - 1));
  if (token.is_mark('+') && !is_mark(tokens, at + 1, '[') && !is_list_before()) adds_ = true;
  adds_ = adds_ || formats;
  counts_ = counts_ || is_count(tokens, at);
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
    JinjaSum sum = {};
    bool counted = false;  // the last value before it
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
      // A text as much as the keys of a dict: `dict(x__class__x=1)|first`.
      if (is_argument && token.value.find("__") != token.value.npos) frame.all = Level::kWhole;
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
    if (!frame.is_condition) frame.sum.step(tokens_, i);
    if (joins_at(tokens_, i) || (!frame.is_condition && names_.reshapes_at(tokens_, i))) frame.level = Level::kWhole;
    if (token.kind == JinjaToken::Kind::kName && !frame.is_condition) mention(i);
  }

  void mention(std::size_t i) {
    Frame& frame = frames_.back();
    if ((i > 0 && tokens_[i - 1].is_mark('.')) || is_asked(tokens_, i)) return;
    const Level level = names_.level_at(tokens_, i);
    const bool is_item =
        is_mark(tokens_, i + 1, '[') && i + 2 < tokens_.size() && tokens_[i + 2].kind == JinjaToken::Kind::kName;
    if (level == Level::kText && is_item) frame.level = Level::kWhole;  // one of its methods or characters
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
    if (closed.kind == Kind::kGroup && closed.counted) outer.sum.count();
  }

  // The end of an argument or an entry.
  void flush(Frame& frame) {
    if (frame.adds && frame.has_text) frame.level = Level::kWhole;
    if (frame.sum.may_be_text()) frame.level = std::max(frame.level, Level::kParts);
    frame.counted = frame.sum.counts();
    frame.sum = {};
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
  has_underscores_ = std::any_of(codes.begin(), codes.end(), [](const JinjaCode& code) {
    return std::any_of(code.tokens.begin(), code.tokens.end(),
                       [](const JinjaToken& token) { return token.is_text() && token.value.find("__") != std::string::npos; });
  });
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

bool JinjaNames::reshapes_at(const Tokens& tokens, std::size_t at) const {
  const JinjaToken& token = tokens[at];
  if (!has_underscores_ || token.kind == JinjaToken::Kind::kMark || !is_taken(tokens, at)) return false;
  if (!is_among(kReshaping, token.value)) return false;
  if (token.is_text()) return true;
  return tokens[at - 1].is_name("filter") || is_made_of_text(tokens, at - 1);
}

// Whether the value that ends before `end` is a text of the template, or is what a call, an item or a filter gives of one.
bool JinjaNames::is_made_of_text(const Tokens& tokens, std::size_t end) const {
  constexpr int kLongestChain = 32;
  for (int links = 0; end > 0; ++links) {
    std::size_t at = end - 1;
    if (links == kLongestChain || tokens[at].is_text()) return true;
    if (is_closing(tokens[at])) {
      const std::size_t open = opening_of(tokens, at);
      if (open == 0 && at > kNear) return true;
      if (open == 0 || tokens[open].is_mark('{') || !ends_value(tokens[open - 1])) return holds_text(tokens, open, at);
      end = open;
      continue;
    }
    const bool is_link = at > 0 && (tokens[at - 1].is_mark('.') || tokens[at - 1].is_mark('|'));
    if (!is_link) return tokens[at].kind == JinjaToken::Kind::kName && level_at(tokens, at) >= Level::kText;
    end = at - 1;
  }
  return false;
}

bool JinjaNames::holds_text(const Tokens& tokens, std::size_t begin, std::size_t end) const {
  for (std::size_t i = begin; i < end; ++i) {
    const bool is_part = i > 0 && (tokens[i - 1].is_mark('.') || tokens[i - 1].is_mark('|'));
    const bool is_name = tokens[i].kind == JinjaToken::Kind::kName && !is_part;
    if (tokens[i].is_text() || (is_name && level_at(tokens, i) >= Level::kText)) return true;
  }
  return false;
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
