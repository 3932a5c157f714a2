"""Arrays that know the array API standard and nothing else, to find out what code relies on.

    function = standard_only(function)

makes a function of NumPy arrays out of one that was written for the standard
(https://data-apis.org/array-api/2023.12): it is called with arrays of the class below, whose
namespace has the standard's functions alone. What only NumPy can do raises an exception that says
how the standard does it. That is how code meets a GPU library, without a GPU.

What is here is what exercises need: floating-point and integer arrays, elementwise functions,
statistics, shapes. There is no linear algebra, no sorting, no Fourier transform.
"""

import functools
import operator

import numpy as np

_DTYPES = (
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128"
)
_CONSTANTS = "e inf nan newaxis pi"
# Of floating-point arrays alone.
_FLOATING = (
    "acos acosh asin asinh atan atan2 atanh cos cosh exp expm1 hypot log log10 log1p log2 "
    "logaddexp sin sinh sqrt tan tanh"
)
_ELEMENTWISE = (
    "abs add bitwise_and bitwise_or bitwise_xor ceil clip divide equal floor floor_divide greater "
    "greater_equal isfinite isinf isnan less less_equal logical_and logical_not logical_or "
    "logical_xor maximum minimum multiply negative not_equal positive pow remainder round sign "
    "square subtract trunc where"
)
_SHAPES = (
    "broadcast_arrays broadcast_to concat expand_dims flip moveaxis permute_dims repeat reshape "
    "roll squeeze stack tile unstack matmul matrix_transpose tensordot vecdot empty_like full_like "
    "ones_like zeros_like"
)
_CREATION = "arange empty eye full linspace ones zeros"
_REDUCTIONS = "all any argmax argmin cumulative_sum max min prod sum"

# What students write who know NumPy, and what to write instead.
_INSTEAD = {
    "T": "use xp.permute_dims(x, axes)",
    "astype": "write xp.astype(x, dtype)",
    "copy": "write xp.asarray(x, copy=True)",
    "einsum": "write a product and xp.sum, or xp.vecdot",
    "flatten": "write xp.reshape(x, (-1,))",
    "float": "write xp.float64",
    "float16": "the standard's smallest is xp.float32",
    "nanmean": "write xp.where and xp.mean",
    "ravel": "write xp.reshape(x, (-1,))",
    "reshape": "write xp.reshape(x, shape)",
    "swapaxes": "use xp.permute_dims(x, axes)",
    "transpose": "use xp.permute_dims(x, axes)",
}


class StandardArray:
    """An array with the attributes and operators of the standard."""

    def __init__(self, values):
        self._values = np.asarray(values)

    shape = property(lambda self: self._values.shape)
    dtype = property(lambda self: self._values.dtype)
    ndim = property(lambda self: self._values.ndim)
    size = property(lambda self: self._values.size)
    device = property(lambda self: "cpu")
    mT = property(lambda self: StandardArray(self._values.mT))

    def __array_namespace__(self, *, api_version=None):
        return NAMESPACE

    def __getattr__(self, name):
        instead = _INSTEAD.get(name) or (
            f"write xp.{name}(x, ...)" if name in NAMESPACE else "look for a function of xp"
        )
        raise AttributeError(f"the array API standard has no x.{name}; {instead}")

    def __repr__(self):
        return f"StandardArray({self._values})"

    def __getitem__(self, key):
        return StandardArray(self._values[_index(key)])

    def __setitem__(self, key, value):
        self._values[_index(key)] = _operand(self, value)

    def __bool__(self):
        return bool(self._values)

    def __int__(self):
        return int(self._values)

    def __float__(self):
        return float(self._values)

    # NumPy asks before it works on an object that is not its own.
    def __array__(self, dtype=None, copy=None):
        raise TypeError("NumPy can't have this array, which may be on a GPU; use xp, not np")

    def __array_ufunc__(self, ufunc, *args, **kwargs):
        raise TypeError(
            f"np.{ufunc.__name__} can't work on this array, which may be on a GPU: use xp, and "
            "arrays and numbers that do not come from NumPy"
        )

    def __array_function__(self, function, *args, **kwargs):
        raise TypeError(
            f"np.{function.__name__} can't work on this array, which may be on a GPU: "
            "use xp, not np"
        )


def _operators():
    binary = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
    binary += ("and", "or", "xor")
    for name in (*binary, "eq", "ne", "lt", "le", "gt", "ge"):
        apply = getattr(operator, f"{name}_" if name in ("and", "or") else name)
        setattr(StandardArray, f"__{name}__", _binary(apply))
        if name in binary:
            setattr(StandardArray, f"__r{name}__", _binary(lambda a, b, f=apply: f(b, a)))
            setattr(StandardArray, f"__i{name}__", _in_place(getattr(operator, f"i{name}")))
    for name in ("neg", "pos", "abs", "invert"):
        apply = getattr(operator, name)
        setattr(StandardArray, f"__{name}__", lambda a, f=apply: StandardArray(f(a._values)))


def _binary(apply):
    return lambda self, other: StandardArray(apply(self._values, _operand(self, other)))


def _in_place(apply):
    def change(self, other):
        self._values = apply(self._values, _operand(self, other))
        return self

    return change


def _operand(array, other):
    """What may stand beside `array`: an array of the same kind of numbers, or a Python number."""
    if isinstance(other, StandardArray):
        kinds = {array.dtype.kind, other.dtype.kind}
        if "f" in kinds and kinds & set("iub"):
            raise TypeError(
                f"the standard does not mix {array.dtype} with {other.dtype}; use xp.astype"
            )
        return other._values
    if type(other) not in (bool, int, float, complex):
        raise TypeError(
            f"an array of the standard can't be combined with {type(other).__module__}."
            f"{type(other).__name__}; use numbers of Python, and arrays made by xp"
        )
    if isinstance(other, float) and array.dtype.kind in "iub":
        raise TypeError(f"the standard does not mix {array.dtype} with a float; use xp.astype")
    return other


def _index(key):
    parts = key if isinstance(key, tuple) else (key,)
    for part in parts:
        plain = part is None or part is ... or isinstance(part, int | slice)
        if not plain and not (isinstance(part, StandardArray) and len(parts) == 1):
            raise IndexError(
                f"the standard's indices are whole numbers, slices, ... and None; got {part!r}"
            )
    return tuple(p._values if isinstance(p, StandardArray) else p for p in parts)


class _Namespace:
    """The standard's functions, each a NumPy function that takes and gives standard arrays."""

    __array_api_version__ = "2023.12"

    def __contains__(self, name):
        return name in vars(self)

    def __getattr__(self, name):
        instead = f"; {_INSTEAD[name]}" if name in _INSTEAD else ""
        raise AttributeError(f"the array API standard has no xp.{name}{instead}")


def _wrapped(function, *, floating=False, options=None):
    """`function` for standard arrays; `options` are the keywords that the standard knows."""

    @functools.wraps(function)
    def of_standard_arrays(*args, **kwargs):
        name = function.__name__
        for keyword in kwargs:
            if options is not None and keyword not in options:
                raise TypeError(
                    f"xp.{name} of the standard has no {keyword!r}; it has {', '.join(options)}"
                )
        if options is not None and len(args) != 1:
            raise TypeError(f"xp.{name} of the standard takes one array; the rest goes by keyword")
        if floating and not all(a.dtype.kind in "fc" for a in args if isinstance(a, StandardArray)):
            raise TypeError(f"xp.{name} of the standard takes floating-point arrays alone")
        return _deep(_wrap, function(*_deep(_unwrap, args), **_deep(_unwrap, kwargs)))

    return of_standard_arrays


def _deep(change, value):
    if isinstance(value, tuple | list):
        return type(value)(_deep(change, part) for part in value)
    if isinstance(value, dict):
        return {key: _deep(change, part) for key, part in value.items()}
    return change(value)


def _unwrap(value):
    if isinstance(value, np.ndarray | np.generic):
        raise TypeError("xp can't work on an array or a number of NumPy's; make it with xp.asarray")
    return value._values if isinstance(value, StandardArray) else value


def _wrap(value):
    return StandardArray(value) if isinstance(value, np.ndarray | np.generic) else value


def _of_arrays(function, **rules):
    """The same, where the first argument has to be an array: the standard takes no lists."""
    checked = _wrapped(function, **rules)

    @functools.wraps(function)
    def of_arrays(*args, **kwargs):
        if args and not isinstance(args[0], StandardArray):
            raise TypeError(
                f"xp.{function.__name__} of the standard takes an array; got "
                f"{type(args[0]).__name__}. For a Python number use the operators: x ** 0.5"
            )
        return checked(*args, **kwargs)

    return of_arrays


def _namespace():
    xp = _Namespace()
    moments = ("axis", "keepdims", "correction")
    functions = {
        **{name: _of_arrays(getattr(np, name)) for name in _ELEMENTWISE.split()},
        **{name: _of_arrays(getattr(np, name), floating=True) for name in _FLOATING.split()},
        **{name: _wrapped(getattr(np, name)) for name in (_SHAPES + " " + _CREATION).split()},
        **{
            name: _of_arrays(getattr(np, name), options=("axis", "keepdims", "dtype"))
            for name in _REDUCTIONS.split()
        },
        "mean": _of_arrays(np.mean, floating=True, options=moments[:2]),
        "var": _of_arrays(np.var, floating=True, options=moments),
        "std": _of_arrays(np.std, floating=True, options=moments),
        "asarray": _wrapped(np.asarray),
        "astype": _of_arrays(np.astype),
        "isdtype": np.isdtype,
        "finfo": lambda kind: np.finfo(getattr(kind, "dtype", kind)),
        "result_type": _wrapped(np.result_type),
    }
    constants = {name: getattr(np, name) for name in (_DTYPES + " " + _CONSTANTS).split()}
    vars(xp).update(functions | constants)
    return xp


_operators()
NAMESPACE = _namespace()


def standard_only(function):
    """`function`, called with standard arrays in place of NumPy's; its results are NumPy's again.

    Twice makes no difference. An array that the function changes is changed for the caller too.
    """
    function = getattr(function, "written_for_the_standard", function)

    @functools.wraps(function)
    def by_value(*arguments):
        return _deep(_give_back, function(*_deep(_wrap, arguments)))

    by_value.written_for_the_standard = function
    return by_value


def _give_back(value):
    return value._values if isinstance(value, StandardArray) else value
