"""Formulas over whole lines of the cache, for what a compiler does not see by itself.

A vector that lies across two lines costs twice. A large result that is written line by line past
the cache is not read before, and does not drive out what is read next; but a compiler writes so
only what it knows to be aligned. And while one row is read, the next can be fetched.
"""

import functools

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from . import LINE

_INT, _WORD = ir.IntType(32), ir.IntType(64)
_NO = ir.IntType(1)(0)
_FUSED = ("contract",)


class _Vector:
    """What a formula calculates with: each operation becomes an instruction.

    An addition may become one with the multiplication before it, which rounds once less.
    """

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    def _with(self, operation, other, **options):
        return _Vector(self.builder, operation(self.value, other.value, **options))

    def __add__(self, other):
        return self._with(self.builder.fadd, other, flags=_FUSED)

    def __sub__(self, other):
        return self._with(self.builder.fsub, other, flags=_FUSED)

    def __mul__(self, other):
        return self._with(self.builder.fmul, other, flags=_FUSED)

    def __truediv__(self, other):
        return self._with(self.builder.fdiv, other)

    def __le__(self, other):
        return self._with(functools.partial(self.builder.fcmp_ordered, "<="), other)

    def __and__(self, other):
        return self._with(self.builder.and_, other)

    def __or__(self, other):
        return self._with(self.builder.or_, other)

    def where(self, condition, other):
        """This number where a condition holds, the other one elsewhere."""
        return self._with(functools.partial(self.builder.select, condition.value), other)

    def zero(self):
        return _Vector(self.builder, self.value.type(None))

    def one(self):
        return _Vector(self.builder, self.value.type([1.0] * self.value.type.count))

    def root(self):
        kind = self.value.type
        name = f"llvm.sqrt.v{kind.count}f{64 if kind.element == ir.DoubleType() else 32}"
        return _Vector(self.builder, _call(self.builder, name, self.value, gives=kind))


class _Line:
    """The numbers i, i + 1, ... of some rows, as many as a line of the cache holds.

    Of a line that is not whole, those count that lie between start and end. A row is the address
    where it begins (so that Numba counts no references); a floating-point number is a row of equal
    numbers.
    """

    def __init__(self, context, builder, kinds, i):
        kind = next(t for t in kinds if isinstance(t, types.Float))
        self.builder, self.i, self.mask = builder, i, None
        self.number, (self.width, self.size) = context.get_value_type(kind), _line(kind)
        self.vector = ir.VectorType(self.number, self.width)
        self.name = f"v{self.width}f{8 * self.size}.p0"

    def only(self, start, end):
        """Of this line only what lies between start and end."""
        words = ir.VectorType(_INT, self.width)
        at, ends = words([*range(self.width)]), self.builder.sub(end, self.i)
        width = _WORD(self.width)
        ends = self.builder.select(self.builder.icmp_signed("<", ends, width), ends, width)
        starts, ends = (
            _everywhere(self.builder, words, self.builder.trunc(word, _INT))
            for word in (self.builder.sub(start, self.i), ends)
        )
        begun = self.builder.icmp_signed(">=", at, starts)
        going = self.builder.icmp_signed("<", at, ends)
        self.mask = self.builder.and_(begun, going)
        return self

    def place(self, row):
        pointer = self.builder.inttoptr(row, self.number.as_pointer())
        there = self.builder.gep(pointer, [self.i])
        return self.builder.bitcast(there, self.vector.as_pointer())

    def read(self, row):
        if row.type == self.number:
            return _Vector(self.builder, _everywhere(self.builder, self.vector, row))
        there = self.place(row)
        if self.mask is None:
            return _Vector(self.builder, self.builder.load(there, align=self.size))
        given = (there, _INT(self.size), self.mask, self.vector(None))
        numbers = _call(self.builder, f"llvm.masked.load.{self.name}", *given, gives=self.vector)
        return _Vector(self.builder, numbers)

    def write(self, result, row, past):
        there = self.place(row)
        if self.mask is not None:
            given = (result.value, there, _INT(self.size), self.mask)
            _call(self.builder, f"llvm.masked.store.{self.name}", *given)
            return
        with self.builder.if_else(past) as (then, otherwise):
            with then:
                store = self.builder.store(result.value, there, align=LINE)
                metadata = self.builder.module.add_metadata([_INT(1)])
                store.set_metadata("nontemporal", metadata)
            with otherwise:
                self.builder.store(result.value, there, align=self.size)


def line_of(formula):
    """A compiled function (out, i, start, end, past, *inputs) for a line of `formula`.

    With `past`, whole lines are written past the cache: then they must begin where the cache's do.
    A formula with several results has a tuple of rows as `out`; only the first is written past.
    """

    @intrinsic
    def line(typing_context, out, i, start, end, past, *inputs):
        def generate(context, builder, signature, arguments):
            out, i, start, end, past, rows = arguments
            rows, line = cgutils.unpack_tuple(builder, rows), _Line(context, builder, inputs, i)
            several = isinstance(signature.args[0], types.BaseTuple)
            out = cgutils.unpack_tuple(builder, out) if several else [out]

            def work():
                results = formula(*map(line.read, rows))
                results = results if several else [results]
                for row, result, by in zip(out, results, (past, *[_NO] * len(out)), strict=False):
                    line.write(result, row, by)

            begins = builder.icmp_signed(">=", i, start)
            ends = builder.icmp_signed("<=", builder.add(i, _WORD(line.width)), end)
            with builder.if_else(builder.and_(begins, ends), likely=True) as (then, otherwise):
                with then:
                    work()
                with otherwise:
                    line.only(start, end)
                    work()
            return context.get_dummy_value()

        word = types.int64
        given = (out, word, word, word, types.boolean, types.StarArgTuple(inputs))
        return types.void(*given), generate

    return line


def sums_of(formula, number, together):
    """A compiled function (start, end, into, ahead, *inputs) for the sums of `formula`.

    The formula gives `number` vectors, which are added up over the lines of a span: from `start`
    on, so that sums do not depend on where in memory a row lies. They are written one after the
    other from the address `into`, each still a vector. So many lines as `together` have sums of
    their own on the way: an addition need not wait for the one before. Meanwhile what lies so many
    numbers `ahead` in the first input is fetched.
    """

    @intrinsic
    def sums(typing_context, start, end, into, ahead, *inputs):
        def generate(context, builder, signature, arguments):
            start, end, into, ahead, rows = arguments
            rows = cgutils.unpack_tuple(builder, rows)
            whole = _Line(context, builder, inputs, start)
            totals = {}

            def add(i, lane, masked=False):
                line = _Line(context, builder, inputs, i)
                if masked:
                    line.only(start, end)
                for k, term in enumerate(formula(*map(line.read, rows))):
                    before = _Vector(builder, builder.load(totals[k, lane]))
                    after = (before + term).value
                    if masked:
                        after = builder.select(line.mask, after, before.value)
                    builder.store(after, totals[k, lane])

            def run(begin, lines):
                """All whole lines, so many at a time, that are left; and where they end."""
                step = _WORD(lines * whole.width)
                last = builder.add(builder.sub(end, step), _WORD(1))
                index = cgutils.alloca_once_value(builder, begin)
                with cgutils.for_range_slice(builder, begin, last, step, _WORD) as (i, _):
                    for lane in range(lines):
                        j = builder.add(i, _WORD(lane * whole.width))
                        add(j, lane)
                        numbers = builder.mul(builder.add(j, ahead), _WORD(whole.size))
                        _fetch(builder, builder.add(rows[0], numbers))
                    builder.store(builder.add(i, step), index)
                return builder.load(index)

            places = [_WORD(LINE * k) for k in range(number)]
            for k in range(len(places)):
                for lane in range(together):
                    totals[k, lane] = cgutils.alloca_once(builder, whole.vector)
                    builder.store(whole.vector(None), totals[k, lane])
            i = start
            for lines in (together, 1):
                i = run(i, lines)
            with builder.if_then(builder.icmp_signed("<", i, end)):
                add(i, 0, masked=True)
            for k, place in enumerate(places):
                left = [builder.load(totals[k, lane]) for lane in range(together)]
                while len(left) > 1:
                    left = [builder.fadd(*pair) for pair in zip(left[::2], left[1::2], strict=True)]
                there = builder.inttoptr(builder.add(into, place), whole.vector.as_pointer())
                builder.store(left[0], there, align=whole.size)
            return context.get_dummy_value()

        word = types.int64
        return types.void(word, word, word, word, types.StarArgTuple(inputs)), generate

    return sums


@intrinsic
def add_across(typing_context, vectors, step, totals, number):
    """Adds up the numbers of each of some vectors, as many as one vector holds.

    The vectors lie `step` bytes apart; their sums are written as float64. Neighbours are added in
    two vectors at once, so that each addition has whole vectors to work on:
    a0+a1 a2+a3 ... b0+b1 b2+b3 ...
    """

    def generate(context, builder, signature, arguments):
        vectors, step, totals, _ = arguments
        width, size = _line(number)
        kind = ir.VectorType(context.get_value_type(number), width)
        wide = ir.VectorType(ir.DoubleType(), width)
        left = []
        for i in range(width):
            there = builder.add(vectors, builder.mul(step, _WORD(i)))
            left.append(builder.load(builder.inttoptr(there, kind.as_pointer()), align=size))
        pick = ir.VectorType(_INT, width)
        even, odd = pick([*range(0, 2 * width, 2)]), pick([*range(1, 2 * width, 2)])
        while len(left) > 1:
            left = [
                builder.fadd(builder.shuffle_vector(a, b, even), builder.shuffle_vector(a, b, odd))
                for a, b in zip(left[::2], left[1::2], strict=True)
            ]
        result = left[0] if kind == wide else builder.fpext(left[0], wide)
        builder.store(result, builder.inttoptr(totals, wide.as_pointer()), align=8)
        return context.get_dummy_value()

    word = types.int64
    return types.void(word, word, word, number), generate


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


def _fetch(builder, address):
    there = builder.inttoptr(address, ir.IntType(8).as_pointer())
    _call(builder, "llvm.prefetch.p0", there, *map(_INT, (0, 2, 1)))


@intrinsic
def fetch(typing_context, address):
    """Ask for a line of memory, which need not exist."""

    def generate(context, builder, signature, arguments):
        _fetch(builder, arguments[0])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@intrinsic
def address(typing_context, array):
    def generate(context, builder, signature, arguments):
        return builder.ptrtoint(make_array(array)(context, builder, arguments[0]).data, _WORD)

    return types.int64(array), generate


@intrinsic
def float64_at(typing_context, address):
    """The number that lies at an address."""

    def generate(context, builder, signature, arguments):
        return builder.load(builder.inttoptr(arguments[0], ir.DoubleType().as_pointer()), align=8)

    return types.float64(types.int64), generate


@intrinsic
def numbers_and_bytes(typing_context, number):
    """How many numbers of this kind a line holds, and how many bytes one has."""

    def generate(context, builder, signature, arguments):
        return context.make_tuple(builder, signature.return_type, [*map(_WORD, _line(number))])

    return types.UniTuple(types.int64, 2)(number), generate
