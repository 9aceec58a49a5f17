// What pandas' classes and functions may be given by a pickle that is inert: tables are put together of arrays, indices and
// plain values, and pandas asks those for their types and methods by name, whatever they are.
//
// Thread-safety: one thread. Ownership: none; values are of one arena.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/core/value.h"
#include "holdall/objects/clean_nodes.h"

namespace holdall {

class PandasJudge {
 public:
  // Whether a call made an object of pandas.
  static bool is_made(Value object);

  // Whether a text could name a time zone that is a file, which dateutil opens.
  static bool is_zone_of_file(std::string_view text) noexcept;
  // What an argument holds that is neither data nor pandas' own; nothing for a good one.
  std::optional<std::string> argument(Value value);
  // The same of a state. What a user keeps in a table's attrs is set and not asked for anything.
  std::optional<std::string> state(Value value);

 private:
  using Offence = std::optional<std::string>;

  Offence offence_of(Value value, std::vector<NodeId>& stack) const;
  Offence object_offence(Value object, std::vector<NodeId>& stack) const;

  CleanNodes clean_;
};

}  // namespace holdall
