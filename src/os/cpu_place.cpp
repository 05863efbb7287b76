#include "os/cpu_place.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <string>
#include <system_error>

#include "os/cpu_files.hpp"

namespace onecopy::os {
namespace {

using Cpus = std::span<const std::uint64_t>;

constexpr int bits_of_a_word = 64;

int first_of(Cpus cpus) noexcept {
    for (std::size_t word = 0; word < cpus.size(); ++word) {
        if (cpus[word] != 0) {
            return static_cast<int>(word) * bits_of_a_word + std::countr_zero(cpus[word]);
        }
    }
    return -1;
}

int count_of(Cpus cpus) noexcept {
    int sum = 0;
    for (const std::uint64_t word : cpus) sum += std::popcount(word);
    return sum;
}

/// The number of the thing that has the listed processors, for who may use `cpus`.
std::uint16_t number_of(std::string_view list, Cpus cpus) {
    if (list.empty()) return 0;
    const int end = static_cast<int>(cpus.size()) * bits_of_a_word;
    int first = -1, found = 0;
    each_cpu(list, end, [&](int cpu) {
        if (first < 0) first = cpu;
        const auto place = static_cast<std::size_t>(cpu);
        if ((cpus[place / bits_of_a_word] >> (place % bits_of_a_word) & 1) != 0) ++found;
    });
    return found == count_of(cpus) ? static_cast<std::uint16_t>(first) : CpuPlace::several;
}

std::string cpus_of_package(const std::string& core) {
    std::string list = line_of(core + "/topology/package_cpus_list");
    // Before Linux 5.3.
    if (list.empty()) list = line_of(core + "/topology/core_siblings_list");
    return list;
}

std::string cpus_of_l3(const std::string& core) {
    for (int index = 0;; ++index) {
        const std::string cache = core + "/cache/index" + std::to_string(index);
        const std::string level = line_of(cache + "/level");
        if (level.empty()) return {};
        if (level == "3") return line_of(cache + "/shared_cpu_list");
    }
}

/// The things that a machine in words is made of. From l2 on they stand in this order, behind the
/// others.
enum class Kind : std::uint8_t { machine, package, group, numa, die, l5, l4, l3, l2, l1, core, pu };

std::optional<Kind> kind_of(std::string_view word) noexcept {
    struct Name {
        std::string_view name;
        Kind kind;
    };
    static constexpr std::array names{
        Name{"machine", Kind::machine}, Name{"package", Kind::package}, Name{"group", Kind::group},
        Name{"numa", Kind::numa},       Name{"die", Kind::die},         Name{"l5", Kind::l5},
        Name{"l4", Kind::l4},           Name{"l3", Kind::l3},           Name{"l2", Kind::l2},
        Name{"l1", Kind::l1},           Name{"core", Kind::core},       Name{"pu", Kind::pu}};
    const auto* const found =
        std::ranges::find(names, word, [](const Name& each) { return each.name; });
    if (found == names.end()) return std::nullopt;
    return found->kind;
}

}  // namespace

CpuPlace place_of(Cpus cpus, std::string_view root) {
    const int first = first_of(cpus);
    if (first < 0) return {};
    const std::string machine(root);
    const std::string core = machine + "/cpu/cpu" + std::to_string(first);
    return {number_of(cpus_of_package(core), cpus), number_of(cpus_of_node(machine, core), cpus),
            number_of(cpus_of_l3(core), cpus)};
}

std::optional<CpuPlace> place_in(std::string_view machine, std::uint64_t thread) noexcept {
    constexpr std::uint64_t most_threads = CpuPlace::several;
    struct Level {
        Kind kind;
        std::uint64_t threads;  // in each: at first how many there are in the next larger
    };
    std::array<Level, 12> levels{};
    std::size_t depth = 0;
    std::uint64_t all = 1;
    const char* at = machine.data();
    const char* const end = at + machine.size();
    while (at != end) {
        if (*at == ' ') {
            ++at;
            continue;
        }
        const char* const colon = std::find(at, end, ':');
        const std::optional<Kind> kind = kind_of({at, static_cast<std::size_t>(colon - at)});
        if (!kind || colon == end || depth == levels.size()) return std::nullopt;
        // A larger thing in a smaller one, or in one of its own kind.
        for (std::size_t i = 0; i < depth; ++i) {
            const Kind around = levels[i].kind;
            if (*kind == around && around != Kind::group) return std::nullopt;
            if (*kind < around && around >= Kind::l2) return std::nullopt;
        }
        std::uint64_t count = 0;
        const auto [stop, error] = std::from_chars(colon + 1, end, count);
        if (error != std::errc() || (stop != end && *stop != ' ') || count == 0 ||
            count > most_threads / all) {
            return std::nullopt;
        }
        all *= count;
        levels[depth++] = {*kind, count};
        at = stop;
    }
    if (depth == 0) return std::nullopt;
    const std::uint64_t which = thread % all;
    CpuPlace place{0, 0, 0};
    std::uint64_t inside = all;
    for (std::size_t i = 0; i < depth; ++i) {
        inside /= levels[i].threads;
        const auto first = static_cast<std::uint16_t>(which / inside * inside);
        if (levels[i].kind == Kind::package) place.package = first;
        if (levels[i].kind == Kind::numa) place.numa = first;
        if (levels[i].kind == Kind::l3) place.l3 = first;
    }
    return place;
}

}  // namespace onecopy::os
