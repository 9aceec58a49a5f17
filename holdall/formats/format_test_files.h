// What tests of formats do with files: golden files and the tables that come with them.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "holdall/base/scratch_test_folder.h"
#include "holdall/core/tensor.h"

namespace holdall {

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
