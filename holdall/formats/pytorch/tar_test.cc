// Tar files of torch before 0.1.10, damaged and hostile; pytorch_test.cc reads the good ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "holdall/base/endian.h"
#include "holdall/base/text.h"
#include "holdall/codec/tar.h"
#include "holdall/formats/pytorch/pytorch_test_files.h"

namespace holdall {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

using Members = std::map<std::string, std::string>;

std::string padded(std::string data) {
  data.resize((data.size() + 511) / 512 * 512);
  return data;
}

std::string header(const std::string& name, std::size_t size) {
  std::string block(512, '\0');
  block.replace(0, name.size(), name);
  block.replace(124, 11, text("{:011o}", size));
  block[156] = '0';
  block.replace(257, 8, "ustar\00000"s);
  block.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (const char letter : block) sum += static_cast<unsigned char>(letter);
  return block.replace(148, 7, text("{:06o}{}", sum, '\0'));
}

std::string packed(const Members& members) {
  std::string file;
  for (const auto& [name, data] : members) file += header(name, data.size()) + padded(data);
  return file + std::string(1024, '\0');
}

Members golden_members() {
  Members members;
  const std::string file = pytorch_test::contents(pytorch_test::folder() + "tar_views.pt");
  const auto archive = TarArchive::open(memory_source(Bytes::copy(file), "tar_views.pt"), Limits{});
  for (const TarMember& member : archive->members()) {
    members[member.name] = file.substr(static_cast<std::size_t>(member.data_offset), static_cast<std::size_t>(member.size));
  }
  return members;
}

Members with(Members members, const std::string& name, std::string data) {
  members[name] = std::move(data);
  return members;
}

std::string number(std::int64_t value) {
  std::string raw(8, '\0');
  store_le(raw.data(), value);
  return raw;
}

// A storage of two float32 under the key 1, and a tensor of it under the key 2.
std::string storages(std::int64_t count = 1, std::int64_t elements = 2, const std::string& views = "\x80\2].") {
  return "\x80\2\x8a\x08"s + number(count) + "." + "\x80\2K\1X\3\0\0\0cpuctorch\nFloatStorage\n\x87."s + number(elements) +
         std::string(8, '\1') + views;
}
std::string tensors(std::int64_t dimensions = 1, std::int64_t size = 2, std::int64_t stride = 1, std::int64_t offset = 0,
                    const std::string& storage = "K\1", const std::string& key = "K\2") {
  return "\x80\2K\1."s + "\x80\2"s + key + storage + "ctorch\nFloatTensor\n\x87." + number(dimensions) + number(size) +
         number(stride) + number(offset);
}
Members small() { return {{"pickle", "\x80\2X\1\0\0\0"s + "2Q."}, {"storages", storages()}, {"tensors", tensors()}}; }

Result<Model> read(const Members& members) {
  return k_pytorch_format.read(pytorch_test::in_memory(packed(members)), Context{});
}

std::string fault_of(const Members& members) {
  const auto model = read(members);
  EXPECT_FALSE(model.has_value());
  if (model) return {};
  EXPECT_TRUE(model.error().offset().has_value()) << model.error().to_string();
  EXPECT_NE(model.error().code(), Code::kInternal);
  return model.error().to_string();
}

Verdict verdict_of(const std::string& file) {
  Findings findings;
  const Status judged = k_pytorch_format.acts(pytorch_test::in_memory(file), Context{}, findings);
  Verdict worst = judged ? Verdict::kInert : Verdict::kUnreadable;
  for (const Finding& finding : findings) {
    if (finding.severity == Verdict::kMalicious) return Verdict::kMalicious;
    worst = std::max(worst, finding.severity);
  }
  return worst;
}

TEST(PytorchTar, OneTensorByHand) {
  const auto model = read(small());
  ASSERT_TRUE(model.has_value()) << model.error().to_string();
  ASSERT_EQ(model->tensors().size(), 1u);
  EXPECT_EQ(model->tensors()[0].tensor.shape(), Shape{2});
  EXPECT_EQ(model->origin().detail, "tar, pickle protocol 2, torch < 0.1.10");
  EXPECT_EQ(verdict_of(packed(small())), Verdict::kInert);
}

TEST(PytorchTar, AnObjectMetAgainIsTheSameTensor) {
  auto model = pytorch_test::open_golden("tar_views.pt");
  ASSERT_TRUE(model.has_value()) << model.error().to_string();
  EXPECT_EQ(model->find("base")->index, model->find("again.base")->index);
  EXPECT_EQ(model->find("base")->tensor.storage(), model->find("transposed")->tensor.storage());
  EXPECT_NE(model->find("base")->tensor.storage(), model->find("own")->tensor.storage());
  auto viewed = pytorch_test::open_golden("tar_storage_views.pt");
  ASSERT_TRUE(viewed.has_value()) << viewed.error().to_string();
  EXPECT_EQ(viewed->find("base")->tensor.storage(), viewed->find("tail")->tensor.storage());
  EXPECT_EQ(viewed->find("tail")->tensor.layout().offset, 20u);
}

TEST(PytorchTar, WhatABigEndianMachineWroteSaysSo) {
  const auto model = read(with(small(), "sys_info", "\x80\2}X\r\0\0\0little_endian\x89s."s));
  ASSERT_TRUE(model.has_value()) << model.error().to_string();
  EXPECT_THAT(model->origin().detail, HasSubstr("big-endian"));
}

TEST(PytorchTar, IsKnownWithoutItsFirstMemberAndNotByOneWord) {
  const auto matches = [](const Members& members) {
    const Bundle bundle = pytorch_test::in_memory(packed(members));
    const Limits limits;
    Peek peek(bundle, limits);
    return k_pytorch_format.match(peek);
  };
  EXPECT_EQ(matches(with(small(), "first", "x")), Match::kCertain);
  EXPECT_EQ(matches({{"pickle", "x"}}), Match::kCertain);
  EXPECT_EQ(matches({{"a", "x"}, {"pickle", "x"}}), Match::kNo);
}

TEST(PytorchTarDamage, EveryTruncationIsAnErrorWithAPlace) {
  const std::string whole = packed(golden_members());
  for (std::size_t size = 0; size < whole.size(); size += size < 2048 ? 1 : 7) {
    const Bundle bundle = pytorch_test::in_memory(whole.substr(0, size));
    const auto model = k_pytorch_format.read(bundle, Context{});
    ASSERT_FALSE(model.has_value()) << size;
    EXPECT_FALSE(model.error().message().empty());
    EXPECT_TRUE(size < 512 || model.error().offset().has_value()) << model.error().to_string();
    EXPECT_EQ(verdict_of(whole.substr(0, size)), Verdict::kUnreadable) << size;
  }
}

TEST(PytorchTarDamage, EveryMissingMemberIsNamed) {
  for (const std::string name : {"pickle", "storages", "tensors"}) {
    Members members = small();
    members.erase(name);
    const auto model = read(members);
    ASSERT_FALSE(model.has_value());
    EXPECT_THAT(model.error().to_string(),
                HasSubstr("a PyTorch tar file from before 0.1.10: there is no member '" + name + "'"));
    EXPECT_EQ(verdict_of(packed(members)), Verdict::kUnreadable);
  }
}

TEST(PytorchTarDamage, OversizedCountsAreRefusedBeforeAnythingIsMade) {
  EXPECT_THAT(fault_of(with(small(), "storages", storages(std::int64_t{1} << 40))),
              HasSubstr("1099511627776 storages do not fit"));
  EXPECT_THAT(fault_of(with(small(), "storages", storages(-1))), HasSubstr("no number"));
  for (const std::int64_t elements : {std::int64_t{1} << 61, std::int64_t{1} << 62, std::int64_t{-1}, std::int64_t{100}}) {
    EXPECT_THAT(fault_of(with(small(), "storages", storages(1, elements))), HasSubstr("passes the end"));
  }
  for (const std::int64_t dimensions : {std::int64_t{0x7fffffff}, std::int64_t{0xffffffff}, std::int64_t{2}}) {
    EXPECT_THAT(fault_of(with(small(), "tensors", tensors(dimensions))), HasSubstr("dimensions passes the end"));
  }
  EXPECT_THAT(fault_of(with(small(), "tensors", tensors(1, std::int64_t{1} << 40))),
              HasSubstr("tensor '2' leaves the 2 elements"));
  EXPECT_THAT(fault_of(with(small(), "tensors", tensors(1, 2, std::int64_t{1} << 62))), HasSubstr("tensor '2'"));
  EXPECT_THAT(fault_of(with(small(), "tensors", tensors(1, std::int64_t{1} << 40, 0))), HasSubstr("times as many"));
  EXPECT_THAT(fault_of(with(small(), "tensors", tensors(1, -1))), HasSubstr("negative"));
  EXPECT_THAT(fault_of(with(small(), "tensors", tensors(1, 2, 1, 1))), HasSubstr("tensor '2'"));
}

TEST(PytorchTarDamage, KeysThatNameNothingOrTwoThingsAreRefused) {
  EXPECT_THAT(fault_of(with(small(), "pickle", "\x80\2X\1\0\0\0"s + "9Q.")), HasSubstr("'9' names no storage"));
  EXPECT_THAT(fault_of(with(small(), "pickle", "\x80\2)Q."s)), HasSubstr("names no storage"));
  EXPECT_THAT(fault_of(with(small(), "tensors", tensors(1, 2, 1, 0, "K\7"))), HasSubstr("the storage '7', which is not there"));
  EXPECT_THAT(fault_of(with(small(), "tensors", tensors(1, 2, 1, 0, "N"))), HasSubstr("has no storage"));
  EXPECT_THAT(fault_of(with(small(), "tensors", tensors(1, 2, 1, 0, "K\1", "K\1"))), HasSubstr("have the key '1'"));
  const auto view = [](const std::string& entry) { return storages(1, 2, "\x80\2](" + entry + "ta."); };
  EXPECT_TRUE(read(with(small(), "storages", view("K\3K\1K\1K\1"))).has_value());
  EXPECT_THAT(fault_of(with(small(), "storages", view("K\3K\7K\0K\1"s))), HasSubstr("a view of '7'"));
  EXPECT_THAT(fault_of(with(small(), "storages", view("K\1K\1K\0K\1"s))), HasSubstr("have the key '1'"));
  EXPECT_THAT(fault_of(with(small(), "storages", view("K\3K\1K\1"))), HasSubstr("two keys, an offset and a size"));
  Members members = with(small(), "storages", view("K\3K\1K\1K\2"));
  members["tensors"] = tensors(1, 1, 1, 0, "K\3");
  EXPECT_THAT(fault_of(members), HasSubstr("claims [1, +2)"));
}

TEST(PytorchTarDamage, ATensorStaysWithinItsView) {
  // A view of the second element, which ends where the storage does; and of the first, behind which there is more.
  for (const std::string& offset : {"K\1"s, "K\0"s}) {
    Members members = with(small(), "storages", storages(1, 2, "\x80\2](K\3K\1" + offset + "K\1ta."));
    members["tensors"] = tensors(1, 1, 1, 0, "K\3");
    EXPECT_TRUE(read(members).has_value());
    members["tensors"] = tensors(1, 2, 1, 0, "K\3");
    EXPECT_THAT(fault_of(members), HasSubstr("leaves the 1 elements of its storage '3'"));
  }
  // A tensor is no storage.
  const std::string second = "\x80\2K\4K\2ctorch\nFloatTensor\n\x87." + number(0) + number(0);
  EXPECT_THAT(fault_of(with(small(), "tensors", "\x80\2K\2." + tensors().substr(5) + second)), HasSubstr("the storage '2'"));
}

TEST(PytorchTarDamage, StorageClassesThatAreNotKnownAreRefused) {
  std::string other = storages();
  other.replace(other.find("FloatStorage"), 12, "Other4Storag");
  EXPECT_THAT(fault_of(with(small(), "storages", other)), HasSubstr("torch.Other4Storag, which is not known"));
}

TEST(PytorchTarDamage, BytesBehindTheEndOfAMemberAreFoundByVerifyAndScan) {
  for (const auto& [name, data] : with(small(), "sys_info", "\x80\2}."s)) {
    Members members = small();
    members[name] = data + "junk";
    const std::string file = packed(members);
    Faults faults;
    ASSERT_TRUE(k_pytorch_format.verify(pytorch_test::in_memory(file), Context{}, faults).has_value());
    ASSERT_EQ(faults.list.size(), 1u) << name;
    EXPECT_EQ(faults.list[0].what, "4 bytes stand behind the end of what is read");
    EXPECT_EQ(faults.list[0].offset, data.size());
    EXPECT_THAT(faults.list[0].where, HasSubstr("!" + name));
    EXPECT_EQ(verdict_of(file), Verdict::kUnreadable);
    members[name] = data + "\x80\2cos\nsystem\nX\2\0\0\0id\x85R."s;
    EXPECT_EQ(verdict_of(packed(members)), Verdict::kMalicious) << name;
    const auto model = read(members);
    ASSERT_TRUE(model.has_value());
    EXPECT_EQ(model->warnings().size(), 1u);
  }
}

TEST(PytorchTarScan, AnAttackInAnyPickleOfAnyMemberIsFound) {
  const std::string call = "cos\nsystem\nX\2\0\0\0id\x85R"s;
  const std::string attack = "\x80\2" + call + ".";
  for (const std::string name : {"pickle", "storages", "tensors", "sys_info", "other"}) {
    EXPECT_EQ(verdict_of(packed(with(small(), name, attack))), Verdict::kMalicious) << name;
  }
  // In the pickle of the last storage's views, of a storage, of a tensor: beside what they are for.
  EXPECT_EQ(verdict_of(packed(with(small(), "storages", storages(1, 2, "\x80\2" + call + "0].")))), Verdict::kMalicious);
  EXPECT_EQ(verdict_of(packed(with(small(), "tensors", tensors(1, 2, 1, 0, call + "0K\1")))), Verdict::kMalicious);
  EXPECT_EQ(verdict_of(packed(with(small(), "other", "text"))), Verdict::kUnreadable);
}

TEST(PytorchTarScan, ANameThatIsAPickleIsOneToWhoeverLooksForNoTar) {
  EXPECT_EQ(verdict_of(packed(with(small(), "(S'id'\nios\nsystem\n.", "\x80\2}."s))), Verdict::kMalicious);
  EXPECT_NE(verdict_of(packed(with(small(), "(dp0\n.", "\x80\2}."s))), Verdict::kInert);
}

}  // namespace
}  // namespace holdall
