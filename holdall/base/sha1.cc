#include "holdall/base/sha1.h"

// As in digest.cc: without EVP and all that stands behind it.
#define OPENSSL_API_COMPAT 0x10101000L
#include <openssl/sha.h>

namespace holdall {

struct Sha1::State {
  SHA_CTX context;
};

Sha1::Sha1() : state_(std::make_unique<State>()) { SHA1_Init(&state_->context); }
Sha1::~Sha1() = default;

void Sha1::update(std::span<const std::byte> data) { SHA1_Update(&state_->context, data.data(), data.size()); }

std::array<std::byte, 20> Sha1::finish() {
  std::array<std::byte, 20> digest{};
  SHA1_Final(reinterpret_cast<unsigned char*>(digest.data()), &state_->context);
  return digest;
}

}  // namespace holdall
