// Property: what is written as a line of a maps file is what is read from it.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <cstdio>
#include <string>

#include "os/maps.hpp"

namespace onecopy::test {
namespace {

RC_GTEST_PROP(ParseMapProperty, ALineIsUnderstoodAsItWasMeant, ()) {
    const auto begin = *rc::gen::arbitrary<std::uint64_t>();
    const auto end = *rc::gen::arbitrary<std::uint64_t>();
    const auto offset = *rc::gen::arbitrary<std::uint64_t>();
    const auto inode = *rc::gen::arbitrary<std::uint64_t>();
    const auto rights = *rc::gen::container<std::array<bool, 4>>(rc::gen::arbitrary<bool>());
    const auto major = *rc::gen::inRange<unsigned>(0, 4096);
    const auto minor = *rc::gen::inRange<unsigned>(0, 1U << 20);
    const auto name = *rc::gen::container<std::string>(
        rc::gen::suchThat<char>([](char c) { return c != '\n' && c != '\0'; }));
    RC_PRE(name.empty() || name.front() != ' ');
    std::array<char, 128> head{};
    std::snprintf(head.data(), head.size(), "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu",
                  static_cast<unsigned long long>(begin), static_cast<unsigned long long>(end),
                  rights[0] ? 'r' : '-', rights[1] ? 'w' : '-', rights[2] ? 'x' : '-',
                  rights[3] ? 's' : 'p', static_cast<unsigned long long>(offset), major, minor,
                  static_cast<unsigned long long>(inode));
    // The kernel pads to column 73; a line without a name has no padding.
    std::string line(head.data());
    if (!name.empty())
        line = line + ' ' + std::string(line.size() < 72 ? 72 - line.size() : 0, ' ') + name;
    os::Map map;
    RC_ASSERT(os::parse_map(line, map));
    RC_ASSERT(map.begin == begin && map.end == end && map.offset == offset && map.inode == inode);
    RC_ASSERT(map.readable == rights[0] && map.writable == rights[1]);
    RC_ASSERT(map.executable == rights[2] && map.shared == rights[3]);
    RC_ASSERT(map.device_major == major && map.device_minor == minor);
    RC_ASSERT(std::string(map.name) == name);
}

RC_GTEST_PROP(ParseMapProperty, AnyTextIsTakenOrRefusedWithoutHarm, (const std::string& text)) {
    os::Map map;
    (void)os::parse_map(text, map);
}

RC_GTEST_PROP(ParseMapProperty, ATornLineIsTakenOrRefusedWithoutHarm, ()) {
    const std::string line =
        "7f0123456000-7f0123459000 rw-s 0001a000 fd:0a 1234567                    /usr/lib/a b.so";
    const auto length = *rc::gen::inRange<std::size_t>(0, line.size());
    const auto at = *rc::gen::inRange<std::size_t>(0, line.size());
    std::string torn = line;
    torn[at] = *rc::gen::arbitrary<char>();
    torn.resize(length);
    os::Map map;
    (void)os::parse_map(torn, map);
}

}  // namespace
}  // namespace onecopy::test
