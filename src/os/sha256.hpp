// A secret that two processes share, proved without telling it: HMAC with SHA-256.
//
// Ours, because nothing else here needs a library of cryptography, and a program that links us for
// its messages should not get one into its process.
#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace onecopy::os {

using Digest = std::array<std::byte, 32>;

/// Source: FIPS 180-4. For messages of less than 512 MiB.
Digest sha256(std::span<const std::byte> message);

/// Source: RFC 2104.
Digest hmac_sha256(std::span<const std::byte> key, std::span<const std::byte> message);

/// In a time that does not depend on where they differ.
bool same_digest(const Digest& one, const Digest& other) noexcept;

}  // namespace onecopy::os
