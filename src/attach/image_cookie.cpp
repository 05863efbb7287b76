#include "attach/image_cookie.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "os/fd.hpp"

namespace onecopy::attach {
namespace {

/// Reads the bytes at `address`; 0 or an errno.
int read_bytes(int pid, std::uint64_t address, ImageCookie::Bytes& bytes) noexcept {
    if (address > UINTPTR_MAX) return EOVERFLOW;  // a 32-bit program cannot say it
    const iovec local{bytes.data(), bytes.size()};
    const iovec remote{reinterpret_cast<void*>(static_cast<std::uintptr_t>(address)), bytes.size()};
    const ssize_t got = ::process_vm_readv(pid, &local, 1, &remote, 1, 0);
    if (got < 0) return errno;
    return static_cast<std::size_t>(got) == bytes.size() ? 0 : EFAULT;
}

/// The value of AT_RANDOM in a vector of (type, value) pairs of the target's word width; 0 if this
/// is no such vector.
template <class Word>
std::uint64_t find_random(const std::byte* vector, std::size_t bytes) noexcept {
    constexpr std::uint64_t greatest_type =
        1023;  // 51 is the greatest yet: the other width's are huge
    for (std::size_t at = 0; at + 2 * sizeof(Word) <= bytes; at += 2 * sizeof(Word)) {
        Word pair[2];
        std::memcpy(pair, vector + at, sizeof pair);
        if (pair[0] == AT_RANDOM) return pair[1];
        if (pair[0] == AT_NULL || pair[0] > greatest_type) return 0;
    }
    return 0;
}

}  // namespace

void ImageCookie::learn(int pid) noexcept {
    address_ = 0;
    std::array<char, 32> path{};
    std::snprintf(path.data(), path.size(), "/proc/%d/auxv", pid);
    const os::Fd file(::open(path.data(), O_RDONLY | O_CLOEXEC));
    std::array<std::byte, 1024> vector;
    const ssize_t got = file ? ::read(file.get(), vector.data(), vector.size()) : 0;
    if (got <= 0) return;
    const auto bytes = static_cast<std::size_t>(got);
    std::uint64_t address = find_random<std::uint64_t>(vector.data(), bytes);
    if (address == 0) address = find_random<std::uint32_t>(vector.data(), bytes);
    if (address != 0 && read_bytes(pid, address, bytes_) == 0) address_ = address;
}

bool ImageCookie::shown_by(int mem) const noexcept {
    if (!known()) return false;
    Bytes seen{};
    const ssize_t got = ::pread(mem, seen.data(), seen.size(), static_cast<off_t>(address_));
    return got == static_cast<ssize_t>(seen.size()) && seen == bytes_;
}

ImageCookie::Answer ImageCookie::ask(int pid) const noexcept {
    if (!known()) return Answer::unknown;
    Bytes seen{};
    const int error = read_bytes(pid, address_, seen);
    if (error != 0) return error == EFAULT ? Answer::missing : Answer::unknown;
    return seen == bytes_ ? Answer::same : Answer::different;
}

}  // namespace onecopy::attach
