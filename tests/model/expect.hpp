// What a model is asked: does it hold, is each change that breaks it found, and is each of its
// memory orders needed?
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/checker.hpp"
#include "model/trace.hpp"

namespace onecopy::model {

using Program = std::function<void(Execution&)>;

/// In every execution. Says how many there were.
inline Result holds(const std::string& what, const Program& program, const Options& options = {}) {
    Result result = explore(program, options);
    EXPECT_FALSE(result.failed) << what << ": " << result.why << "\n" << result.trace;
    std::printf("model: %s: %llu executions (and %llu cut)\n", what.c_str(),
                static_cast<unsigned long long>(result.executions),
                static_cast<unsigned long long>(result.cut));
    return result;
}

/// It is broken in some execution, by something that was changed.
inline void is_found(const std::string& what, const Program& program, const Mutation& mutation,
                     const std::string& why = {}) {
    Options options;
    options.mutations.push_back(mutation);
    options.max_executions = 20'000;
    const Result result = explore(program, options);
    EXPECT_EQ(result.why.find("too large a model"), std::string::npos) << what << " is not found";
    EXPECT_TRUE(result.failed) << what << " is not found in " << result.executions << " executions";
    EXPECT_GT(result.mutated, 0U) << what << " changes nothing";
    if (result.failed) {
        EXPECT_NE(result.why.find(why), std::string::npos) << what << ": " << result.why;
    }
}

/// Orders that are weaker than that, the weakest first.
inline std::vector<std::memory_order> weaker(const Use& use) {
    using enum std::memory_order;
    const bool all = use.order == seq_cst;
    if (use.op == "fence") return {acq_rel};
    if (use.op == "load") return all ? std::vector{relaxed, acquire} : std::vector{relaxed};
    if (use.op == "store") return all ? std::vector{relaxed, release} : std::vector{relaxed};
    if (all) return {relaxed, acquire, release, acq_rel};
    return use.order == acq_rel ? std::vector{relaxed, acquire, release} : std::vector{relaxed};
}

/// Which orders of `file`, of src/node, could be weaker: each that these programs use is weakened
/// in each way, and where all of them hold all the same, it is listed, as "put: store stamp
/// release", with the weakest that will do. The quickest program comes best first.
inline std::set<std::string> orders_not_needed(std::string_view file,
                                               const std::vector<Program>& programs) {
    std::vector<Use> uses;
    for (const Program& program : programs) {
        const Result result = explore(program);
        EXPECT_FALSE(result.failed) << result.why << "\n" << result.trace;
        for (const Use& use : result.uses) {
            const bool known = std::any_of(uses.begin(), uses.end(), [&](const Use& other) {
                return other.site.line == use.site.line && other.op == use.op;
            });
            if (!known && std::string_view(use.site.file).ends_with(file)) uses.push_back(use);
        }
    }
    std::set<std::string> survivors;
    for (const Use& use : uses) {
        std::string weakest;
        for (const std::memory_order order : weaker(use)) {
            Mutation mutation;
            mutation.file = use.site.file;
            mutation.line = use.site.line;
            mutation.op = use.op;
            mutation.order = order;
            Options options;
            options.mutations.push_back(mutation);
            const bool found = std::any_of(
                programs.begin(), programs.end(),
                [&](const Program& program) { return explore(program, options).failed; });
            if (found) continue;
            weakest = name_of(order);
            break;
        }
        if (weakest.empty()) continue;
        std::string function = use.site.function;
        function.resize(std::min(function.size(), function.find('<')));
        std::string line = function;
        line.append(": ").append(use.op).append(" ");
        const std::string what = use.location.substr(use.location.rfind(' ') + 1);  // not whose
        if (!what.empty()) line.append(what).append(" ");
        survivors.insert(line + weakest);
    }
    return survivors;
}

}  // namespace onecopy::model
