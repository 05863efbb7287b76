// Running one function in several processes that are bound to cores.
#pragma once

#include <functional>
#include <span>
#include <string_view>

namespace onecopy::cli {

/// Forks `ranks` processes, binds rank r to cpus[r % cpus.size()] (none: unbound), runs `body(r)`
/// in each and waits for all. What they share they find in Memory made before.
///
/// Each rank permits the others to reach its memory where Yama asks for that. No rank is reaped
/// before all have ended, so a pid means the same process as long as any of them runs. If one
/// throws or dies, the others are killed at once; if the caller dies, all are.
/// Throws Failure, its line opened by `asked`: what a rank threw, or which signal killed it; or the
/// fork's error. Only for callers with a single thread.
void run_ranks(std::string_view asked, int ranks, std::span<const int> cpus,
               const std::function<void(int)>& body);

}  // namespace onecopy::cli
