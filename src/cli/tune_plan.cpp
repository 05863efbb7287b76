#include "cli/tune_plan.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace onecopy::cli {

std::vector<CpuPair> pairs_at(os::Distance distance, std::span<const node::CpuSet> cores,
                              const std::function<os::Distance(int, int)>& between) {
    std::vector<int> cpus;
    for (const node::CpuSet& core : cores) {
        const std::size_t threads = distance == os::Distance::same_core ? core.size() : 1;
        cpus.insert(cpus.end(), core.begin(),
                    core.begin() + static_cast<std::ptrdiff_t>(std::min(threads, core.size())));
    }
    std::vector<CpuPair> pairs;
    std::vector<bool> taken(cpus.size(), false);
    for (std::size_t i = 0; i < cpus.size(); ++i) {
        for (std::size_t j = i + 1; j < cpus.size() && !taken[i]; ++j) {
            if (taken[j] || between(cpus[i], cpus[j]) != distance) continue;
            taken[i] = taken[j] = true;
            pairs.push_back({cpus[i], cpus[j]});
        }
    }
    return pairs;
}

std::size_t choose_overall(const Times& times, std::size_t standard) {
    const auto score = [](const std::vector<double>& row) {
        double sum = 0;
        for (const double time : row) sum += std::log(time);
        return sum / static_cast<double>(row.size());
    };
    std::size_t best = standard;
    double best_score = score(times[standard]) - std::log(tie);
    for (std::size_t i = 0; i < times.size(); ++i) {
        if (i == standard || score(times[i]) >= best_score) continue;
        best = i;
        best_score = score(times[i]);
    }
    return best;
}

std::vector<std::size_t> choose_each(const Times& times, std::size_t standard) {
    std::vector<std::size_t> chosen(times[standard].size());
    for (std::size_t size = 0; size < chosen.size(); ++size) {
        Times column;
        for (const auto& row : times) column.push_back({row[size]});
        chosen[size] = choose_overall(column, standard);
    }
    return chosen;
}

std::uint64_t choose_shared_from(std::span<const std::uint64_t> bytes,
                                 std::span<const double> alone, std::span<const double> both,
                                 std::uint64_t standard, std::uint64_t most) {
    // What a threshold costs, beyond the better of the two at each size.
    const auto cost = [&](std::uint64_t from) {
        double sum = 0;
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            const double gain = std::log(alone[i] / both[i]);  // of both
            const bool is_tie = std::abs(gain) <= std::log(tie);
            const bool wanted = is_tie ? bytes[i] >= standard : gain > 0;
            // Where they tie it does not matter much, but a bit.
            const double weight = is_tie ? std::log(tie) / 100 : std::abs(gain);
            if ((bytes[i] >= from) != wanted) sum += weight;
        }
        return sum;
    };
    std::uint64_t best = standard;
    double least = cost(standard);
    std::vector<std::uint64_t> thresholds(bytes.begin(), bytes.end());
    thresholds.push_back(most);
    for (const std::uint64_t from : thresholds) {
        if (cost(from) >= least) continue;
        best = from;
        least = cost(from);
    }
    return best;
}

double lower_quartile(std::vector<double> samples) {
    const auto place = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 4);
    std::nth_element(samples.begin(), place, samples.end());
    return *place;
}

}  // namespace onecopy::cli
