// C's scattered memory as ours, checked.
#pragma once

#include "c_api/lists.hpp"
#include "c_api/node_handles.hpp"

namespace onecopy::c_api {

/// Runs `call` with the list; or an error's number.
template <class To, class Convert, class Call>
int with_pieces(const iovec* pieces, std::size_t count, const Convert& convert, const Call& call) {
    if (pieces == nullptr && count > 0) return -EINVAL;
    const List<To> list(pieces, count, convert);
    if (!list.ok()) return -ENOMEM;
    std::size_t left = SSIZE_MAX;
    for (const To& each : list.get()) {
        if (!sound(each.data(), each.size()) || each.size() > left) return -EINVAL;
        left -= each.size();
    }
    return call(std::span<const To>(list.get()));
}
template <class Call>
int with_pieces_to_send(const iovec* pieces, std::size_t count, const Call& call) {
    return with_pieces<ConstSegment>(pieces, count, to_const_segment, call);
}
template <class Call>
int with_pieces_to_receive(const iovec* pieces, std::size_t count, const Call& call) {
    return with_pieces<Segment>(pieces, count, to_segment, call);
}

}  // namespace onecopy::c_api
