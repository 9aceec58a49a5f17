// The ways in which Holdall writes, as small plans: what the fault tests run through every failure.
#pragma once

#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "holdall/io/execute.h"
#include "tests/faults/simulated_system.h"

namespace holdall {

using Tree = std::map<std::string, std::string>;

struct WritePath {
  std::string name;
  Plan plan;
  std::string path;  // where it is written
  Tree old;          // what stands there before; empty: nothing
  Tree fresh;        // what stands there after
  ExecuteOptions options;
  SimulatedSystem::Abilities abilities;
  // Where folders cannot be exchanged, a crash may leave nothing at the path until the next writer has put the old one back.
  bool may_need_mending = false;

  // The file system before the write.
  void set_up(SimulatedSystem& system) const;
};

std::vector<WritePath> write_paths();
// For GoogleTest's messages, and a name for a test made of its letters.
void PrintTo(const WritePath& way, std::ostream* out);
std::string test_name(const WritePath& way);

}  // namespace holdall
