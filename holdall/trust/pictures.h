// Pictures without chunks, fonts, MP3, catalogs of translations, documents: what stands beside a model, as a whole from its
// first byte to its last. No loader of models runs them; they are known by how they are put together, never by name.
//
// Thread-safety: pure. Ownership: refers to the caller's bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace holdall {

// Whether a file that begins so may be any of them; 16 bytes suffice.
bool may_be_picture(std::span<const std::byte> head) noexcept;

// "image", "font", "media", "catalog", "document", or empty for anything else.
std::string_view picture_kind(std::span<const std::byte> data);

}  // namespace holdall
