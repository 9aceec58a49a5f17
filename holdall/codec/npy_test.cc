#include "holdall/codec/npy.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "holdall/codec/npy_text.h"
#include "holdall/codec/python_literal.h"

namespace holdall {
namespace {

std::vector<std::vector<std::string>> golden_rows(const std::string& name) {
  std::ifstream file(std::string(HOLDALL_SOURCE_DIR) + "/holdall/codec/testdata/npy/" + name);
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(file, line);) {
    std::vector<std::string> cells(1);
    for (const char letter : line) {
      if (letter == '\t') {
        cells.emplace_back();
      } else {
        cells.back() += letter;
      }
    }
    rows.push_back(std::move(cells));
  }
  EXPECT_FALSE(rows.empty()) << name;
  return rows;
}

std::string from_hex(std::string_view digits) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  return bytes;
}

Shape shape_of(const std::string& sizes) {
  Shape shape;
  std::istringstream stream(sizes);
  for (std::string size; std::getline(stream, size, ',');) shape.push_back(std::stoull(size));
  return shape;
}

Blob blob_of(std::string bytes) { return Blob::memory(Bytes::adopt(std::move(bytes)), "a.npy"); }

TEST(NpyDType, TypesHaveNumPysSizesAndNames) {
  for (const auto& row : golden_rows("types.tsv")) {
    const auto type = npy_dtype(row[0]);
    ASSERT_TRUE(type) << row[0] << ": " << type.error().to_string();
    EXPECT_EQ(type->item_bytes, std::stoull(row[2])) << row[0];
    if (type->form == NpyForm::kPlain && type->logical.empty()) {
      EXPECT_EQ(name(type->dtype), row[1]) << row[0];
    }
    if (!type->logical.empty() && type->dtype == DType::kInt64) {
      EXPECT_EQ(type->logical, row[1]) << row[0];
    }
    EXPECT_EQ(type->order == ByteOrder::kBig, row[0][0] == '>') << row[0];
  }
}

TEST(NpyDType, TypeStringsComeBack) {
  for (const char* typestr :
       {"|b1", "|i1", "|u1", "<i2", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16", "<U5", "|S7", "<M8[ns]", "<m8[25s]", "<M8"}) {
    const auto type = npy_dtype(typestr);
    ASSERT_TRUE(type);
    const auto again = npy_typestr(type->dtype, type->logical);
    ASSERT_TRUE(again) << typestr;
    EXPECT_EQ(*again, typestr);
  }
  for (const DType dtype : {DType::kBFloat16, DType::kFloat8E5M2, DType::kInt4, DType::kQ4_0, DType::kString, DType::kRecord})
    EXPECT_EQ(npy_typestr(dtype).error().code(), Code::kUnsupported) << name(dtype);
}

TEST(NpyDType, WhatIsNoTypeIsRefused) {
  for (const char* typestr :
       {"", "<", "x4", "<f4 ", "<U-1", "<U99999999999", "<M8[xs]", "<M8[]", "<M8[01s]", "<M8[ns", "i44", "f"})
    EXPECT_FALSE(npy_dtype(typestr)) << typestr;
}

TEST(NpyHeader, HeadersAreByteForByteThoseOfNumPy) {
  for (const auto& row : golden_rows("headers.tsv")) {
    const auto header = npy_header(row[0], shape_of(row[1]), row[2] == "1");
    ASSERT_TRUE(header) << row[0];
    EXPECT_EQ(*header, from_hex(row[4])) << row[0].substr(0, 100);
  }
}

TEST(NpyHeader, HeadersBeyond65535BytesAreOfVersion2) {
  for (const auto& row : golden_rows("long.tsv")) {
    std::string descr;
    for (int i = 0; i < std::stoi(row[0]); ++i) descr += (i == 0 ? "[('field" : ", ('field") + std::to_string(i) + "', '<f4')";
    const auto header = npy_header(descr + "]", {});
    ASSERT_TRUE(header);
    EXPECT_EQ(header->size(), std::stoull(row[1]));
    EXPECT_EQ(crc32(as_bytes(*header)), std::stoul(row[2]));
    const auto read = read_npy_header(blob_of(*header + std::string(16'000, 'x')), 0, {});
    ASSERT_TRUE(read) << read.error().to_string();
    EXPECT_EQ(read->version, 2);
    EXPECT_EQ(read->type.item_bytes, 16'000u);
  }
}

TEST(NpyHeader, NumPysHeadersAreRead) {
  for (const auto& row : golden_rows("headers.tsv")) {
    const Shape shape = shape_of(row[1]);
    const std::uint64_t bytes = *element_count(shape) * std::stoull(row[3]);
    if (bytes > 1'000'000) continue;
    const std::string raw = from_hex(row[4]);
    const auto header = read_npy_header(blob_of(raw + std::string(bytes, '\0')), 0, {});
    ASSERT_TRUE(header) << row[0].substr(0, 100) << ": " << header.error().to_string();
    EXPECT_EQ(header->shape, shape);
    EXPECT_EQ(header->fortran_order, row[2] == "1");
    EXPECT_EQ(header->type.item_bytes, std::stoull(row[3])) << row[0];
    EXPECT_EQ(header->header_bytes, raw.size());
    EXPECT_EQ(header->has_objects, row[0].find("|O") != std::string::npos);
    if (row[0][0] == '[') {
      EXPECT_EQ(header->type.logical, row[0]);
    }
  }
}

// The error of a header with this text, as version 1.
std::string refusal(const std::string& source, std::size_t data = 1000) {
  std::string file = "\x93NUMPY";
  file += '\1';
  file += '\0';
  file += static_cast<char>(source.size() & 0xff);
  file += static_cast<char>(source.size() >> 8);
  const auto header = read_npy_header(blob_of(file + source + std::string(data, '\0')), 0, {});
  return header ? "accepted" : header.error().to_string();
}

TEST(NpyHeader, OnlyTheThreeKeysMakeAHeader) {
  EXPECT_EQ(refusal("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"), "accepted");
  EXPECT_EQ(refusal("{\"shape\": (3L, ), 'fortran_order': True, 'descr': u'<f4'}\n"), "accepted");
  const std::map<std::string, std::string> faults = {
      {"{'descr': '<f4', 'fortran_order': False}", "'shape' is missing"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'x': 1}", "'x' is not known"},
      {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "twice"},
      {"{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}", "neither True nor False"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': [3]}", "no tuple"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3)}", "no tuple"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "no size"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1.0,)}", "no integer"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} + {}", "behind"},
      {"{'descr': __import__('os'), 'fortran_order': False, 'shape': (3,)}", "no literal"},
      {"{'descr': [('a', '<f4'), ('a', '<f4')], 'fortran_order': False, 'shape': ()}", "two fields"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (300,)}", "1000 bytes remain"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 4)}", "63 bits"},
      {"[]", "no dict"},
      {"", "no literal"},
  };
  for (const auto& [source, fault] : faults) EXPECT_NE(refusal(source).find(fault), std::string::npos) << refusal(source);
}

TEST(NpyHeader, EveryTruncationIsCorrupt) {
  const std::string whole = *npy_header("'<f4'", Shape{3}) + std::string(12, 'x');
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto header = read_npy_header(blob_of(whole.substr(0, size)), 0, {});
    ASSERT_FALSE(header) << size;
    EXPECT_EQ(header.error().code(), Code::kCorrupt);
  }
}

TEST(NpyHeader, LongHeadersAreRefusedBeforeTheyAreRead) {
  // 16 MiB are announced, 100 bytes are there.
  std::string file = "\x93NUMPY";
  file += std::string("\2\0\0\0\0\1", 6) + std::string(100, ' ');
  const auto header = read_npy_header(blob_of(file), 0, {});
  ASSERT_FALSE(header);
  EXPECT_NE(header.error().to_string().find("16777216 bytes is announced, 100 remain"), std::string::npos)
      << header.error().to_string();
  EXPECT_EQ(read_npy_header(blob_of(file + std::string(16'777'216, ' ')), 0, {}).error().code(), Code::kLimit);
  Limits limits;
  limits.header_bytes = 50;
  EXPECT_EQ(read_npy_header(blob_of(*npy_header("'<f4'", Shape{})), 0, limits).error().code(), Code::kLimit);
}

TEST(NpyHeader, DeepNestingIsLimited) {
  std::string descr = "'<f4'";
  for (int i = 0; i < 100; ++i) descr = "[('a', " + descr + ")]";
  EXPECT_EQ(parse_npy_descr(descr).error().code(), Code::kLimit);
}

TEST(PythonLiteral, TextsAreReadAndWrittenAsPythonDoes) {
  const std::map<std::string, std::string> cases = {
      {R"('it\'s')", R"("it's")"}, {R"("a\"b")", R"('a"b')"}, {R"('\x41\n\\')", R"('A\n\\')"},  {R"('\u00e9')", "'é'"},
      {"( 1 ,\n2)", "(1, 2)"},     {"(1,)", "(1,)"},          {"[True, None]", "[True, None]"}, {"{'a': -5}", "{'a': -5}"},
  };
  for (const auto& [source, expected] : cases) {
    const auto literal = parse_python_literal(source);
    ASSERT_TRUE(literal) << source;
    EXPECT_EQ(to_python(*literal), expected);
  }
  for (const char* source :
       {"'open", "'\\q'", "01", "1x", "[1 2]", "(,)", "{1: 2}", "Truest", "99999999999999999999", "'\\ud800'"})
    EXPECT_FALSE(parse_python_literal(source)) << source;
}

std::string string_form(const std::vector<std::string>& strings) {
  std::string bytes;
  for (const std::string& string : strings) {
    char length[8];
    store_le<std::uint64_t>(length, string.size());
    bytes.append(length, 8);
    bytes += string;
  }
  return bytes;
}

TEST(NpyText, FixedWidthTextsBecomeStringsAndBack) {
  std::vector<std::string> strings;
  std::string items;
  for (int i = 0; i < 40'000; ++i) {
    std::string string;
    for (int k = 0; k < i % 6; ++k) string += static_cast<char>('a' + (i + k) % 26);
    strings.push_back(string);
    for (std::size_t k = 0; k < 5; ++k) {
      char point[4];
      store_be<std::uint32_t>(point, k < string.size() ? static_cast<unsigned char>(string[k]) : 0u);
      items.append(point, 4);
    }
  }
  const auto type = npy_dtype(">U5");
  ASSERT_TRUE(type);
  const auto blob = npy_text(blob_of(items), *type, strings.size());
  ASSERT_TRUE(blob) << blob.error().to_string();
  const std::string expected = string_form(strings);
  EXPECT_EQ(blob->read()->text(), expected);
  // Any piece of it, too.
  for (const std::size_t offset : {std::size_t{0}, std::size_t{1}, std::size_t{65'000}, expected.size() - 100}) {
    std::string out(100, '\0');
    ASSERT_TRUE(blob->read_at(offset, std::as_writable_bytes(std::span(out))));
    EXPECT_EQ(out, expected.substr(offset, 100));
  }
  const auto width = measure_npy_text(*blob, strings.size());
  ASSERT_TRUE(width);
  EXPECT_EQ(width->characters, 5u);
  const auto back = npy_items(*blob, strings.size(), NpyForm::kUtf32, 5);
  ASSERT_TRUE(back);
  const SourceRef little = *byte_swapped_source(memory_source(Bytes::copy(items), "items"), 4);
  EXPECT_EQ(back->read()->text(), read_all(*little, UINT64_MAX)->text());
}

TEST(NpyText, WhatIsNoTextIsCorrupt) {
  const auto type = npy_dtype("<U1");
  EXPECT_EQ(npy_text(blob_of("\xff\xff\xff\x7f"), *type, 1).error().code(), Code::kCorrupt);
  EXPECT_EQ(npy_text(blob_of("abcdefg"), *type, 1).error().code(), Code::kCorrupt);
  EXPECT_EQ(measure_npy_text(blob_of(string_form({"abc"})), 2).error().code(), Code::kCorrupt);
  EXPECT_EQ(measure_npy_text(blob_of(string_form({"abc"}) + "x"), 1).error().code(), Code::kCorrupt);
  EXPECT_EQ(measure_npy_text(blob_of(std::string(8, '\xff')), 1).error().code(), Code::kCorrupt);
  EXPECT_FALSE(measure_npy_text(blob_of(string_form({"\xff"})), 1)->utf8);
  EXPECT_TRUE(measure_npy_text(blob_of(string_form({std::string("a\0", 2)})), 1)->padded);
}

TEST(NpyText, TextsWithoutWidthTakeNoMemoryFromTheirNumber) {
  const auto type = npy_dtype("<U0");
  EXPECT_EQ(npy_text(Blob(), *type, std::uint64_t{1} << 60).error().code(), Code::kLimit);
}

}  // namespace
}  // namespace holdall
