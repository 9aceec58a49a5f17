#include "holdall/trust/prose.h"

#include <gtest/gtest.h>

#include <string>

namespace holdall {
namespace {

using namespace std::string_literals;

Wording wording(const std::string& words) { return wording_of(memory_source(Bytes::copy(words), "a.txt"), {}); }

TEST(Prose, WordsImportAndChangeEachOther) {
  EXPECT_EQ(wording("cow\ncat\ncalf\ncamel\nbear\n"), Wording::kProse);
  EXPECT_EQ(wording("configs/1.yaml\nconfigs/2.yaml\nconfigs/3.yaml\n"), Wording::kProse);
  EXPECT_EQ(wording("Pillow\ncython\nnumpy\n"), Wording::kProse) << "a persistent id";
  EXPECT_EQ(wording("N.N.And so on.\n"), Wording::kProse) << "whole pickles first";
  EXPECT_EQ(wording("I "s + std::string(5000, 'w') + "\n"), Wording::kProse) << "no integer, however long";
}

TEST(Prose, WhatCallsOrReachesForPythonIsAPickle) {
  EXPECT_EQ(wording("cmine\nrun\n(tR and prose"), Wording::kPickle) << "a call";
  EXPECT_EQ(wording("(imine\nrun\n and prose"), Wording::kPickle) << "another";
  EXPECT_EQ(wording("cos\nsystem\nand prose"), Wording::kPickle) << "Python's";
  EXPECT_EQ(wording("N.cos\nsystem\nand prose"), Wording::kPickle) << "behind another";
  EXPECT_EQ(wording("ctorch.nn\nModule\n}b and prose"), Wording::kPickle) << "changes a framework's class";
  EXPECT_EQ(wording("cmine\nrun\n.and prose"), Wording::kPickle) << "comes to an end";
  EXPECT_EQ(wording("Vmine\nVrun\n\x93 and prose"), Wording::kProse);
  EXPECT_EQ(wording("Vmine\n)R"), Wording::kProse) << "what is no callable";
}

TEST(Prose, IntegersWithoutEndAreNotRead) { EXPECT_EQ(wording("L" + std::string(5000, '1') + "L\n0"), Wording::kUnread); }

}  // namespace
}  // namespace holdall
