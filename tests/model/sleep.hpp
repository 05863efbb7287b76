// How the threads of a model wait: as Endpoint::wait does it with its patience at an end.
#pragma once

#include <cstdint>
#include <string>

#include "model/checker.hpp"
#include "node/atomic.hpp"
#include "node/bell.hpp"

namespace onecopy::model {

inline node::Bell& make_bell(Execution& run, const std::string& whose) {
    auto& bell = run.make<node::Bell>();
    run.name(bell.rings, whose + " rings");
    run.name(bell.asleep, whose + " asleep");
    return bell;
}

/// Goes on until look() finds something, sleeping in between. It looks before it lies down, if
/// `first`; a look in vain leaves nothing that others see, so without that little is lost.
template <class Look>
void wait(node::Bell& bell, const Look& look, bool first = true) {
    for (bool found = first && look(); !found;) {
        bell.sleep([&] { return found = look(); },
                   [&](std::uint32_t rings) { node::futex_wait(bell.rings, rings, {}); });
        if (first && !found) found = look();
    }
}

}  // namespace onecopy::model
