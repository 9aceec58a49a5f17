#include "holdall/formats/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <type_traits>

#include "holdall/formats/appearance.h"

namespace holdall {
namespace {

using namespace std::string_literals;

Bundle memory(std::string content) { return Bundle::of(memory_source(Bytes::adopt(std::move(content)), "file")); }

std::string look(std::string content) {
  const Bundle bundle = memory(std::move(content));
  const Limits limits;
  Peek peek(bundle, limits);
  return appearance(peek);
}

TEST(Registry, EveryRowIsWhole) {
  std::set<std::string_view> ids;
  for (const Format* format : all_formats()) {
    EXPECT_TRUE(ids.insert(format->id).second) << format->id;
    EXPECT_FALSE(format->title.empty()) << format->id;
    EXPECT_NE(format->match, nullptr) << format->id;
    EXPECT_NE(format->read, nullptr) << format->id;
    EXPECT_NE(format->verify, nullptr) << format->id;
    EXPECT_NE(format->acts, nullptr) << format->id;
    EXPECT_EQ(format_by_id(format->id), format);
    for (const std::string_view extension : format->extensions) EXPECT_TRUE(extension.starts_with('.')) << extension;
  }
  EXPECT_EQ(format_by_id("no such format"), nullptr);
}

TEST(Registry, ExtensionsFitWhateverTheirCase) {
  for (const Format* format : all_formats()) {
    if (format->extensions.empty()) continue;
    const std::string path = "some/model" + std::string(format->extensions.front());
    ASSERT_NE(format_by_extension(path), nullptr) << path;
    std::string upper = path;
    for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    EXPECT_EQ(format_by_extension(upper), format_by_extension(path)) << upper;
  }
  EXPECT_EQ(format_by_extension("model.docx"), nullptr);
  EXPECT_EQ(format_by_extension(".pt"), nullptr);  // a hidden file without an extension
}

TEST(Detection, UnknownFilesAreNamedForWhatTheyLookLike) {
  EXPECT_EQ(look(""), "an empty file");
  EXPECT_EQ(look("\x89HDF\r\n\x1a\n"s + std::string(100, '\0')), "an HDF5 file");
  EXPECT_EQ(look("7z\xbc\xaf\x27\x1c"s + std::string(100, 'x')), "a 7z archive");
  EXPECT_EQ(look(std::string(5000, '\0')), "zeros only");
  EXPECT_EQ(look("plain words\n"), "text");
  EXPECT_THAT(look(std::string("\x18\0\0\0ORTM", 8) + std::string(64, '\1')), testing::HasSubstr("ONNX Runtime's own format"));
  EXPECT_THAT(look("ir_version: 9\ngraph {\n"), testing::HasSubstr("an ONNX model as text"));
  EXPECT_THAT(look("{\n  \"ir_version\": \"9\",\n"), testing::HasSubstr("an ONNX model as JSON"));
  EXPECT_EQ(look("\x01\x02\x03"), "a file that starts with the bytes 01 02 03");
}

TEST(Detection, UnknownFilesAreUnsupportedAndSayWhatToDo) {
  const Result<const Format*> pointer =
      detect(memory("version https://git-lfs.github.com/spec/v1\noid sha256:0af\nsize 438007537\n"), Limits{});
  ASSERT_FALSE(pointer);
  EXPECT_EQ(pointer.error().code(), Code::kUnsupported);
  EXPECT_THAT(pointer.error().message(), testing::HasSubstr("it looks like a Git LFS pointer to 438007537 bytes (oid "
                                                            "sha256:0af): fetch it with git lfs pull"));
}

TEST(Detection, WhatAnLfsPointerDoesNotSaySoundlyIsLeftOut) {
  EXPECT_EQ(look("version https://git-lfs.github.com/spec/v1\noid sha256:x\x1b[31m\nsize -1\n"),
            "a Git LFS pointer: fetch it with git lfs pull");
}

// A Peek refers to what it is given: a temporary would be gone at its first use.
static_assert(!std::is_constructible_v<Peek, const Bundle&, Limits> && !std::is_constructible_v<Peek, Bundle, const Limits&> &&
              !std::is_constructible_v<Peek, Bundle, Limits> && std::is_constructible_v<Peek, const Bundle&, const Limits&>);

TEST(Detection, FoldersAreNamedByTheirFiles) {
  std::string folder = testing::TempDir() + "holdall_format_test_XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  Result<Bundle> bundle = Bundle::open(folder, Limits{});
  ASSERT_TRUE(bundle);
  EXPECT_THAT(detect(*bundle, Limits{}).error().message(), testing::HasSubstr("an empty folder"));
  std::ofstream(folder + "/notes.xyz") << "words";
  bundle = Bundle::open(folder, Limits{});
  ASSERT_TRUE(bundle);
  EXPECT_THAT(detect(*bundle, Limits{}).error().message(), testing::HasSubstr("notes.xyz"));
  std::filesystem::remove_all(folder);
}

// A source whose reads fail, as a disk's do.
class BrokenSource final : public Source {
 public:
  std::uint64_t size() const noexcept override { return 100; }
  const std::string& name() const noexcept override { return name_; }
  Status read_at(std::uint64_t, std::span<std::byte>) const override { return io_error("the disk is broken", 5); }

 private:
  std::string name_ = "broken";
};

TEST(Detection, AFileThatCannotBeReadIsAnIoErrorNotAGuess) {
  const Result<const Format*> format = detect(Bundle::of(std::make_shared<BrokenSource>()), Limits{});
  ASSERT_FALSE(format);
  EXPECT_EQ(format.error().code(), Code::kIo);
}

TEST(Context, NestingDeeperThanTheLimitIsRefused) {
  Context context;
  context.depth = context.limits.containers;
  EXPECT_EQ(context.open(memory("x")).error().code(), Code::kLimit);
  Faults faults;
  EXPECT_EQ(context.verify(memory("x"), faults).error().code(), Code::kLimit);
  Findings findings;
  EXPECT_EQ(context.acts(memory("x"), findings).error().code(), Code::kLimit);
}

TEST(Faults, KeepPlaceAndContextOfAnError) {
  Faults faults;
  faults.add(corrupt("4 bytes are missing").at(12).in("model.pt").with("tensor 'w'"));
  ASSERT_EQ(faults.list.size(), 1u);
  EXPECT_EQ(faults.list[0].where, "model.pt");
  EXPECT_EQ(faults.list[0].offset, 12u);
  EXPECT_EQ(faults.list[0].what, "tensor 'w': 4 bytes are missing");
}

}  // namespace
}  // namespace holdall
