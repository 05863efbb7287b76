// Objects that come and go with every message: each thread keeps some of those that went, since a
// stream of small messages would spend much of its time in malloc.
#pragma once

#include <cstddef>
#include <new>

// Sanitizers shall see each of them come and go.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ONECOPY_KEEPS_NOTHING
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ONECOPY_KEEPS_NOTHING
#endif
#endif

namespace onecopy::node {

/// To be derived from by T, and T by nobody.
template <class T>
class Kept {
public:
    static void* operator new(std::size_t bytes) {
        if (void* const one = rooms_.take()) return one;
        return ::operator new(bytes);
    }
    static void* operator new(std::size_t bytes, const std::nothrow_t& tag) noexcept {
        if (void* const one = rooms_.take()) return one;
        return ::operator new(bytes, tag);
    }
    static void operator delete(void* memory) noexcept {
        if (!rooms_.put(memory)) ::operator delete(memory);
    }

private:
#if defined(ONECOPY_KEEPS_NOTHING)
    struct Rooms {
        static void* take() noexcept { return nullptr; }
        static bool put(void* /*memory*/) noexcept { return false; }
    };
    inline static Rooms rooms_;
#else
    /// As many as a stream has outstanding, a list that runs through themselves. No destructor, so
    /// that a look at it costs nothing; what is in it is given back by another object when the
    /// thread ends. And little, so that it finds room among the first libraries' variables: those
    /// are reached without a call.
    struct Rooms {
        static constexpr unsigned most = 128;
        void* first = nullptr;
        unsigned count = 0;
        enum { fresh, watched, over } state = fresh;

        void* take() noexcept {
            void* const one = first;
            if (one == nullptr) return nullptr;
            first = *static_cast<void**>(one);
            --count;
            return one;
        }
        bool put(void* memory) noexcept {
            if (count == most || (state != watched && !begin())) return false;
            *static_cast<void**>(memory) = first;
            first = memory;
            ++count;
            return true;
        }
        bool begin() noexcept {
            if (state == over) return false;
            static thread_local Emptying emptying{*this};
            state = watched;
            return true;
        }
    };
    struct Emptying {
        Rooms& rooms;
        ~Emptying() {
            while (void* const one = rooms.take()) ::operator delete(one);
            rooms.state = Rooms::over;
        }
    };
    [[gnu::tls_model("initial-exec")]] inline static constinit thread_local Rooms rooms_{};
#endif
};

}  // namespace onecopy::node
