// As soon as the library is there: whose handlers of fork() are registered later has taken its
// locks by the time ours make the arenas stand still. (In a static library this file stands aside,
// and the first arena registers.)
#include "arena/forks.hpp"

namespace onecopy::arena {
namespace {

[[gnu::constructor(101)]] void register_early() { watch_forks(); }

}  // namespace
}  // namespace onecopy::arena
