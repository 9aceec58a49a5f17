// NumPy's .npy and .npz files: what is shared between reading, verifying and writing.
//
// Thread-safety: pure functions. Ownership: results share the file's source.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "holdall/codec/npy.h"
#include "holdall/codec/zip.h"
#include "holdall/formats/format.h"
#include "holdall/formats/tree_metadata.h"

namespace holdall::numpy {

// One array of a .npy file, or of a member of an .npz file.
struct Array {
  NpyHeader header;
  Blob file;                 // what holds it
  std::uint64_t offset = 0;  // of its header in `file`
};

// The array's elements. Precondition: it has no objects. Errors: corrupt, limit.
Result<Tensor> tensor_of(const Array& array);

// A member of an .npz file. np.load shows a member x.npy as x, and one that holds no array as its bytes.
struct Member {
  std::string name;  // as np.load shows it
  Blob blob;
  std::optional<Array> array;
};

// Opens the members of an archive one behind another, without folders and holdall.tree; returns the text of holdall.tree, empty
// where there is none. Errors: corrupt for two members of the same shown name or bytes behind an array; those of use().
Result<std::string> for_each_member(const ZipArchive& zip, const Limits& limits,
                                    const std::function<Status(Member member)>& use);

// Whether a file begins as a ZIP archive does.
bool looks_like_zip(std::span<const std::byte> head) noexcept;

// Format::plan.
Result<Plan> plan(const Model& model, const WriteOptions& options);

}  // namespace holdall::numpy
