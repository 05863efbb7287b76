// Which forms of a schedule there are for a collective, and what they ask of the caller's memory.
#pragma once

#include "schedule/schedule.hpp"

namespace onecopy::schedule {

/// False: steps_of() gives those of Form::pull instead.
///
///                   pull  push  redundant  domains
///   bcast            x     x                  x
///   gather           x     x                         by domains each byte would cross once, too
///   scatter          x     x                         the same
///   allgather        x     x                  x
///   alltoall         x     x                         the same
///   reduce           x     x        x         x
///   allreduce        x     x        x         x
///   reduce_scatter   x                        x      whoever makes a block is who needs it
///   scan             x              x
///   exscan           x              x
[[nodiscard]] bool has_form(Collective what, Form form) noexcept;

/// Whether at any of the ranks memory of `to` may be memory of `from`, as onecopy/collectives.hpp
/// says for the collective: nobody reads there what might be overwritten already, except for a step
/// that writes just where it reads. Where it is false, a rank that is in place needs a copy of its
/// `from` for the others (and itself) to read.
[[nodiscard]] bool in_place_safe(Collective what, Form form) noexcept;

}  // namespace onecopy::schedule
