#include "os/sealed_memfd.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace onecopy::os {
namespace {

constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

[[noreturn]] void fail(int error, const char* what) {
    throw std::system_error(error, std::system_category(), what);
}

}  // namespace

Fd make_sealed_memfd(const char* name, std::size_t bytes, unsigned flags) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < bytes) {
        fail(EFBIG, "shared memory above the file size limit (ulimit -f)");
    }
    Fd fd = with_high_number(Fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags)));
    if (!fd) fail(errno, "memfd_create");
    if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) fail(errno, "size a memfd");
    if (::fcntl(fd.get(), F_ADD_SEALS, seals) != 0) fail(errno, "seal a memfd");
    return fd;
}

std::size_t size_of_sealed_memfd(const Fd& fd) {
    const int found = ::fcntl(fd.get(), F_GET_SEALS);
    if (found < 0 || (found & seals) != seals) fail(EINVAL, "shared memory without its seals");
    struct stat facts {};
    if (::fstat(fd.get(), &facts) != 0) fail(errno, "fstat of shared memory");
    return static_cast<std::size_t>(facts.st_size);
}

}  // namespace onecopy::os
