// Policy: what a team lets into its models beyond what is inert, and which formats it does not let in at all.
//
// A policy only ever moves the line of what scan() calls inert; nothing in a file is run, whatever it says. TOML 1.0:
//   [allow]
//   names = ["mylab.Net", "mylab.layers.*"]   # of classes, functions, operators: what a finding is about
//   rules = ["hub-entry"]                     # ids of rules, for findings that are code
//   formats = ["safetensors", "gguf"]         # these alone, where it is given
//   [forbid]
//   formats = ["pickle"]
// A name is exact, or all of a package ("mylab.*"). What is malicious is allowed by its exact name alone, what is unreadable
// not at all. A class within a class is named with a colon ("mylab:Outer.Inner") and never meant by a package. Thread-safety:
// constant once made. Ownership: value type.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/base/result.h"
#include "holdall/objects/verdict.h"

namespace holdall {

class Policy {
 public:
  // Allows what is inert, in every format.
  Policy() = default;
  // `where` is the file's name in messages. Errors: invalid argument, saying the line: no TOML, a key that is none of the
  // above, a rule or a format that there is not.
  static Result<Policy> parse(std::string_view toml, std::string_view where);
  // Errors: those of parse(), and of reading a file.
  static Result<Policy> read(const std::string& path);

  bool allows(const Finding& finding) const;
  bool allows_format(std::string_view id) const;
  // Where it was read from; empty for the policy that allows what is inert.
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
  std::set<std::string, std::less<>> names_;
  std::vector<std::string> packages_;  // "mylab."
  std::set<Rule> rules_;
  std::optional<std::set<std::string, std::less<>>> formats_;
  std::set<std::string, std::less<>> forbidden_;
};

}  // namespace holdall
