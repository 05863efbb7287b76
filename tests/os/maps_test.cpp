// The memory map of a process: its text, and single questions to it.
#include "os/maps.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "os/fd.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"
#include "support/rights.hpp"

namespace onecopy::test {
namespace {

using os::Map;

os::Fd own_maps() { return os::Fd(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC)); }

struct Entry {
    Map map;
    std::string name;
};

std::vector<Entry> all_maps(int fd) {
    std::vector<Entry> all;
    EXPECT_FALSE(os::for_each_map(fd, [&](const Map& map) {
        all.push_back({map, std::string(map.name)});
        return true;
    }));
    return all;
}

TEST(ParseMap, UnderstandsEveryField) {
    Map map;
    ASSERT_TRUE(os::parse_map(
        "7f0123456000-7f0123459000 rw-s 0001a000 fd:0a 1234567                    /usr/lib/a b.so",
        map));
    EXPECT_EQ(map.begin, 0x7f0123456000U);
    EXPECT_EQ(map.end, 0x7f0123459000U);
    EXPECT_TRUE(map.readable && map.writable && !map.executable && map.shared);
    EXPECT_EQ(map.offset, 0x1a000U);
    EXPECT_EQ(map.device_major, 0xfdU);
    EXPECT_EQ(map.device_minor, 0x0aU);
    EXPECT_EQ(map.inode, 1234567U);
    EXPECT_EQ(map.name, "/usr/lib/a b.so");
}

TEST(ParseMap, TakesNamesAsTheyAre) {
    const std::array<std::string, 8> names{"[heap]",
                                           "[stack]",
                                           "",
                                           "/tmp/with spaces  and more",
                                           "/tmp/line\\012feed",
                                           "/memfd:arena (deleted)",
                                           "[anon: a name]",
                                           "/tmp/trailing "};
    for (const std::string& name : names) {
        const std::string line = "00400000-00401000 r-xp 00000000 08:01 42 " + name;
        Map map;
        ASSERT_TRUE(os::parse_map(line, map)) << line;
        EXPECT_EQ(map.name, name);
        EXPECT_TRUE(map.readable && !map.writable && map.executable && !map.shared);
    }
}

TEST(ParseMap, UnderstandsAMappingWithoutAName) {
    Map map;
    ASSERT_TRUE(os::parse_map("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0", map));
    EXPECT_EQ(map.begin, 0xffffffffff600000U);
    EXPECT_TRUE(map.name.empty());
    EXPECT_FALSE(map.readable);
}

TEST(ParseMap, RefusesWhatIsNoMapping) {
    for (const char* line :
         {"", " ", "-", "00400000", "00400000-", "00400000-00401000", "00400000-00401000 ",
          "00400000-00401000 r-x", "00400000-00401000 r-xp", "00400000-00401000 r-xp ",
          "00400000-00401000 r-xp 0 ", "00400000-00401000 r-xp 0 08",
          "00400000-00401000 r-xp 0 08:01", "00400000-00401000 r-xp 0 08:01 ",
          "00400000-00401000 r-xp 0 08:01 x", "xyz-00401000 r-xp 0 0:0 0",
          "00400000-00401000 r-xpp 0 0:0 0", "11112222333344445-0 r-xp 0 0:0 0", "Size:  4 kB"}) {
        Map map;
        EXPECT_FALSE(os::parse_map(line, map)) << line;
    }
}

TEST(ForEachMap, SeesItsOwnMappingsInOrder) {
    const Memory memory({Page::writable, Page::read_only, Page::hole, Page::no_access}, 1);
    const os::Fd file = own_maps();
    std::uint64_t last = 0;
    int seen = 0;
    for (const auto& [map, name] : all_maps(file.get())) {
        EXPECT_LT(map.begin, map.end);
        EXPECT_LE(last, map.begin);
        last = map.end;
        const std::array<std::string, 4> rights{"rw", "r-", "", "--"};
        for (std::size_t i = 0; i < 4; ++i) {
            if (map.begin > memory.address(i * page) || map.end <= memory.address(i * page))
                continue;
            ++seen;
            EXPECT_EQ(std::string{map.readable ? 'r' : '-'} + (map.writable ? 'w' : '-'),
                      rights[i]);
            EXPECT_FALSE(map.shared);
        }
    }
    EXPECT_EQ(seen, 3);
}

TEST(ForEachMap, StopsWhenItIsToldTo) {
    const os::Fd file = own_maps();
    int visits = 0;
    EXPECT_FALSE(os::for_each_map(file.get(), [&](const Map&) { return ++visits < 3; }));
    EXPECT_EQ(visits, 3);
}

TEST(ForEachMap, ReadsThousandsOfMappingsWithLongNames) {
    // More text than any buffer: 3,000 mappings of a file with a name of 240 characters.
    const std::string path = "/tmp/" + std::string(240, 'n');
    const os::Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    ASSERT_TRUE(file);
    ASSERT_EQ(::ftruncate(file.get(), static_cast<off_t>(page)), 0);
    const std::size_t count = 3000;
    const Memory room(2 * count * page);  // two mappings apart never merge
    for (std::size_t i = 0; i < count; ++i) {
        ASSERT_NE(::mmap(room.data() + 2 * i * page, page, PROT_READ, MAP_SHARED | MAP_FIXED,
                         file.get(), 0),
                  MAP_FAILED);
    }
    ::unlink(path.c_str());
    const os::Fd maps = own_maps();
    std::size_t seen = 0;
    for (const auto& [map, name] : all_maps(maps.get())) {
        if (name != path + " (deleted)") continue;
        EXPECT_EQ(map.begin, room.address(2 * seen * page));
        EXPECT_EQ(map.end, map.begin + page);
        ++seen;
    }
    EXPECT_EQ(seen, count);
}

TEST(ForEachMap, SaysWhyItCannotRead) {
    EXPECT_EQ(os::for_each_map(-1, [](const Map&) { return true; }).value(), EBADF);
}

/// What find_map() says of every border of every mapping, compared with the text: how many differ.
int disagreements() {
    const Memory memory({Page::writable, Page::read_only, Page::hole, Page::no_access}, 1);
    const os::Fd file = own_maps();
    const std::vector<Entry> all = all_maps(file.get());
    int wrong = 0;
    const auto same = [](const Map& a, const Map& b) {
        return a.begin == b.begin && a.end == b.end && a.readable == b.readable &&
               a.writable == b.writable && a.executable == b.executable && a.shared == b.shared &&
               a.offset == b.offset && a.inode == b.inode && a.device_major == b.device_major &&
               a.device_minor == b.device_minor;
    };
    std::vector<std::pair<Map, bool>> answers;
    answers.reserve(4 * all.size());
    for (const Entry& e : all) {
        for (const std::uint64_t at : {e.map.begin, e.map.begin + 1, e.map.end - 1}) {
            Map found;
            const bool is = os::find_map(file.get(), at, found);
            answers.emplace_back(found, is);
        }
    }
    // Mappings that came, went or grew meanwhile (a heap, a stack, an allocator's) say nothing.
    const std::vector<Entry> later = all_maps(file.get());
    for (std::size_t i = 0; i < answers.size(); ++i) {
        const Map& wanted = all[i / 3].map;
        const bool lasted = std::any_of(later.begin(), later.end(),
                                        [&](const Entry& e) { return same(e.map, wanted); });
        // The kernel's own page is in the text alone.
        if (!lasted || all[i / 3].name == "[vsyscall]") continue;
        if (!answers[i].second || !same(answers[i].first, wanted)) ++wrong;
    }
    for (std::size_t i = 0; i < 4; ++i) {
        Map found;
        if (os::find_map(file.get(), memory.address(i * page + 5), found) != (i != 2)) ++wrong;
    }
    return wrong;
}

TEST(FindMap, AgreesWithTheText) { EXPECT_EQ(disagreements(), 0); }

TEST(FindMap, ReadsTheTextWhereTheKernelHasNoSuchQuestion) {
    const int wrong = forked([] {
        // PROCMAP_QUERY came with 6.11; before, the ioctl is ENOTTY.
        const std::array refusals{Refusal{SYS_ioctl, ENOTTY}};
        return refuse(refusals) == 0 ? disagreements() : -1;
    });
    EXPECT_EQ(wrong, 0);
}

TEST(FindMap, KnowsNothingOfAnAddressInAHole) {
    const Memory memory({Page::writable, Page::hole, Page::writable}, 1);
    const os::Fd file = own_maps();
    Map map;
    EXPECT_TRUE(os::find_map(file.get(), memory.address(page - 1), map));
    EXPECT_FALSE(os::find_map(file.get(), memory.address(page), map));
    EXPECT_FALSE(os::find_map(file.get(), memory.address(2 * page - 1), map));
    EXPECT_TRUE(os::find_map(file.get(), memory.address(2 * page), map));
    EXPECT_FALSE(os::find_map(file.get(), ~std::uint64_t{0}, map));
    EXPECT_FALSE(os::find_map(-1, memory.address(), map));
}

}  // namespace
}  // namespace onecopy::test
