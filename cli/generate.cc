#include "cli/generate.h"

#include "cli/flags.h"
#include "cli/help.h"
#include "holdall/base/text.h"

namespace holdall::cli {
namespace {

constexpr std::string_view kVersionDate = "2026-11-22";  // of the manual page

// `text` with every character of `special` behind `escape`.
std::string escaped(std::string_view text, std::string_view special, std::string_view escape) {
  std::string out;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) out += escape;
    out += c;
  }
  return out;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : " ").append(word);
  return out;
}

bool applies(const FlagRow& flag, VerbSet verbs) { return (flag.verbs & verbs) != 0; }

// The flags of a verb, or of one of its actions: "--json --quiet".
std::string flag_names(VerbSet verbs) {
  std::vector<std::string> names;
  for (const FlagRow& flag : all_flags()) {
    if (applies(flag, verbs)) names.push_back(text("--{}", flag.name));
  }
  return joined(names);
}

std::string action_names(Verb verb) {
  std::vector<std::string> names;
  for (const ActionRow& action : actions_of(verb)) names.emplace_back(action.name);
  return joined(names);
}

bool takes_paths(const VerbRow& verb) { return verb.most > 0; }

// roff: a backslash and a dash are written so that they stay themselves, and no line starts with a control character.
std::string roff(std::string_view text) {
  std::string out = escaped(text, "\\", "\\");
  std::string dashed;
  for (const char c : out) dashed.append(c == '-' ? "\\-" : std::string(1, c));
  if (dashed.starts_with('.') || dashed.starts_with('\'')) dashed.insert(0, "\\&");
  return dashed;
}

void man_flag(std::string& out, const FlagRow& flag, const std::string& summary) {
  out += ".TP\n";
  if (flag.letter != 0) out += text("\\fB\\-{}\\fR, ", flag.letter);
  out += text("\\fB\\-\\-{}\\fR", roff(flag.name));
  if (!flag.argument.empty()) out += text(" \\fI{}\\fR", roff(flag.argument));
  out += "\n" + roff(summary) + "\n";
}

void man_verb(std::string& out, const VerbRow& verb) {
  out += text(".SS \"holdall {} [FLAGS] {}\"\n{}.\n", verb.name, verb.operands, roff(verb.summary));
  std::string_view rest = verb.detail;
  while (!rest.empty()) {
    const std::size_t end = rest.find("\n\n");
    out += ".PP\n" + roff(rest.substr(0, end)) + "\n";
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
  }
  for (const ActionRow& action : actions_of(verb.verb)) {
    out += text(".TP\n\\fB{}\\fR \\fI{}\\fR\n{}\n", action.name, action.operands, roff(action.summary));
  }
  for (const FlagRow& flag : all_flags()) {
    if (applies(flag, reach(verb.verb)) && flag.verbs != kEveryVerb) man_flag(out, flag, summary_on(flag, verb.verb));
  }
  out += ".PP\n.nf\n.RS\n";
  std::string_view example = verb.example;
  while (!example.empty()) {
    const std::size_t end = example.find('\n');
    out += roff(example.substr(0, end)) + "\n";
    example.remove_prefix(end == std::string_view::npos ? example.size() : end + 1);
  }
  out += ".RE\n.fi\n";
}

std::string man() {
  std::string out = text(".TH HOLDALL 1 \"{}\" \"holdall {}\" \"User Commands\"\n", kVersionDate, version());
  out +=
      ".SH NAME\nholdall \\- open, check, compare and convert machine\\-learning model files\n"
      ".SH SYNOPSIS\n\\fBholdall\\fR \\fIVERB\\fR [\\fIFLAGS\\fR] \\fIPATH\\fR...\n"
      ".SH DESCRIPTION\nWorks without the framework that wrote a file and without running the code inside it. A path may be a "
      "file, a "
      "folder, or \\- for standard input. Notes and a progress bar go to standard error.\n.SH VERBS\n";
  for (const VerbRow& verb : all_verbs()) man_verb(out, verb);
  out += ".SH FLAGS\n";
  for (const FlagRow& flag : all_flags()) {
    if (flag.verbs == kEveryVerb || flag.verbs == kNoVerb) man_flag(out, flag, std::string(flag.summary));
  }
  out +=
      ".SH EXIT STATUS\n.TP\n0\ndone, or the answer is yes\n.TP\n1\nthe answer is no: differs, damaged, unsafe, would lose "
      "something\n"
      ".TP\n2\ncould not answer: usage, unreadable, unsupported, input or output failed\n"
      ".SH ENVIRONMENT\n.TP\n\\fBNO_COLOR\\fR\nno colours, when set to anything\n"
      ".TP\n\\fBTMPDIR\\fR\nwhere standard input is kept when it is large; /tmp by default\n";
  return out;
}

std::string bash() {
  std::vector<std::string> verbs;
  std::string per_verb;
  for (const VerbRow& verb : all_verbs()) {
    verbs.emplace_back(verb.name);
    for (const ActionRow& action : actions_of(verb.verb)) {
      per_verb +=
          text("    \"{} {}\") flags=\"{}\" ;;\n", verb.name, action.name, flag_names(on(verb.verb) | on(action.action)));
    }
    const std::string actions = action_names(verb.verb);
    per_verb += text("    \"{} \"*) flags=\"{}\"{} ;;\n", verb.name, flag_names(reach(verb.verb)),
                     actions.empty() ? "" : text(" actions=\"{}\"", actions));
  }
  std::string values;
  std::vector<std::string> free;
  for (const FlagRow& flag : all_flags()) {
    if (flag.argument.empty()) continue;
    if (const auto words = choices(flag.values); !words.empty()) {
      values += text("    --{}) COMPREPLY=($(compgen -W \"{}\" -- \"$cur\")); return ;;\n", flag.name, joined(words));
    } else {
      free.push_back(text("--{}", flag.name));
    }
  }
  std::string patterns;  // of flags whose argument cannot be completed
  for (const std::string& name : free) patterns.append(patterns.empty() ? "" : "|").append(name);
  if (!patterns.empty()) patterns = text("    {}) return ;;\n", patterns);
  return text(
      "# bash completion of holdall; put it where bash-completion looks, or: source <(holdall --generate bash)\n"
      "_holdall() {{\n"
      "  local cur=\"${{COMP_WORDS[COMP_CWORD]}}\" prev=\"${{COMP_WORDS[COMP_CWORD-1]}}\" verb=\"\" action=\"\" flags=\"\" "
      "actions=\"\" word\n"
      "  COMPREPLY=()\n"
      "  case \"$prev\" in\n{}{}  esac\n"
      "  for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n"
      "    [[ \"$word\" == -* ]] && continue\n"
      "    [[ -n \"$verb\" ]] && {{ action=\"$word\"; break; }}\n"
      "    verb=\"$word\"\n"
      "  done\n"
      "  case \"$verb $action\" in\n{}"
      "    *) COMPREPLY=($(compgen -W \"{} --help --version --generate\" -- \"$cur\")); return ;;\n"
      "  esac\n"
      "  if [[ \"$cur\" == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$flags\" -- \"$cur\"))\n"
      "  elif [[ -n \"$actions\" ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$actions\" -- \"$cur\"))\n"
      "  else\n"
      "    compopt -o filenames\n"
      "    COMPREPLY=($(compgen -f -- \"$cur\"))\n"
      "  fi\n"
      "}}\n"
      "complete -F _holdall holdall\n",
      values, patterns, per_verb, joined(verbs));
}

std::string zsh_flag(const FlagRow& flag) {
  std::string action;
  if (!flag.argument.empty()) {
    const auto words = choices(flag.values);
    action = text(":{}:{}", escaped(flag.argument, ":", "\\"), words.empty() ? "" : "(" + joined(words) + ")");
  }
  const std::string summary = escaped(flag.summary, "[]:\\", "\\");
  const std::string quoted = text("[{}]{}", summary, action);
  std::string out;
  std::string name = text("--{}{}", flag.name, quoted);
  std::string safe;
  for (const char c : name) safe.append(c == '\'' ? "'\\''" : std::string(1, c));
  out += text(" \\\n        '*{}'", safe);
  if (flag.letter != 0) {
    std::string letter = text("-{}{}", flag.letter, quoted);
    out += text(" \\\n        '*{}'", letter);
  }
  return out;
}

// What _arguments completes behind a verb or an action.
std::string zsh_case(std::string_view name, VerbSet verbs, std::string_view operands) {
  std::string out = text("    {})\n      _arguments -S", name);
  for (const FlagRow& flag : all_flags()) {
    if (applies(flag, verbs)) out += zsh_flag(flag);
  }
  return out + (operands.empty() ? "\n      ;;\n" : " \\\n        '*:path:_files'\n      ;;\n");
}

// Of a verb with actions: they, and what each of them takes.
std::string zsh_actions(const VerbRow& verb) {
  std::string names;
  std::string cases;
  for (const ActionRow& action : actions_of(verb.verb)) {
    names += text("        '{}:{}'\n", action.name, escaped(action.summary, ":", "\\"));
    cases += zsh_case(action.name, on(verb.verb) | on(action.action), action.operands);
  }
  std::string flags;
  for (const FlagRow& flag : all_flags()) {
    if (applies(flag, reach(verb.verb))) flags += zsh_flag(flag);
  }
  return text(
      "    {})\n      local -a actions\n      actions=(\n{}      )\n"
      "      _arguments -C -S{} \\\n        '1:action:->action' '*::argument:->operands'\n"
      "      case $state in\n"
      "    action) _describe action actions ;;\n"
      "    operands)\n"
      "  case $words[1] in\n{}  esac\n"
      "  ;;\n  esac\n      ;;\n",
      verb.name, names, flags, cases);
}

std::string zsh() {
  std::string verbs;
  std::string cases;
  for (const VerbRow& verb : all_verbs()) {
    verbs += text("    '{}:{}'\n", verb.name, escaped(verb.summary, ":", "\\"));
    cases += actions_of(verb.verb).empty() ? zsh_case(verb.name, on(verb.verb), verb.operands) : zsh_actions(verb);
  }
  std::string whole;
  for (const FlagRow& flag : all_flags()) {
    if (flag.verbs == kEveryVerb || flag.verbs == kNoVerb) whole += zsh_flag(flag);
  }
  return text(
      "#compdef holdall\n"
      "# zsh completion of holdall; put it as _holdall into a folder of $fpath\n"
      "_holdall() {{\n"
      "  local curcontext=\"$curcontext\" state line\n"
      "  local -a verbs\n"
      "  verbs=(\n{}  )\n"
      "  _arguments -C{} \\\n        '1:verb:->verb' '*::argument:->rest'\n"
      "  case $state in\n"
      "    verb) _describe verb verbs ;;\n"
      "    rest)\n"
      "  case $words[1] in\n{}  esac\n"
      "  ;;\n  esac\n"
      "}}\n"
      "_holdall \"$@\"\n",
      verbs, whole, cases);
}

std::string fish() {
  // The words behind "holdall" that are no flags say where the cursor is.
  std::string out =
      "# fish completion of holdall; save as ~/.config/fish/completions/holdall.fish\n"
      "function __holdall_at\n"
      "    set -l words (string match -v -- '-*' (commandline -opc))\n"
      "    for place in $argv\n"
      "        set -l wanted (string split -- ' ' $place)\n"
      "        set -l last (math 1 + (count $wanted))\n"
      "        test \"$words[2..$last]\" = \"$place\"; and return 0\n"
      "    end\n"
      "    return 1\n"
      "end\n"
      "function __holdall_right_behind\n"
      "    set -l words (string match -v -- '-*' (commandline -opc))\n"
      "    test \"$words[2..]\" = \"$argv\"\n"
      "end\n";
  const auto quoted = [](std::string_view word) { return "'" + escaped(word, "'\\", "\\") + "'"; };
  for (const VerbRow& verb : all_verbs()) {
    out += text("complete -c holdall -n __fish_use_subcommand -f -a {} -d {}\n", verb.name, quoted(verb.summary));
    for (const ActionRow& action : actions_of(verb.verb)) {
      out += text("complete -c holdall -n '__holdall_right_behind {}' -f -a {} -d {}\n", verb.name, action.name,
                  quoted(action.summary));
    }
  }
  for (const FlagRow& flag : all_flags()) {
    std::vector<std::string> owners;
    for (const VerbRow& verb : all_verbs()) {
      if (applies(flag, on(verb.verb))) owners.emplace_back(verb.name);
      for (const ActionRow& action : actions_of(verb.verb)) {
        if (applies(flag, on(action.action))) owners.push_back(text("\"{} {}\"", verb.name, action.name));
      }
    }
    std::string line = "complete -c holdall";
    if (flag.verbs == kNoVerb) line += " -n __fish_use_subcommand";
    if (flag.verbs != kNoVerb && flag.verbs != kEveryVerb) {
      line += text(" -n {}", quoted("__holdall_at " + joined(owners)));
    }
    line += text(" -l {}", flag.name);
    if (flag.letter != 0) line += text(" -s {}", flag.letter);
    if (!flag.argument.empty()) line += " -x";
    if (const auto words = choices(flag.values); !words.empty()) line += text(" -a {}", quoted(joined(words)));
    out += line + text(" -d {}\n", quoted(flag.summary));
  }
  for (const VerbRow& verb : all_verbs()) {
    if (!takes_paths(verb)) out += text("complete -c holdall -n '__holdall_at {}' -f\n", verb.name);
  }
  return out;
}

}  // namespace

std::string generate(std::string_view kind) {
  if (kind == "man") return man();
  if (kind == "bash") return bash();
  if (kind == "zsh") return zsh();
  return fish();
}

}  // namespace holdall::cli
