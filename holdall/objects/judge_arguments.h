// What the globals that are known to be inert are called with: the rules of globals.inc (HOLDALL_TAKES).
//
// An inert callable is inert for the arguments that it is made for. Given something imported, or an object that could act,
// many would call it, copy it or give it back, and a BUILD of what they gave back changes the import itself. So arguments are
// data: values, constants of torch, and what inert calls make of data. The table says where else is taken.
// Thread-safety: one thread. Ownership: refers to the caller's arena.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdall/codec/pickle.h"
#include "holdall/objects/clean_nodes.h"
#include "holdall/objects/globals.h"
#include "holdall/objects/interpretation.h"
#include "holdall/objects/judge_pandas.h"

namespace holdall {

// What stands at one position of a call.
enum class Takes : std::uint8_t {
  kData,
  kSingleton,   // None, Ellipsis or NotImplemented
  kEntries,     // a list, tuple, set or dict of anything
  kContent,     // what copyreg gives the built-in type at position 1: entries for a container, else a plain value
  kState,       // anything: it becomes attributes, as BUILD's does
  kClass,       // the class whose object is made
  kBase,        // a built-in type
  kFactory,     // what a defaultdict calls for a missing key, which loading never asks for: a container, a number or a plain
                // function
  kTensorType,  // a class of tensors
  kRebuild,     // a rebuild function of torch, which is called
  kRebuildArguments,  // the arguments of the rebuild function at position 0
  kArrayClass,        // a class of arrays or of their elements
  kRandom,            // NumPy's generators and their makers
  kNothing,           // no argument
  kZone,              // the key of a time zone, as it stands in a database of them
  kMadeArray,         // an array that a call has made
  kArrayMaker,        // the function that makes an array of NumPy
  kPandas,            // what tables are put together of: see PandasJudge
  kPandasClass,       // a class of pandas
  kKept,              // a function or a class that is kept for a user's calls
};

class ArgumentJudge {
 public:
  explicit ArgumentJudge(const Arena& arena) : arena_(arena) {}

  // What a call of something inert is given and must not be ("builtins.int", "an object of argparse.Namespace"); nothing for a
  // good one. What is not inert by itself is not looked for: its import has been judged.
  std::optional<std::string> call(Value object);

  // The class of an enumeration that an object is a member of, which others share; empty for any other value.
  static Value enumeration_of(Value object);
  // Whether a call of getattr names a member of a listed enumeration.
  static bool names_member(Value object);
  // Whether a call of getattr names the function by which time zones are pickled, and whether a call is one of it.
  static bool names_zones(Value object);
  // The row of the function that a call of getattr names in a listed class ("str.lower"); nullptr for any other value.
  static const GlobalRow* named_function(Value object);
  static bool is_zone(Value object);
  // A function or a class that may be kept with arguments for a user's calls: one that does nothing but compute.
  static bool is_kept(Value value);

  // A class of scorers, which call a method by a name that they are made with; pickle makes them empty and keeps none.
  static bool is_scorer(const GlobalRow& row) noexcept;
  // A function of NumPy, SciPy, scikit-learn or torch, which may call what it is given, or ask it for an array.
  static bool is_library_function(const GlobalRow& row) noexcept;
  // Why a value alone is no data; nothing for data. push_parts() finds what it holds.
  static std::optional<std::string> offence_of(Value value);
  static void push_parts(Value value, std::vector<NodeId>& stack);

  // What the state of an object of pandas must not hold.
  std::optional<std::string> pandas_state(NodeId state) { return pandas_.state(arena_.at(state)); }

 private:
  using Offence = std::optional<std::string>;

  Offence arguments_of(Builder builder, const std::vector<Value>& args);
  Offence argument(Takes takes, Value value, const std::vector<Value>& args);
  Offence entries(Value value);
  Offence content(Value base, Value value);
  Offence data(Value value);
  static void push_entries(Value object, std::vector<NodeId>& stack);

  const Arena& arena_;
  CleanNodes clean_;  // nodes whose whole content is data
  PandasJudge pandas_;
};

// The global that a value is: also that of a class that persisted with its source, which torch gives back. Empty: another
// value.
Value imported(Value value);
// The class of an object: the callee, or what copyreg is given. Empty: no object, or one whose callee is computed.
Value made_class(Value object);
// The row of that class; nullptr where it has none.
const GlobalRow* made_row(Value object);
// The same of what is known to be inert; nullptr where it is not, which its import has told.
const GlobalRow* inert_row(Value object);
// The row of a global that is known to be inert; nullptr for any other value.
const GlobalRow* imported_row(Value value);
// The keys and values of a dict, or those that a dict of collections was given item by item; none of any other value.
std::vector<std::pair<Value, Value>> entries_of(Value value);

}  // namespace holdall
