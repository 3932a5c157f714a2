"""Refuse bad input in words that name the argument, what was seen and what is wanted."""

import functools
import math
import operator
import sys

import numpy as np

FLOATS = ("float16", "bfloat16", "float32", "float64")
_ORDINARY = "efd"  # what NumPy calls float16, float32, float64 for short


@functools.cache  # NumPy works out the name of a dtype anew each time
def _is_floating(dtype):
    return dtype.name in FLOATS


def check_floating(name, array):
    """Raise TypeError unless `array` is an array of one of the supported floating dtypes."""
    if type(array) is np.ndarray and array.dtype.char in _ORDINARY:
        return
    if not hasattr(getattr(array, "dtype", None), "kind") or not hasattr(array, "shape"):
        raise TypeError(f"{name} must be a NumPy or CuPy array; got {type(array).__name__}")
    if isinstance(array, np.matrix) or "numpy.ma" in sys.modules:
        _check_plain(name, array)
    if not _is_floating(array.dtype):
        raise TypeError(
            f"{name} must hold floating-point numbers ({', '.join(FLOATS)}); got {array.dtype}. "
            f"Convert it first, for example with {name}.astype('float32')"
        )


def _check_plain(name, array):
    """Refuse subclasses of ndarray whose arithmetic has rules of its own."""
    if isinstance(array, np.matrix):
        raise TypeError(f"{name} must be an array; got a matrix. Use {name}.A, which is one")
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(
            f"{name} must be an array without a mask: what is masked would count like the rest. "
            f"Use {name}.filled(...), or cut the masked values off"
        )


def check_activations(name, x, *, spatial):
    """Raise unless `x` is a floating (N, C, *spatial) array with `spatial` or more spatial axes."""
    check_floating(name, x)
    if x.ndim < 2 + spatial:
        wanted = "(N, C, L), (N, C, H, W) or (N, C, D, H, W)" if spatial else "(N, C, ...)"
        raise ValueError(f"{name} must have shape {wanted}; got {x.shape}")


def check_same_shape(name, array, other_name, other):
    """Raise ValueError unless `array` and `other` have equal shapes."""
    check_floating(name, array)
    if array.shape != other.shape:
        raise ValueError(
            f"{name} must have the shape of {other_name}, {other.shape}; got {array.shape}"
        )


def check_style(style, content):
    """Raise unless `style` holds as many images and channels as `content`, both activations."""
    check_activations("style", style, spatial=1)
    if style.shape[:2] != content.shape[:2]:
        raise ValueError(
            f"style must hold as many images and channels as content, {content.shape[:2]}; "
            f"got shape {style.shape}"
        )


def check_per_channel(name, array, channels):
    """Raise unless `array` is None or a floating array of shape (channels,)."""
    if array is None:
        return
    check_floating(name, array)
    if array.shape != (channels,):
        raise ValueError(
            f"{name} must have shape ({channels},), one value per channel; got {array.shape}"
        )


def check_num_groups(num_groups, channels):
    """`num_groups` as an int; raises unless it is a positive whole number that divides channels."""
    try:
        number = None if isinstance(num_groups, bool) else operator.index(num_groups)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"num_groups must be a whole number; got {num_groups!r}")
    if number < 1 or channels % number:
        raise ValueError(
            f"num_groups must divide the number of channels; got num_groups={num_groups} "
            f"for {channels} channels"
        )
    return number


def as_number(name, value):
    """`value` as a float; raises unless it is one real number: int, float, Fraction, Decimal..."""
    if type(value) is float:
        return value
    try:
        if isinstance(value, str | bytes) or getattr(value, "shape", ()) != ():
            raise TypeError
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} must be finite; got a number too large for a float") from None
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number; got {type(value).__name__}") from None


def check_eps(eps):
    """`eps` as a float; raises unless it is a finite number that is not negative."""
    number = as_number("eps", eps)
    if not 0 <= number < math.inf:
        raise ValueError(f"eps must be finite and not negative; got {eps!r}")
    return number


def check_momentum(momentum):
    """`momentum` as a float; raises unless it is a number from 0 to 1."""
    number = as_number("momentum", momentum)
    if not 0 <= number <= 1:
        raise ValueError(f"momentum must lie between 0 and 1; got {number!r}")
    return number


def check_both_running(running_mean, running_var, training):
    """Raise ValueError unless both running moments are given; in training, neither will do too."""
    if (running_mean is None) != (running_var is None):
        missing = "running_mean" if running_mean is None else "running_var"
        raise ValueError(f"running_mean and running_var go together; {missing} is missing")
    if running_mean is None and not training:
        raise ValueError("running_mean and running_var are needed when training is False")


def check_set_size(what, shape, size):
    """Raise ValueError when a mean and a variance would be taken over fewer than two values."""
    if size < 2:
        raise ValueError(
            f"{what} of x with shape {shape} holds {size} value{'s' if size != 1 else ''}, and "
            "normalising needs at least 2: a single value minus its own mean is 0 whatever the "
            "input, so every output would be beta"
        )


def check_out(out, x):
    """Raise unless `out` is None or a writable array like `x`."""
    if out is None:
        return
    of_one_library = isinstance(out, np.ndarray) == isinstance(x, np.ndarray)
    alike = of_one_library and getattr(out, "shape", None) == x.shape
    if not alike or getattr(out, "dtype", None) != x.dtype:
        seen = f"{getattr(out, 'dtype', type(out).__name__)} {getattr(out, 'shape', '')}".strip()
        raise ValueError(f"out must be like x, {x.dtype} {x.shape}; got {seen}")
    if type(out) is not np.ndarray:
        check_floating("out", out)
    check_writable("out", out)


def check_moments(moments, sets, x, writable=False):
    """`moments` as None or (mean, var); raises unless float64, one number for each set of x."""
    if moments is None:
        return None
    if type(moments) is np.ndarray and moments.shape[:1] == (2,):
        moments = moments[0], moments[1]  # to go through it would take some microseconds
    try:
        mean, var = moments
    except (TypeError, ValueError):
        raise TypeError(f"moments must be (mean, var), two arrays; got {moments!r:.60}") from None
    for name, moment in (("mean of moments", mean), ("var of moments", var)):
        if type(moment) is not np.ndarray or type(x) is not np.ndarray:
            check_floating(name, moment)
            if isinstance(moment, np.ndarray) != isinstance(x, np.ndarray):
                raise TypeError(f"{name} must be of the library of x; got {type(moment).__name__}")
        if writable:
            check_writable(name, moment)
        if moment.shape != sets or moment.dtype != np.float64:
            raise ValueError(
                f"{name} must be float64 {sets}, one number for each set of x with shape "
                f"{x.shape}; got {moment.dtype} {moment.shape}"
            )
    return mean, var


def check_writable(name, array):
    """Raise ValueError when `array` is read-only. (CuPy arrays are always writable.)"""
    if not getattr(array.flags, "writeable", True):
        raise ValueError(f"{name} must be writable; got a read-only array")
