#include "holdall/base/digest.h"

// The functions of one algorithm, which OpenSSL 3 calls deprecated: behind EVP stands every algorithm there is, and five
// megabytes of a command that needs this one.
#define OPENSSL_API_COMPAT 0x10101000L
#include <openssl/sha.h>

namespace holdall {

struct Sha256::State {
  SHA256_CTX context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) { SHA256_Init(&state_->context); }
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> data) { SHA256_Update(&state_->context, data.data(), data.size()); }

Digest Sha256::finish() {
  Digest digest{};
  SHA256_Final(reinterpret_cast<unsigned char*>(digest.data()), &state_->context);
  return digest;
}

std::string to_hex(std::span<const std::byte> data) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(data.size() * 2);
  for (const std::byte byte : data) {
    text += kDigits[std::to_integer<unsigned>(byte) >> 4];
    text += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

}  // namespace holdall
