"""Refuse bad input in words that name the argument, what was seen and what is wanted."""

import functools
import math

FLOATS = ("float16", "bfloat16", "float32", "float64")


@functools.cache  # the name of a dtype is worked out anew each time, and each call asks for some
def _is_floating(dtype):
    return dtype.name in FLOATS


def check_floating(name, array):
    """Raise TypeError unless `array` is an array of one of the supported floating dtypes."""
    if not hasattr(getattr(array, "dtype", None), "kind") or not hasattr(array, "shape"):
        raise TypeError(f"{name} must be a NumPy or CuPy array; got {type(array).__name__}")
    if not _is_floating(array.dtype):
        raise TypeError(
            f"{name} must hold floating-point numbers ({', '.join(FLOATS)}); got {array.dtype}. "
            f"Convert it first, for example with {name}.astype('float32')"
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
    """Raise unless `num_groups` is a positive whole number that divides the channels."""
    if isinstance(num_groups, bool) or not hasattr(num_groups, "__index__"):
        raise TypeError(f"num_groups must be a whole number; got {num_groups!r}")
    if num_groups < 1 or channels % num_groups:
        raise ValueError(
            f"num_groups must divide the number of channels; got num_groups={num_groups} "
            f"for {channels} channels"
        )


def check_eps(eps):
    """Raise unless `eps` is a finite number that is not negative."""
    try:
        good = math.isfinite(eps) and eps >= 0
    except TypeError:
        raise TypeError(f"eps must be a number; got {type(eps).__name__}") from None
    if not good:
        raise ValueError(f"eps must be finite and not negative; got {eps!r}")


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
    if type(out) is not type(x) or out.shape != x.shape or out.dtype != x.dtype:
        seen = f"{getattr(out, 'dtype', type(out).__name__)} {getattr(out, 'shape', '')}".strip()
        raise ValueError(f"out must be like x, {x.dtype} {x.shape}; got {seen}")
    check_writable("out", out)


def check_writable(name, array):
    """Raise ValueError when `array` is read-only. (CuPy arrays are always writable.)"""
    if not getattr(array.flags, "writeable", True):
        raise ValueError(f"{name} must be writable; got a read-only array")
