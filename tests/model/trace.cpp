#include "model/trace.hpp"

#include <algorithm>
#include <cstdio>

namespace onecopy::model {
namespace {

std::string number(std::uint64_t value) {
    char text[32];
    std::snprintf(text, sizeof text, value > 0xffff'ffff ? "%#llx" : "%llu",
                  static_cast<unsigned long long>(value));
    return text;
}

std::string padded(std::string text, std::size_t width) {
    text.resize(std::max(text.size(), width), ' ');
    return text;
}

std::string_view file_name(std::string_view path) {
    return path.substr(path.find_last_of('/') + 1);
}

/// The newest store of its location when it was done, as far as that can be said: the one furthest
/// behind in modification order among those that stand before it in the trace.
int newest_before(const Graph& graph, int reader) {
    int newest = -1;
    for (const int each : graph.location(graph.event(reader).location).stores) {
        if (each < reader) newest = each;
    }
    return newest;
}

}  // namespace

std::string_view name_of(std::memory_order order) noexcept {
    switch (order) {
        case std::memory_order_relaxed:
            return "relaxed";
        case std::memory_order_consume:
        case std::memory_order_acquire:
            return "acquire";
        case std::memory_order_release:
            return "release";
        case std::memory_order_acq_rel:
            return "acq_rel";
        default:
            return "seq_cst";
    }
}

std::string name_of(const Graph& graph, int location) {
    const std::string& name = graph.location(location).name;
    return name.empty() ? "location " + std::to_string(location) : name;
}

std::string trace_of(const Graph& graph, const std::vector<std::string>& threads) {
    std::string text;
    const int count = static_cast<int>(graph.events().size());
    for (int i = 0; i < count; ++i) {
        const Event& event = graph.event(i);
        if (event.thread == 0) continue;
        std::string line = padded(std::to_string(i), 5) +
                           padded(threads[static_cast<std::size_t>(event.thread)], 12);
        std::string what;
        if (event.op == Op::fence) {
            what = "fence";
        } else if (event.plain) {
            what = name_of(graph, event.location) + " is written over: " + number(event.put);
        } else if (event.op == Op::store) {
            what = name_of(graph, event.location) + " = " + number(event.put);
        } else {
            what = name_of(graph, event.location) + " is " + number(event.got);
            if (event.op == Op::update) what += ", = " + number(event.put);
        }
        line += padded(what, 34) + " " + std::string(name_of(event.order));
        if (event.from >= 0) {
            const Event& from = graph.event(event.from);
            line += from.thread == 0 ? ", as at first" : ", from " + std::to_string(event.from);
            const int newest = newest_before(graph, i);
            if (newest > event.from && graph.event(newest).position > from.position) {
                line += " and not from " + std::to_string(newest);
            }
        }
        const std::string_view function = event.site.function;
        text += padded(line, 84) + "  " + std::string(function.substr(0, function.find('<'))) +
                ", " + std::string(file_name(event.site.file)) + ":" +
                std::to_string(event.site.line) + "\n";
    }
    return text;
}

}  // namespace onecopy::model
