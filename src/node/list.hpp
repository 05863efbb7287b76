// Lists whose elements carry the links: putting one in or taking it out allocates nothing.
#pragma once

namespace onecopy::node {

/// An element derives from one for each kind of list it can be in at a time.
template <class Tag>
struct Hook {
    Hook* before = nullptr;
    Hook* behind = nullptr;
};

/// Does not own its elements. One thread at a time.
template <class T, class Tag>
class List {
    using Link = Hook<Tag>;

public:
    List() noexcept { ends_.before = ends_.behind = &ends_; }
    List(const List&) = delete;
    List& operator=(const List&) = delete;

    [[nodiscard]] bool empty() const noexcept { return ends_.behind == &ends_; }
    [[nodiscard]] T* first() const noexcept { return element(ends_.behind); }
    /// The one behind an element; null at the end.
    [[nodiscard]] T* after(const T& one) const noexcept {
        return element(static_cast<const Link&>(one).behind);
    }
    void append(T& one) noexcept {
        Link& link = one;
        link.before = ends_.before;
        link.behind = &ends_;
        ends_.before->behind = &link;
        ends_.before = &link;
    }
    static void remove(T& one) noexcept {
        Link& link = one;
        link.before->behind = link.behind;
        link.behind->before = link.before;
        link.before = link.behind = nullptr;
    }
    T* take_first() noexcept {
        T* const one = first();
        if (one != nullptr) remove(*one);
        return one;
    }

private:
    [[nodiscard]] T* element(Link* link) const noexcept {
        return link == &ends_ ? nullptr : static_cast<T*>(link);
    }
    Link ends_;
};

}  // namespace onecopy::node
