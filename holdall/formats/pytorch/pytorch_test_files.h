// The golden files of the pytorch format and what generate.py says they hold.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "holdall/codec/json.h"
#include "holdall/formats/format.h"

namespace holdall {
extern const Format k_pytorch_format;
}

namespace holdall::pytorch_test {

inline std::string folder() { return std::string(HOLDALL_SOURCE_DIR) + "/holdall/formats/pytorch/testdata/"; }

inline std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline Bundle golden(const std::string& name) {
  auto bundle = Bundle::open(folder() + name, Limits{});
  EXPECT_TRUE(bundle.has_value()) << bundle.error().to_string();
  return *bundle;
}

inline Bundle in_memory(std::string bytes, const std::string& name = "memory.pt") {
  return Bundle::of(memory_source(Bytes::adopt(std::move(bytes)), name));
}

inline Result<Model> open_golden(const std::string& name) { return k_pytorch_format.read(golden(name), Context{}); }

inline Value parse(Arena& arena, const std::string& json) { return arena.at(*parse_json(arena, json)); }

inline Value all_expected(Arena& arena) { return parse(arena, contents(folder() + "expected.json")).find("files"); }
inline Value expected(Arena& arena, const std::string& name) { return all_expected(arena).find(name); }

inline std::vector<std::string> golden_names() {
  Arena arena;
  const Value files = all_expected(arena);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < files.size(); ++i) names.emplace_back(files.key(i).as_string());
  return names;
}

}  // namespace holdall::pytorch_test
