#include "schedule/bracket.hpp"

#include <algorithm>
#include <cassert>

namespace onecopy::schedule {
namespace {

/// Walks the tree down to the sources, which are nodes of it, and writes on the way up.
class Walk {
public:
    Walk(std::span<const Source> sources, Postfix& out) noexcept : sources_(sources), out_(out) {}

    /// [first, first + count) of the tree, as far as sources are there: a node that reaches beyond
    /// them (a prefix of the ranks is combined) is only gone through.
    void node(int first, int count) {
        if (next_ == sources_.size() || first + count <= sources_[next_].first) return;
        const Source& source = sources_[next_];
        if (source.first == first && source.count == count) {
            push(static_cast<std::int32_t>(next_++));
            return;
        }
        assert(count > 1 && "a source is no node of the tree");
        const int left = left_of(count);
        const int before = height_;
        node(first, left);
        node(first + left, count - left);
        if (height_ == before + 2) combine();
    }
    void left_to_right() {
        for (; next_ < sources_.size(); ++next_) {
            push(static_cast<std::int32_t>(next_));
            if (next_ > 0) combine();
        }
    }
    [[nodiscard]] bool done() const noexcept { return next_ == sources_.size() && height_ == 1; }

private:
    void push(std::int32_t source) {
        out_.sequence.push_back(source);
        out_.depth = std::max(out_.depth, ++height_);
    }
    void combine() {
        out_.sequence.push_back(Postfix::combine);
        --height_;
    }

    std::span<const Source> sources_;
    Postfix& out_;
    std::size_t next_ = 0;
    int height_ = 0;
};

}  // namespace

bool is_node(int first, int count, int ranks) noexcept {
    if (first < 0 || count < 1 || count > ranks || first > ranks - count) return false;
    int begin = 0, size = ranks;
    while (size > count) {
        const int left = left_of(size);
        if (first < begin + left) {
            size = left;
        } else {
            begin += left;
            size -= left;
        }
    }
    return begin == first && size == count;
}

Postfix postfix_of(std::span<const Source> sources, Collective what, int ranks) {
    Postfix postfix;
    postfix.sequence.reserve(2 * sources.size());
    Walk walk(sources, postfix);
    if (goes_left_to_right(what)) {
        walk.left_to_right();
    } else {
        walk.node(0, ranks);
    }
    assert(walk.done() && "sources that cannot be combined");
    return postfix;
}

}  // namespace onecopy::schedule
