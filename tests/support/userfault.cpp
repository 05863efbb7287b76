#include "support/userfault.hpp"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "support/memory.hpp"

namespace onecopy::test {

Userfault::Userfault(void* begin, std::size_t bytes, int& error) noexcept
    : fd_(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC))) {
    uffdio_api api{UFFD_API, 0, 0};
    uffdio_register range{};
    range.range = {reinterpret_cast<std::uintptr_t>(begin), bytes};
    range.mode = UFFDIO_REGISTER_MODE_MISSING;
    const bool done = fd_ >= 0 && ::ioctl(fd_, UFFDIO_API, &api) == 0 &&
                      ::ioctl(fd_, UFFDIO_REGISTER, &range) == 0;
    error = done ? 0 : errno;
}

int Userfault::serve(void* at, std::uint8_t value) const noexcept {
    const std::vector<std::uint8_t> contents(page, value);
    uffdio_copy copy{};
    copy.dst = reinterpret_cast<std::uintptr_t>(at);
    copy.src = reinterpret_cast<std::uintptr_t>(contents.data());
    copy.len = page;
    return ::ioctl(fd_, UFFDIO_COPY, &copy) == 0 ? 0 : errno;
}

std::uint64_t Userfault::next_fault() const noexcept {
    uffd_msg message{};
    if (::read(fd_, &message, sizeof message) != sizeof message) return 0;
    return message.event == UFFD_EVENT_PAGEFAULT ? message.arg.pagefault.address : 0;
}

}  // namespace onecopy::test
