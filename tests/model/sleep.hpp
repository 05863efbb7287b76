// How the threads of a model wait: as Endpoint::wait does it with its patience at an end.
#pragma once

#include <cstdint>
#include <functional>
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

/// What somebody does while there is nothing for him.
enum class Waits : std::uint8_t {
    awake,    ///< looks again: nobody has to wake him
    asleep,   ///< looks, and sleeps then
    at_once,  ///< lies down before the first look: fewer ways than the last
};
template <class Look>
void wait(Waits how, node::Bell& bell, const Look& look) {
    if (how == Waits::awake) {
        wait_until(std::ref(look));
    } else {
        wait(bell, look, how == Waits::asleep);
    }
}

}  // namespace onecopy::model
