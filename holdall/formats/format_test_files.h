// What tests of formats do with files: a folder of their own, golden files and the tables that come with them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "holdall/core/tensor.h"

namespace holdall {

// A folder that goes with the test.
class Scratch {
 public:
  Scratch() {
    path_ = testing::TempDir() + "holdall_format_test_XXXXXX";
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The cells of a .tsv, by line.
inline std::vector<std::vector<std::string>> rows_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(file, line);) {
    std::istringstream cells(line);
    rows.emplace_back();
    for (std::string cell; std::getline(cells, cell, '\t');) rows.back().push_back(cell);
  }
  return rows;
}

inline std::string shape_text(const Shape& shape) {
  std::string text;
  for (const std::uint64_t size : shape) text += (text.empty() ? "" : ",") + std::to_string(size);
  return text;
}

inline std::string digest_of(const Tensor& tensor) {
  const auto digest = tensor.digest();
  EXPECT_TRUE(digest) << digest.error().to_string();
  return digest ? to_hex(*digest) : "";
}

}  // namespace holdall
