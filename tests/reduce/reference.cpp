#include "reference.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace onecopy::reference {
namespace {

template <class T>
T load(const unsigned char* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

template <class T>
void store(unsigned char* at, T value) {
    std::memcpy(at, &value, sizeof value);
}

enum class Class { integer, floating, half, complex, logical, pair };

Class class_of(Type type) {
    switch (type) {
        case Type::int8:
        case Type::int16:
        case Type::int32:
        case Type::int64:
        case Type::uint8:
        case Type::uint16:
        case Type::uint32:
        case Type::uint64:
            return Class::integer;
        case Type::float16:
        case Type::bfloat16:
            return Class::half;
        case Type::float32:
        case Type::float64:
        case Type::long_double:
            return Class::floating;
        case Type::complex_float:
        case Type::complex_double:
            return Class::complex;
        case Type::boolean:
            return Class::logical;
        default:
            return Class::pair;
    }
}

template <class Value, class Index>
struct PairOf {
    Value value;
    Index index;
};

/// Calls `visit` with a null pointer of the element's C type.
template <class F>
auto with_type(Type type, F visit) {
    switch (type) {
        case Type::int8:
            return visit(static_cast<std::int8_t*>(nullptr));
        case Type::int16:
            return visit(static_cast<std::int16_t*>(nullptr));
        case Type::int32:
            return visit(static_cast<std::int32_t*>(nullptr));
        case Type::int64:
            return visit(static_cast<std::int64_t*>(nullptr));
        case Type::uint8:
            return visit(static_cast<std::uint8_t*>(nullptr));
        case Type::uint16:
            return visit(static_cast<std::uint16_t*>(nullptr));
        case Type::uint32:
            return visit(static_cast<std::uint32_t*>(nullptr));
        case Type::uint64:
            return visit(static_cast<std::uint64_t*>(nullptr));
        case Type::float16:
        case Type::bfloat16:
            return visit(static_cast<std::uint16_t*>(nullptr));
        case Type::float32:
            return visit(static_cast<float*>(nullptr));
        case Type::float64:
            return visit(static_cast<double*>(nullptr));
        case Type::long_double:
            return visit(static_cast<long double*>(nullptr));
        case Type::complex_float:
            return visit(static_cast<float(*)[2]>(nullptr));
        case Type::complex_double:
            return visit(static_cast<double(*)[2]>(nullptr));
        case Type::boolean:
            return visit(static_cast<bool*>(nullptr));
        case Type::float_int:
            return visit(static_cast<PairOf<float, int>*>(nullptr));
        case Type::double_int:
            return visit(static_cast<PairOf<double, int>*>(nullptr));
        case Type::long_int:
            return visit(static_cast<PairOf<long, int>*>(nullptr));
        case Type::int_int:
            return visit(static_cast<PairOf<int, int>*>(nullptr));
        case Type::short_int:
            return visit(static_cast<PairOf<short, int>*>(nullptr));
        case Type::long_double_int:
            return visit(static_cast<PairOf<long double, int>*>(nullptr));
        case Type::float_float:
            return visit(static_cast<PairOf<float, float>*>(nullptr));
        case Type::double_double:
            return visit(static_cast<PairOf<double, double>*>(nullptr));
    }
    std::abort();
}

// ---- NaNs, by their bits

/// A long double is x87's, with 10 bytes of value, or IEEE's binary128.
constexpr bool x87 = std::numeric_limits<long double>::digits == 64;
constexpr std::size_t long_double_bytes = x87 ? 10 : sizeof(long double);

template <class T>
constexpr std::size_t bytes_with_value = std::is_same_v<T, long double> ? long_double_bytes
                                                                        : sizeof(T);

bool is_nan(const unsigned char* at, float) {
    return (load<std::uint32_t>(at) & 0x7fffffffU) > 0x7f800000U;
}
bool is_nan(const unsigned char* at, double) {
    return (load<std::uint64_t>(at) & ~(1ULL << 63)) > 0x7ff0000000000000ULL;
}
bool is_nan(const unsigned char* at, long double) { return std::isnan(load<long double>(at)); }

void put_quiet(const unsigned char* from, unsigned char* to, float) {
    store(to, load<std::uint32_t>(from) | 0x00400000U);
}
void put_quiet(const unsigned char* from, unsigned char* to, double) {
    store(to, load<std::uint64_t>(from) | 0x0008000000000000ULL);
}
void put_quiet(const unsigned char* from, unsigned char* to, long double) {
    std::memcpy(to, from, long_double_bytes);
    to[x87 ? 7 : 13] |= x87 ? 0x40 : 0x80;
}

void put_default(unsigned char* to, float) { store(to, 0xffc00000U); }
void put_default(unsigned char* to, double) { store(to, 0xfff8000000000000ULL); }
void put_default(unsigned char* to, long double) {
    std::memset(to, 0, long_double_bytes);
    to[long_double_bytes - 1] = to[long_double_bytes - 2] = 0xff;
    to[x87 ? 7 : 13] = x87 ? 0xc0 : 0x80;
}

template <class T>
void arithmetic(Op op, const unsigned char* left, const unsigned char* right,
                unsigned char* result) {
    std::memcpy(result, left, sizeof(T));  // padding
    if (is_nan(left, T())) return put_quiet(left, result, T());
    if (is_nan(right, T())) return put_quiet(right, result, T());
    const T value = op == Op::sum ? load<T>(left) + load<T>(right) : load<T>(left) * load<T>(right);
    if (std::isnan(value)) return put_default(result, T());
    std::memcpy(result, &value, bytes_with_value<T>);
}

/// Left if it is smaller (or greater), else right.
template <class T>
bool left_first(Op op, T left, T right) {
    return op == Op::min || op == Op::minloc ? left < right : right < left;
}

template <class T>
void integers(Op op, const unsigned char* left, const unsigned char* right, unsigned char* result) {
    const T a = load<T>(left);
    const T b = load<T>(right);
    const auto wide_a = static_cast<unsigned long long>(a);
    const auto wide_b = static_cast<unsigned long long>(b);
    switch (op) {
        case Op::sum:
            return store(result, static_cast<T>(wide_a + wide_b));
        case Op::prod:
            return store(result, static_cast<T>(wide_a * wide_b));
        case Op::min:
            return store(result, std::min(a, b));
        case Op::max:
            return store(result, std::max(a, b));
        case Op::land:
            return store(result, static_cast<T>(a && b));
        case Op::lor:
            return store(result, static_cast<T>(a || b));
        case Op::lxor:
            return store(result, static_cast<T>(!a != !b));
        case Op::band:
            return store(result, static_cast<T>(a & b));
        case Op::bor:
            return store(result, static_cast<T>(a | b));
        case Op::bxor:
            return store(result, static_cast<T>(a ^ b));
        default:
            std::abort();
    }
}

// ---- halves, by their definition: sign, exponent, fraction

struct HalfFormat {
    int fraction_bits;
    int bias;
};
constexpr HalfFormat format_of(Type type) {
    return type == Type::float16 ? HalfFormat{10, 15} : HalfFormat{7, 127};
}

bool half_nan(std::uint16_t bits, HalfFormat format) {
    const int top = (0x7fff >> format.fraction_bits) << format.fraction_bits;
    return (bits & 0x7fff) > top;
}

double half_value(std::uint16_t bits, HalfFormat format) {
    const int magnitude = bits & 0x7fff;
    const int exponent = magnitude >> format.fraction_bits;
    const int fraction = magnitude & ((1 << format.fraction_bits) - 1);
    const int largest = 0x7fff >> format.fraction_bits;
    double value;
    if (exponent == largest)
        value = INFINITY;
    else if (exponent == 0)
        value = std::ldexp(fraction, 1 - format.bias - format.fraction_bits);
    else
        value = std::ldexp(fraction + (1 << format.fraction_bits),
                           exponent - format.bias - format.fraction_bits);
    return (bits & 0x8000) != 0 ? -value : value;
}

/// The nearest half, ties to even: `value` counted in units of the last place.
std::uint16_t half_bits(double value, HalfFormat format) {
    const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
    const double magnitude = std::fabs(value);
    const int infinity = (0x7fff >> format.fraction_bits) << format.fraction_bits;
    if (std::isinf(magnitude)) return static_cast<std::uint16_t>(sign | infinity);
    if (magnitude == 0) return sign;
    int exponent = std::max(std::ilogb(magnitude), 1 - format.bias);
    const double units = std::nearbyint(std::ldexp(magnitude, format.fraction_bits - exponent));
    // Exponent 0 stands for subnormals: the leading bit, if there is one, raises it to 1.
    const auto rounded = static_cast<long>(units) +
                         (static_cast<long>(exponent + format.bias - 1) << format.fraction_bits);
    return static_cast<std::uint16_t>(sign | std::min<long>(rounded, infinity));
}

void halves(Op op, Type type, const unsigned char* left, const unsigned char* right,
            unsigned char* result) {
    const HalfFormat format = format_of(type);
    const auto a = load<std::uint16_t>(left);
    const auto b = load<std::uint16_t>(right);
    if (op == Op::min || op == Op::max) {
        const bool ordered = !half_nan(a, format) && !half_nan(b, format);
        const bool first = ordered && left_first(op, half_value(a, format), half_value(b, format));
        return store(result, first ? a : b);
    }
    const int quiet = 1 << (format.fraction_bits - 1);
    if (half_nan(a, format)) return store(result, static_cast<std::uint16_t>(a | quiet));
    if (half_nan(b, format)) return store(result, static_cast<std::uint16_t>(b | quiet));
    const double x = half_value(a, format);
    const double y = half_value(b, format);
    double exact = op == Op::sum ? x + y : x * y;
    if (std::isnan(exact)) {
        const int infinity = (0x7fff >> format.fraction_bits) << format.fraction_bits;
        return store(result, static_cast<std::uint16_t>(0x8000 | infinity | quiet));
    }
    // A double holds every sum and product of binary16 exactly: this rounds once, from the true
    // result. Those of bfloat16 are computed in float, as promised.
    if (type == Type::bfloat16)
        exact = op == Op::sum ? static_cast<float>(x) + static_cast<float>(y)
                              : static_cast<float>(x) * static_cast<float>(y);
    store(result, half_bits(exact, format));
}

// ---- complex numbers and pairs

template <class T>
void complex(Op op, const unsigned char* left, const unsigned char* right, unsigned char* result) {
    if (op == Op::sum) {
        arithmetic<T>(op, left, right, result);
        return arithmetic<T>(op, left + sizeof(T), right + sizeof(T), result + sizeof(T));
    }
    const T a = load<T>(left);
    const T b = load<T>(left + sizeof(T));
    const T c = load<T>(right);
    const T d = load<T>(right + sizeof(T));
    const T ac = a * c;
    const T bd = b * d;
    const T ad = a * d;
    const T bc = b * c;
    const T parts[2] = {ac - bd, ad + bc};
    for (int i = 0; i < 2; ++i) {
        store(result + i * sizeof(T), parts[i]);
        if (std::isnan(parts[i])) put_default(result + i * sizeof(T), T());
    }
}

template <class Value, class Index>
void pairs(Op op, const unsigned char* left, const unsigned char* right, unsigned char* result) {
    const auto a = load<PairOf<Value, Index>>(left);
    const auto b = load<PairOf<Value, Index>>(right);
    bool first = left_first(op, a.value, b.value);
    if (a.value == b.value) first = a.index < b.index;
    std::memcpy(result, first ? left : right, sizeof a);
}

template <class T>
void minimum(Op op, const unsigned char* left, const unsigned char* right, unsigned char* result) {
    const bool first = left_first(op, load<T>(left), load<T>(right));
    std::memcpy(result, first ? left : right, sizeof(T));
}

struct Visitor {
    Op op;
    Type type;
    const unsigned char* left;
    const unsigned char* right;
    unsigned char* result;

    template <class T>
    void operator()(T*) const {
        if constexpr (std::is_same_v<T, bool>) {
            integers<std::uint8_t>(op, left, right, result);
        } else if constexpr (std::is_integral_v<T>) {
            if (class_of(type) == Class::half)
                halves(op, type, left, right, result);
            else
                integers<T>(op, left, right, result);
        } else if constexpr (std::is_floating_point_v<T>) {
            if (op == Op::min || op == Op::max)
                minimum<T>(op, left, right, result);
            else
                arithmetic<T>(op, left, right, result);
        } else if constexpr (std::is_array_v<T>) {
            complex<std::remove_extent_t<T>>(op, left, right, result);
        } else {
            pairs<decltype(T::value), decltype(T::index)>(op, left, right, result);
        }
    }
};

// ---- samples

template <class T>
T sample_number(std::mt19937_64& random) {
    const auto die = random() % 12;
    if constexpr (std::is_same_v<T, bool>) {
        return random() % 2 != 0;
    } else if constexpr (std::is_integral_v<T>) {
        switch (die) {
            case 0:
                return 0;
            case 1:
                return 1;
            case 2:
                return static_cast<T>(-1);
            case 3:
                return std::numeric_limits<T>::min();
            case 4:
                return std::numeric_limits<T>::max();
            case 5:
                return static_cast<T>(random() % 4);
            default:
                return static_cast<T>(random());
        }
    } else {
        using Limits = std::numeric_limits<T>;
        switch (die) {
            case 0:
                return 0;
            case 1:
                return -static_cast<T>(0);
            case 2:
                return Limits::infinity();
            case 3:
                return -Limits::infinity();
            case 4:
                return random() % 2 != 0 ? Limits::max() : Limits::lowest();
            case 5:
                return Limits::denorm_min() * static_cast<T>(random() % 8);
            case 6:
            case 7:
                return static_cast<T>(random() % 5) - 2;
            default:
                return static_cast<T>(
                    std::ldexp(static_cast<double>(static_cast<std::int64_t>(random())),
                               static_cast<int>(random() % 60) - 90));
        }
    }
}

/// A NaN of either sort and sign with a payload, over the number at `at`; every now and then.
template <class T>
void sample_nan(unsigned char* at, std::mt19937_64& random) {
    if (random() % 10 != 0) return;
    if constexpr (std::is_same_v<T, float>) {
        store(at, static_cast<std::uint32_t>((random() & 0x807fffffU) | 0x7f800001U));
    } else if constexpr (std::is_same_v<T, double>) {
        store(at, (random() & 0x800fffffffffffffULL) | 0x7ff0000000000001ULL);
    } else if constexpr (std::is_same_v<T, long double>) {
        store(at, random() | 0x8000000000000001ULL);  // x87's integer bit set: a real NaN
        store(at + long_double_bytes - 2, static_cast<std::uint16_t>(random() | 0x7fff));
    }
}

struct Sampler {
    Type type;
    unsigned char* at;
    std::mt19937_64& random;

    template <class T>
    void number(unsigned char* where) const {
        const T value = sample_number<T>(random);
        std::memcpy(where, &value, bytes_with_value<T>);
        sample_nan<T>(where, random);
    }

    template <class T>
    void operator()(T*) const {
        if constexpr (std::is_array_v<T>) {
            number<std::remove_extent_t<T>>(at);
            number<std::remove_extent_t<T>>(at + sizeof(T) / 2);
        } else if constexpr (std::is_class_v<T>) {
            // Few values, so that many tie; a few wild ones.
            if (random() % 8 == 0)
                number<decltype(T::value)>(at + offsetof(T, value));
            else
                small<decltype(T::value)>(at + offsetof(T, value));
            if (random() % 8 == 0)
                number<decltype(T::index)>(at + offsetof(T, index));
            else
                small<decltype(T::index)>(at + offsetof(T, index));
        } else if (class_of(type) == Class::half) {
            const HalfFormat format = format_of(type);
            const auto bits = static_cast<std::uint16_t>(random());
            store(at, random() % 2 != 0
                          ? bits
                          : half_bits(static_cast<float>(sample_number<float>(random)), format));
        } else if constexpr (!std::is_class_v<T>) {
            number<T>(at);
        }
    }

    template <class T>
    void small(unsigned char* where) const {
        const T value = static_cast<T>(static_cast<int>(random() % 5) - 2);
        std::memcpy(where, &value, bytes_with_value<T>);
    }
};

}  // namespace

bool mpi_allows(Op op, Type type) {
    const Class c = class_of(type);
    switch (op) {
        case Op::max:
        case Op::min:
            return c == Class::integer || c == Class::floating || c == Class::half;
        case Op::sum:
        case Op::prod:
            return c == Class::integer || c == Class::floating || c == Class::half ||
                   c == Class::complex;
        case Op::land:
        case Op::lor:
        case Op::lxor:
            return c == Class::integer || c == Class::logical;
        case Op::band:
        case Op::bor:
        case Op::bxor:
            return c == Class::integer;
        case Op::minloc:
        case Op::maxloc:
            return c == Class::pair;
        case Op::replace:
        case Op::no_op:
            return true;
    }
    return false;
}

std::size_t bytes_of(Type type) {
    return with_type(type, [](auto* null) { return sizeof(*null); });
}

std::vector<bool> value_bytes(Type type) {
    return with_type(type, [](auto* null) {
        using T = std::remove_pointer_t<decltype(null)>;
        std::vector<bool> used(sizeof(T), false);
        const auto mark = [&](std::size_t from, std::size_t bytes) {
            std::fill_n(used.begin() + static_cast<std::ptrdiff_t>(from), bytes, true);
        };
        if constexpr (std::is_class_v<T>) {
            mark(offsetof(T, value), bytes_with_value<decltype(T::value)>);
            mark(offsetof(T, index), sizeof(T::index));
        } else {
            mark(0, bytes_with_value<T>);
        }
        return used;
    });
}

void apply(Op op, Type type, const unsigned char* left, const unsigned char* right,
           unsigned char* result) {
    if (op == Op::replace || op == Op::no_op)
        std::memcpy(result, op == Op::replace ? right : left, bytes_of(type));
    else
        with_type(type, Visitor{op, type, left, right, result});
}

std::vector<unsigned char> apply(Op op, Type type, const std::vector<unsigned char>& left,
                                 const std::vector<unsigned char>& right) {
    std::vector<unsigned char> result(left.size());
    for (std::size_t at = 0; at < left.size(); at += bytes_of(type))
        apply(op, type, &left[at], &right[at], &result[at]);
    return result;
}

std::vector<unsigned char> sample(Type type, std::size_t count, std::mt19937_64& random) {
    std::vector<unsigned char> bytes(count * bytes_of(type));
    for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(random());  // padding
    for (std::size_t i = 0; i < count; ++i)
        with_type(type, Sampler{type, &bytes[i * bytes_of(type)], random});
    return bytes;
}

std::string describe(Op op, Type type) {
    return "operation " + std::to_string(static_cast<int>(op)) + " on type " +
           std::to_string(static_cast<int>(type));
}

}  // namespace onecopy::reference
