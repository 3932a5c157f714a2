"""Formulas over whole lines of the cache, for what a compiler does not see by itself.

A vector that lies across two lines costs twice. A large result that is written line by line past
the cache is not read before, and does not drive out what is read next; but a compiler writes so
only what it knows to be aligned. And while one row is written, the next can be fetched.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

LINE = 64  # bytes
_INT, _WORD = ir.IntType(32), ir.IntType(64)


class _Vector:
    """What a formula calculates with: each operation becomes an instruction."""

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    def __add__(self, other):
        return _Vector(self.builder, self.builder.fadd(self.value, other.value))

    def __sub__(self, other):
        return _Vector(self.builder, self.builder.fsub(self.value, other.value))

    def __mul__(self, other):
        return _Vector(self.builder, self.builder.fmul(self.value, other.value))


def line_of(formula):
    """A compiled function (out, i, start, end, past, *inputs) for a line of `formula`.

    It writes the numbers i, i + 1, ... of a row, as many as a line of the cache holds, but for
    those that do not lie between start and end. A row is the address where it begins (so that Numba
    counts no references); a floating-point number is a row of equal numbers. With `past`, whole
    lines are written past the cache: then they must begin where the cache's do.
    """

    @intrinsic
    def line(typing_context, out, i, start, end, past, *inputs):
        kind = next(t for t in inputs if isinstance(t, types.Float))

        def generate(context, builder, signature, arguments):
            target, i, start, end, past, inputs = arguments
            number, width, size = context.get_value_type(kind), *_line(kind)
            vector = ir.VectorType(number, width)
            inputs = cgutils.unpack_tuple(builder, inputs)

            def place(row):
                pointer = builder.inttoptr(row, number.as_pointer())
                return builder.bitcast(builder.gep(pointer, [i]), vector.as_pointer())

            def write(load, store):
                values = [
                    _everywhere(builder, vector, v) if v.type == number else load(place(v))
                    for v in inputs
                ]
                store(formula(*(_Vector(builder, v) for v in values)).value, place(target))

            def whole(result, there):
                with builder.if_else(past) as (then, otherwise):
                    with then:
                        store = builder.store(result, there, align=LINE)
                        store.set_metadata("nontemporal", builder.module.add_metadata([_INT(1)]))
                    with otherwise:
                        builder.store(result, there, align=size)

            def masked_load(there):
                given = (there, _INT(size), mask, vector(None))
                return _call(builder, f"llvm.masked.load.{name}", *given, gives=vector)

            def masked_store(result, there):
                _call(builder, f"llvm.masked.store.{name}", result, there, _INT(size), mask)

            begins = builder.icmp_signed(">=", i, start)
            ends = builder.icmp_signed("<=", builder.add(i, _WORD(width)), end)
            with builder.if_else(builder.and_(begins, ends), likely=True) as (then, otherwise):
                with then:
                    write(lambda there: builder.load(there, align=size), whole)
                with otherwise:
                    name, words = f"v{width}f{8 * size}.p0", ir.VectorType(_WORD, width)
                    at = builder.add(_everywhere(builder, words, i), words([*range(width)]))
                    begun = builder.icmp_signed(">=", at, _everywhere(builder, words, start))
                    going = builder.icmp_signed("<", at, _everywhere(builder, words, end))
                    mask = builder.and_(begun, going)
                    write(masked_load, masked_store)
            return context.get_dummy_value()

        word = types.int64
        given = (word, word, word, word, types.boolean, types.StarArgTuple(inputs))
        return types.void(*given), generate

    return line


def _line(kind):
    """How many numbers a line holds, and how many bytes a number has."""
    size = kind.bitwidth // 8
    return LINE // size, size


def _everywhere(builder, vector, value):
    one = builder.insert_element(vector(ir.Undefined), value, _INT(0))
    return builder.shuffle_vector(
        one, vector(ir.Undefined), ir.VectorType(_INT, vector.count)([0] * vector.count)
    )


def _call(builder, name, *arguments, gives=None):
    kind = ir.FunctionType(gives or ir.VoidType(), [a.type for a in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


@intrinsic
def fetch(typing_context, address):
    """Ask for a line of memory, which need not exist."""

    def generate(context, builder, signature, arguments):
        there = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        _call(builder, "llvm.prefetch.p0", there, *map(_INT, (0, 3, 1)))
        return context.get_dummy_value()

    return types.void(types.int64), generate


@intrinsic
def address(typing_context, array):
    def generate(context, builder, signature, arguments):
        return builder.ptrtoint(make_array(array)(context, builder, arguments[0]).data, _WORD)

    return types.int64(array), generate


@intrinsic
def numbers_and_bytes(typing_context, number):
    """How many numbers of this kind a line holds, and how many bytes one has."""

    def generate(context, builder, signature, arguments):
        return context.make_tuple(builder, signature.return_type, [*map(_WORD, _line(number))])

    return types.UniTuple(types.int64, 2)(number), generate
