#include "holdall/trust/tables.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "holdall/io/blob.h"
#include "holdall/trust/code_pages.h"
#include "holdall/trust/trust_test_scans.h"

namespace holdall {
namespace {

using namespace std::string_literals;

std::string_view kind(std::string file, const std::string& name = "model.bin") {
  return table_kind(*memory_source(Bytes::adopt(std::move(file)), name), name);
}

bool is_text(std::string file, const std::string& name) {
  return is_code_page_text(*memory_source(Bytes::adopt(std::move(file)), name), name);
}

std::string sqlite() {
  std::string page = "SQLite format 3\0\2\0"s;
  page.resize(1024, '\0');
  page[31] = '\2';  // of 512 bytes each
  return page;
}

const std::string kArrow = "ARROW1\0\0"s + std::string(8, 'x') + "\4\0\0\0ARROW1"s,
                  kParquet = "PAR1" + std::string(8, 'x') + "\4\0\0\0PAR1"s;
const std::string kIdx = "\0\0\xb\2\0\0\0\3\0\0\0\1"s + "abcdef";
const std::string kApple = "\0\5\x16\7\0\2\0\0Mac OS X        \0\1\0\0\0\2\0\0\0\x26\0\0\0\3"s + "abc";
const std::string kStore = "\0\0\0\1Bud1\0\0\0\x20\0\0\0\4\0\0\0\x20"s + std::string(20, 'x');

TEST(Tables, WhatEndsWhereItSaysIsKnown) {
  for (const auto& [name, file] : {std::pair("table", kParquet),
                                   {"table", kArrow},
                                   {"table", kIdx},
                                   {"database", sqlite()},
                                   {"system", kApple},
                                   {"system", kStore}}) {
    EXPECT_EQ(kind(file), name);
    EXPECT_EQ(scanned("model.bin", file).verdict, Verdict::kInert) << name;
    EXPECT_EQ(kind(file.substr(0, file.size() - 1)), "") << name;
    EXPECT_EQ(kind(file.substr(0, 8)), "") << name;
    if (file != kStore) {
      EXPECT_EQ(kind(file + "x"), "") << name;
    }
  }
}

TEST(Tables, ACompoundFileIsKnownUnderItsOneNameAlone) {
  std::string thumbs = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + std::string(16, '\0') + "\x3e\0\3\0\xfe\xff\x9\0"s;
  thumbs.resize(1536, '\0');
  EXPECT_EQ(kind(thumbs, "a/Thumbs.db"), "system");
  EXPECT_EQ(kind(thumbs, "a.zip!Thumbs.db"), "system");
  EXPECT_EQ(kind(thumbs, "a/book.xls"), "");
}

TEST(Tables, SizesThatTheFileHasNotAreNone) {
  EXPECT_EQ(kind("PAR1" + std::string(8, 'x') + "\x0d\0\0\0PAR1"s), "");
  EXPECT_EQ(kind("PAR1\0\0\0\0PAR1"s), "");
  EXPECT_EQ(kind("PAR1"), "");
  EXPECT_EQ(kind("\0\0\x8\4\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"s), "");
  EXPECT_EQ(kind("\0\0\x8\0\0\0\0\0"s), "");
}

TEST(CodePages, TextsInFilesOfTextsAreKnown) {
  EXPECT_TRUE(is_text("caf\xe9\n", "labels.txt"));
  EXPECT_TRUE(is_text("caf\xe9\n", "a.zip!README"));
  EXPECT_TRUE(
      is_text("\xff\xfe"
              "a\0\n\0"s,
              "a.csv"));
  EXPECT_TRUE(
      is_text("\xfe\xff"
              "\0a\x26\x3a"s,
              "desktop.ini"));
  EXPECT_FALSE(is_text("caf\xe9\0"s, "labels.txt"));
  EXPECT_FALSE(is_text("\x80\2caf\xe9", "labels.txt"));
  EXPECT_FALSE(
      is_text("\xff\xfe"
              "a\0\0\0"s,
              "a.csv"));
  EXPECT_FALSE(
      is_text("\xff\xfe"
              "a\0b"s,
              "a.csv"));
  EXPECT_FALSE(
      is_text("\xff\xfe"
              "<\0"s,
              "a.txt"));
  EXPECT_FALSE(is_text("<?xml version='1.0'?><caf\xe9/>", "a.txt"));
  for (const char* name : {"config.json", "config.yaml", "a.jinja", "model.py", "model.pt", "mlmodel", "setup.ini"})
    EXPECT_FALSE(is_text("caf\xe9\n", name)) << name;
}

TEST(CodePages, WhatTheyAreBesidesIsJudged) {
  const std::string attack = "cos\nsystem\n(S'id'\ntR.";
  EXPECT_EQ(scanned("notes.txt", attack + "Voil\xe0").verdict, Verdict::kMalicious);
  EXPECT_EQ(scanned("notes.txt", "Voil\xe0 " + attack).verdict, Verdict::kMalicious);
  EXPECT_EQ(scanned("notes.txt", "caf\xe9\nna\xefve\n").verdict, Verdict::kInert);
  EXPECT_EQ(scanned("notes.txt", "RDX3\ncaf\xe9\n").verdict, Verdict::kUnreadable);
}

TEST(Scan, FilesThatAreEmptyByWhatTheyAreAreInert) {
  EXPECT_EQ(scanned(".gitkeep", "").verdict, Verdict::kInert);
  EXPECT_EQ(scanned("__init__.py", "").verdict, Verdict::kInert);
  EXPECT_EQ(scanned("notes.txt", "").verdict, Verdict::kUnreadable);
}

}  // namespace
}  // namespace holdall
