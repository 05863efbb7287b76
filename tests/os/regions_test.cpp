#include "os/regions.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "support/child.hpp"
#include "support/memory.hpp"
#include "support/rights.hpp"
#include "support/userfault.hpp"

namespace onecopy::os {
namespace {

using test::Child;
using test::Memory;
using test::Page;
using test::page;

const Region* find(const std::vector<Region>& regions, std::uint64_t address) {
    const auto found = std::find_if(regions.begin(), regions.end(), [&](const Region& region) {
        return region.begin <= address && address < region.end;
    });
    return found == regions.end() ? nullptr : &*found;
}

TEST(Regions, VmFlagsAreTakenOneByOne) {
    Region region;
    ASSERT_TRUE(parse_vm_flags("VmFlags: rd wr mr um uw sd ", region));
    EXPECT_TRUE(region.flags_known);
    EXPECT_TRUE(region.uffd_missing);
    EXPECT_TRUE(region.uffd_write_protect);
    EXPECT_FALSE(region.uffd_minor);
    EXPECT_FALSE(region.device);
    Region card;
    ASSERT_TRUE(parse_vm_flags("VmFlags: rd wr sh io pf", card));
    EXPECT_TRUE(card.device);
    Region huge;
    ASSERT_TRUE(parse_vm_flags("VmFlags: ht ui", huge));
    EXPECT_TRUE(huge.huge_pages);
    EXPECT_TRUE(huge.uffd_minor);
    Region none;
    EXPECT_FALSE(parse_vm_flags("Rss:   4 kB", none));
    EXPECT_FALSE(none.flags_known);
}

TEST(Regions, OfThisProcessAreWhatWasMapped) {
    const Memory memory({Page::writable, Page::read_only, Page::no_access}, 1);
    std::error_code error;
    for (const auto& regions :
         {read_regions("/proc/self", error), read_maps("/proc/self", error)}) {
        ASSERT_FALSE(error);
        const Region* first = find(regions, memory.address());
        const Region* second = find(regions, memory.address(page));
        const Region* third = find(regions, memory.address(2 * page));
        ASSERT_TRUE(first != nullptr && second != nullptr && third != nullptr);
        EXPECT_TRUE(first->readable && first->writable && !first->shared);
        EXPECT_EQ(first->bytes(), page);
        EXPECT_TRUE(second->readable && !second->writable);
        EXPECT_FALSE(third->readable);
        EXPECT_TRUE(
            std::is_sorted(regions.begin(), regions.end(),
                           [](const Region& a, const Region& b) { return a.begin < b.begin; }));
    }
}

TEST(Regions, NamesKeepTheirBlanks) {
    const int fd = ::memfd_create("two  words", MFD_CLOEXEC);
    ASSERT_EQ(::ftruncate(fd, static_cast<off_t>(page)), 0);
    const Memory memory(page, PROT_READ, MAP_SHARED, fd);
    ::close(fd);
    std::error_code error;
    const std::vector<Region> regions = read_regions("/proc/self", error);
    ASSERT_NE(find(regions, memory.address()), nullptr);
    EXPECT_EQ(find(regions, memory.address())->name, "/memfd:two  words (deleted)");
    EXPECT_TRUE(find(regions, memory.address())->shared);
}

TEST(Regions, UserfaultfdIsSeenFromOutside) {
    const Memory memory(2 * page);
    Child child;
    const std::int64_t problem = child.run(
        [](const test::Words& words) -> std::int64_t {
            int error = 0;
            static const test::Userfault fault(reinterpret_cast<void*>(words[0]),
                                               static_cast<std::size_t>(words[1]), error);
            return error;
        },
        memory.data(), memory.bytes());
    if (problem != 0) GTEST_SKIP() << "no userfaultfd here";
    std::error_code error;
    const std::vector<Region> regions = read_regions("/proc/" + std::to_string(child.pid()), error);
    ASSERT_NE(find(regions, memory.address()), nullptr);
    EXPECT_TRUE(find(regions, memory.address())->uffd_missing);
}

TEST(Regions, AZombieHasNoneAndAnAbsentProcessIsAnError) {
    Child child;
    const std::string proc = "/proc/" + std::to_string(child.pid());
    child.kill();
    std::error_code error;
    EXPECT_TRUE(read_regions(proc, error).empty());
    child.reap();
    EXPECT_TRUE(read_regions(proc, error).empty());
    EXPECT_TRUE(error);
}

TEST(Regions, OfSomebodyElsesProcessAreAnError) {
    ONECOPY_NEEDS_ROOT();
    const Child child;
    const int number = test::forked([&] {
        std::error_code error;
        if (test::become(test::user()) == 0) {
            read_regions("/proc/" + std::to_string(child.pid()), error);
        }
        return error.value();
    });
    EXPECT_EQ(number, EACCES);
}

}  // namespace
}  // namespace onecopy::os
