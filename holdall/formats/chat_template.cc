#include "holdall/formats/chat_template.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <vector>

#include "holdall/base/among.h"
#include "holdall/base/printable.h"
#include "holdall/base/text.h"
#include "holdall/formats/jinja_code.h"
#include "holdall/formats/jinja_names.h"

namespace holdall {
namespace {

using Tokens = std::vector<JinjaToken>;
// Templates of models have some kilobytes; their tokens are in memory all at once.
constexpr std::size_t kLongest = 1u << 20;

constexpr std::array<std::string_view, 4> kLoading = {"include", "import", "from", "extends"};
// Filters that take the name of an attribute.
constexpr std::array<std::string_view, 9> kByAttribute = {"map",    "groupby",    "sort", "sum", "unique",
                                                          "select", "selectattr", "max",  "min"};
// What a renderer that hands in Python's own functions and modules would call. Nothing that renders chats does.
constexpr std::array<std::string_view, 9> kPython = {"eval",    "exec",    "compile",  "open",   "getattr",
                                                     "setattr", "globals", "execfile", "delattr"};
// Jinja's own functions, by whose attributes Python's are reached; templates call them.
constexpr std::array<std::string_view, 6> kFunctions = {"lipsum", "cycler", "joiner", "namespace", "dict", "range"};
constexpr std::array<std::string_view, 10> kModules = {"os",    "sys",    "subprocess", "importlib", "builtins",
                                                       "posix", "shutil", "socket",     "ctypes",    "pty"};

// As Python's are spelled; "__NOT_A_NUMBER__" is somebody's own.
bool is_internal_part(std::string_view name) noexcept {
  const bool is_shouted = std::none_of(name.begin(), name.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  return !is_shouted && name.size() > 4 && name.starts_with("__") && name.ends_with("__") &&
         name.find_first_of(" \t\r\n<>|") == name.npos;
}

// "__class__", or a path through it: "x.__class__.y".
bool is_internal(std::string_view name) noexcept {
  while (true) {
    const std::size_t dot = name.find('.');
    if (is_internal_part(name.substr(0, dot))) return true;
    if (dot == std::string_view::npos) return false;
    name.remove_prefix(dot + 1);
  }
}

// A piece of such a name: "__cla", "ss__", "_".
bool is_piece(std::string_view name) noexcept {
  const bool has_edge = name.starts_with("__") || name.ends_with("__") || name.find_first_not_of('_') == std::string_view::npos;
  return !name.empty() && has_edge && !is_internal_part(name);
}

// A replacement field of str.format that goes by an attribute or an item with an underscore: "{0.__class__}".
bool has_reaching_field(std::string_view text_) noexcept {
  for (std::size_t open = text_.find('{'); open != std::string_view::npos; open = text_.find('{', open + 1)) {
    std::size_t at = open + 1;
    const auto is_word = [&] {
      const char c = text_[at];
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '[' ||
             c == ']';
    };
    while (at < text_.size() && is_word()) ++at;
    const std::string_view field = text_.substr(open + 1, at - open - 1);
    if (field.find("._") != std::string_view::npos || field.find("[_") != std::string_view::npos) return true;
  }
  return false;
}

// A conversion that makes a character of a number, whatever the character: "%c", "%(a)-2c", "{:c}".
bool has_character_field(std::string_view text_) noexcept {
  for (std::size_t at = text_.find('%'); at != std::string_view::npos; at = text_.find('%', at + 1)) {
    std::size_t end = at + 1;
    if (text_.substr(end).starts_with('(')) end = std::min(text_.find_first_of("%)", end), text_.size() - 1) + 1;
    end = text_.find_first_not_of("-+#*.0123456789", end);
    if (end < text_.size() && text_[end] == 'c') return true;
  }
  for (std::size_t at = text_.find("c}"); at != std::string_view::npos; at = text_.find("c}", at + 2)) {
    std::size_t begin = at;
    while (begin > 0 && text_.substr(begin - 1, 1).find_first_of("<>=^+-#0123456789") == 0) --begin;
    if (begin > 0 && text_[begin - 1] == ':') return true;
  }
  return false;
}

// "x__init__x": a name of internals within a text, of which it may be cut.
bool holds_internal(std::string_view text_) noexcept {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (std::size_t at = text_.find("__"); at != std::string_view::npos; at = text_.find("__", at)) {
    at = text_.find_first_not_of('_', at);
    const std::size_t end = std::min(text_.find_first_not_of(kLetters, at), text_.size());
    if (at < end && text_.substr(end).starts_with("__")) return true;
  }
  return false;
}

class Judge {
 public:
  Judge(const std::vector<JinjaCode>& codes, std::string_view where, Findings& findings)
      : where_(where), findings_(findings), names_(codes) {}

  void judge(const std::vector<JinjaCode>& codes) {
    for (const JinjaCode& code : codes) learn(code);
    if (names_.is_too_deep()) add(Verdict::kCode, "the template hands texts on through more names than are followed");
    for (const JinjaCode& code : codes) {
      if (code.is_statement) judge_statement(code.tokens);
      judge_tokens(code.tokens);
    }
  }

 private:
  // The names that the template makes, and whether it holds pieces of the names of internals.
  void learn(const JinjaCode& code) {
    const Tokens& tokens = code.tokens;
    const std::size_t thrown = end_of_targets(code);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (tokens[i].kind == JinjaToken::Kind::kMark || tokens[i].kind == JinjaToken::Kind::kNumber) continue;
      const bool is_target = i > 0 && i < thrown && tokens[i].kind == JinjaToken::Kind::kName;
      has_pieces_ = has_pieces_ || (is_piece(tokens[i].value) && !is_target);
      if (tokens[i].is_text()) {
        has_pieces_ = has_pieces_ || has_character_field(tokens[i].value) || holds_internal(tokens[i].value);
        continue;
      }
      const bool is_given = i + 1 < tokens.size() && tokens[i + 1].is_mark('=');
      const bool is_parameter = i > 1 && tokens[0].is_name("macro") && tokens[i - 1].is_mark('(');
      const bool is_walked =
          is_parameter ||
          (i > 0 && (tokens[i - 1].is_name("for") || tokens[i - 1].is_name("macro") || tokens[i - 1].is_mark(',')));
      if (code.is_statement && (is_given || is_walked)) made_.insert(tokens[i].value);
    }
  }

  // `{% set _ = list.append(x) %}`, `{% for _ in x %}`: variables, whose names are no texts.
  static std::size_t end_of_targets(const JinjaCode& code) {
    const Tokens& tokens = code.tokens;
    if (!code.is_statement || tokens.size() < 3) return 0;
    if (tokens[0].is_name("set")) return tokens[2].is_mark('=') ? 2 : 0;
    if (!tokens[0].is_name("for")) return 0;
    const auto in = std::find_if(tokens.begin(), tokens.end(), [](const JinjaToken& token) { return token.is_name("in"); });
    return static_cast<std::size_t>(in - tokens.begin());
  }

  void judge_tokens(const Tokens& tokens) {
    is_composed_.resize(tokens.size());
    for (std::size_t i = 0; i < tokens.size(); ++i) is_composed_[i] = composes_at(tokens, i);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const JinjaToken& token = tokens[i];
      const bool follows_dot = i > 0 && tokens[i - 1].is_mark('.');
      if (token.kind == JinjaToken::Kind::kName || token.is_text()) judge_word(token, follows_dot);
      if (token.is_text() && is_piece(token.value) && i + 1 < tokens.size() && is_cut(tokens[i + 1]))
        add(Verdict::kMalicious, "the template cuts a name out of a text");
      if (token.kind == JinjaToken::Kind::kName && i > 0 && (tokens[i - 1].is_mark('|') || tokens[i - 1].is_name("filter"))) {
        judge_filter(tokens, i);
      } else if (token.kind == JinjaToken::Kind::kName && !follows_dot) {
        judge_python(tokens, i);
      } else if (token.is_mark('[') && i > 0 && ends_value(tokens[i - 1])) {
        judge_item(tokens, i);
      } else if (token.is_mark('(') && i > 0 && (tokens[i - 1].is_mark(']') || tokens[i - 1].is_mark(')'))) {
        add(Verdict::kCode, "the template calls what it computes");
      }
    }
  }

  void judge_word(const JinjaToken& token, bool follows_dot) {
    if (is_internal(token.value)) {
      add(Verdict::kMalicious, text("the template reaches for '{}'", printable(token.value)));
    } else if (token.is_text() && has_reaching_field(token.value)) {
      add(Verdict::kMalicious, text("the template has str.format reach for '{}'", printable(token.value)));
    } else if (follows_dot && token.kind == JinjaToken::Kind::kName && token.value.front() == '_') {
      add(Verdict::kCode, text("the template reaches for '{}'", printable(token.value)));
    }
  }

  // "'__init__x'[:8]", "'__init__x'|trim('x')", "'__init__x'.strip('x')"
  static bool is_cut(const JinjaToken& next) noexcept { return next.is_mark('[') || next.is_mark('|') || next.is_mark('.'); }

  // `|attr("name")` says which attribute; anything else in the brackets computes it.
  void judge_filter(const Tokens& tokens, std::size_t at) {
    const std::string& filter = tokens[at].value;
    const auto is_plain = [&](std::size_t i, char behind) {
      return i + 1 < tokens.size() && tokens[i].is_text() && (tokens[i + 1].is_mark(behind) || tokens[i + 1].is_mark(')'));
    };
    const bool has_arguments = at + 2 < tokens.size() && tokens[at + 1].is_mark('(');
    if (filter == "attr") {
      if (!has_arguments || !is_plain(at + 2, ')')) add(Verdict::kMalicious, "the template computes the name of an attribute");
    } else if (has_arguments && is_among(kByAttribute, filter)) {
      const JinjaToken& first = tokens[at + 2];
      const bool is_attr = first.is_text() && first.value == "attr";
      if (is_attr && !is_plain(at + 4, ')')) add(Verdict::kMalicious, "the template computes the name of an attribute");
      const bool is_named = first.is_name("attribute") && at + 4 < tokens.size() && tokens[at + 3].is_mark('=');
      bool is_computed = is_named && !is_plain(at + 4, ',') && tokens[at + 4].kind != JinjaToken::Kind::kNumber;
      is_computed = is_computed || (first.is_text() && !is_plain(at + 2, ','));
      is_computed =
          is_computed || first.is_mark('*') || (filter == "map" && !first.is_text() && !is_mark_at(tokens, at + 3, '='));
      // `map('groupby', name)`: what the other filter is given.
      const bool hands_on = filter == "map" && first.is_text() && is_among(kByAttribute, first.value);
      if (is_computed || composes_argument(tokens, at + 2, hands_on))
        add(computed(), "the template computes the name of an attribute");
    }
  }

  static bool is_mark_at(const Tokens& tokens, std::size_t at, char mark) noexcept {
    return at < tokens.size() && tokens[at].is_mark(mark);
  }

  // Whether the first of the arguments that begin at `at`, or any of `all`, is put together.
  bool composes_argument(const Tokens& tokens, std::size_t at, bool all) const {
    std::size_t depth = 0;
    for (; at < tokens.size() && depth < kDeepest; ++at) {
      const JinjaToken& token = tokens[at];
      if (token.is_mark('(') || token.is_mark('[') || token.is_mark('{')) ++depth;
      if ((token.is_mark(')') || token.is_mark(']') || token.is_mark('}')) && depth-- == 0) return false;
      if (token.is_mark(',') && depth == 0 && !all) return false;
      // Its own name is the filter that `map` takes.
      const bool is_filter = token.is_text() && tokens[at - 1].is_mark('(') && tokens[at - 2].is_name("map");
      if (!is_filter && is_composed_[at]) return true;
    }
    return depth == kDeepest;
  }

  // Python's own functions and modules, where no name of the template's stands for them, and what Jinja's are used for but
  // called.
  void judge_python(const Tokens& tokens, std::size_t at) {
    const std::string& name = tokens[at].value;
    if (made_.contains(name)) return;
    const auto is_before = [&](char mark) { return is_mark_at(tokens, at + 1, mark); };
    const bool calls = is_before('(') && is_among(kPython, name);
    const bool takes = is_before('.') && is_among(kModules, name);
    if (calls || takes) add(Verdict::kMalicious, text("the template reaches for Python's {}", name));
    const bool is_given = is_before('=') && !is_mark_at(tokens, at + 2, '=');  // `f(range=1)`
    if (!is_among(kFunctions, name) || is_before('(') || is_given) return;
    const bool reaches = is_before('[') || is_before('.');
    add(reaches ? Verdict::kMalicious : Verdict::kCode, text("the template reaches into Jinja's {}", name));
  }

  // The brackets that open at `at`: a text or a name as it stands, a number, a range; or a name that is put together.
  void judge_item(const Tokens& tokens, std::size_t at) {
    if (at + 2 < tokens.size() && tokens[at + 1].is_text() && tokens[at + 2].is_mark(']')) return;
    bool has_text = false, has_name = false, has_operator = false, has_number = false, is_range = false, is_computed = false;
    bool chooses = false;      // between values, of which only some may be numbers
    std::vector<bool> counts;  // for each open bracket, whether texts within take part in the name
    JinjaSum sum;
    for (std::size_t i = at + 1; i < tokens.size() && counts.size() < kDeepest; ++i) {
      const JinjaToken& token = tokens[i];
      const bool takes_part = counts.empty() || counts.back();
      if (token.is_mark('[') || token.is_mark('(') || token.is_mark('{')) {
        const bool is_item = token.is_mark('[') && ends_value(tokens[i - 1]) && !tokens[i - 1].is_text();
        const bool is_call = token.is_mark('(') && ends_value(tokens[i - 1]);
        const bool joins = is_joining(tokens[i - 1].value);
        counts.push_back(takes_part && !is_item && (!is_call || joins));
        const bool cuts = token.is_mark('[') && tokens[i - 1].is_mark(')') && has_text;  // ('x__init__')[1:]
        has_operator = has_operator || (takes_part && ((is_call && joins) || tokens[i - 1].is_text() || cuts));
      } else if (token.is_mark(']') || token.is_mark(')') || token.is_mark('}')) {
        if (counts.empty()) break;
        counts.pop_back();
      } else if (takes_part) {
        is_range = is_range || (counts.empty() && token.is_mark(':'));
        has_text = has_text || token.is_text();
        has_name = has_name || (token.kind == JinjaToken::Kind::kName && !tokens[i - 1].is_mark('.'));
        has_number = has_number || token.kind == JinjaToken::Kind::kNumber;
        chooses = chooses || token.is_mark(',') || token.is_name("if") || token.is_name("or") || token.is_name("and");
        for (const char mark : {'+', '*', '%', '|'}) has_operator = has_operator || token.is_mark(mark);
        sum.step(tokens, i);
      }
      // Also in what a call is given, which it may give back.
      is_computed = is_computed || is_composed_[i];
    }
    if (is_range) return;
    has_number = has_number && !chooses;
    is_computed = is_computed || counts.size() == kDeepest || sum.may_be_text();
    is_computed = is_computed || (has_operator && (has_text || (has_pieces_ && !has_number)));
    if (is_computed) add(computed(), "the template computes the name of an item");
    // What a variable holds is not followed; where there are pieces of such names, it may be put together of them.
    const bool may_be_pieces = has_name && has_pieces_ && !has_number && !is_computed;
    if (may_be_pieces)
      add(Verdict::kCode, "the template takes an item by a variable, and holds pieces of the names of internals");
  }

  // A name that holds what is put together, or where that is done.
  bool composes_at(const Tokens& tokens, std::size_t i) const {
    const bool is_name = tokens[i].kind == JinjaToken::Kind::kName && (i == 0 || !tokens[i - 1].is_mark('.'));
    return (is_name && names_.is_composed(tokens, i)) || joins_at(tokens, i) || names_.reshapes_at(tokens, i);
  }

  void judge_statement(const Tokens& tokens) {
    if (!tokens.empty() && is_among(kLoading, tokens.front().value)) {
      add(Verdict::kCode, text("the template loads another one ({})", tokens.front().value));
    }
  }

  Verdict computed() const noexcept { return has_pieces_ ? Verdict::kMalicious : Verdict::kCode; }

  // Each kind of thing once: a template may be made of nothing else.
  void add(Verdict severity, std::string what) {
    // Those before are other templates', of which a document may hold very many.
    const std::size_t begin = findings_.size() - std::min<std::size_t>(findings_.size(), kMost);
    const bool known = std::any_of(findings_.begin() + static_cast<std::ptrdiff_t>(begin), findings_.end(),
                                   [&](const Finding& finding) { return finding.where == where_ && finding.what == what; });
    if (!known && added_ < kMost) {
      findings_.push_back({severity, Rule::kChatTemplate, std::string(where_), std::move(what)});
      ++added_;
    }
  }

  static constexpr int kMost = 20;
  static constexpr std::size_t kDeepest = 24;
  std::string_view where_;
  Findings& findings_;
  JinjaNames names_;
  std::set<std::string> made_;
  std::vector<bool> is_composed_;  // of the tokens that are judged
  bool has_pieces_ = false;
  int added_ = 0;
};

}  // namespace

void judge_chat_template(std::string_view jinja, std::string_view where, Findings& findings) {
  if (jinja.size() > kLongest) {
    findings.push_back(
        {Verdict::kUnreadable, Rule::kChatTemplate, std::string(where),
         text("the template has {} bytes, more than the {} that one is looked at with", jinja.size(), kLongest)});
    return;
  }
  const std::vector<JinjaCode> codes = jinja_code(jinja);
  Judge(codes, where, findings).judge(codes);
}

}  // namespace holdall
