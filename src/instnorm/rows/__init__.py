"""The one kernel: standardise each set of numbers, then scale and shift it.

Instance, layer, group and batch normalisation differ only in which activations form a set (see
`instnorm.norms`). Everything numerical happens here, once for each way to compute:

    rows.numpy   plain: the default for small arrays, and everywhere where Numba is not
    rows.numba   compiled: for large arrays, where Numba is installed
    rows.cupy    on a GPU

The result lives where the input lives. Arrays are (A, G, K, L), as `instnorm.layout` makes them.
"""

import functools
import sys
from importlib import import_module, util

import numpy as np

from . import numpy as _plain

__all__ = ["array_module", "backward", "backward_given", "forward", "forward_given"]

# From so many numbers on the compiled kernels are used. They take a second to load.
LARGE = 1 << 16
LINE = 64  # bytes: what the cache reads and writes at a time


def array_module(x):
    """The array library that `x` belongs to: NumPy, or CuPy, which nothing here imports unasked."""
    if type(x) is np.ndarray:
        return np
    cupy = sys.modules.get("cupy")
    if cupy is not None and isinstance(x, cupy.ndarray):
        return cupy
    if isinstance(x, np.ndarray):
        return np
    raise TypeError(f"x must be a NumPy or CuPy array; got {type(x).__name__}")


def _kernels(x):
    if array_module(x) is not np:
        return import_module(".cupy", __name__)
    return (x.size >= LARGE and _compiled()) or _plain


@functools.cache
def _compiled():
    """The compiled kernels, or None where there is no Numba that can compile."""
    if util.find_spec("numba") is None:
        return None
    kernels = import_module(".numba", __name__)
    return kernels if kernels.can_compile() else None


def forward(x, eps, scale=None, shift=None, out=None, *, centre=True):
    return _kernels(x).forward(x, eps, scale, shift, out, centre=centre)


def backward(dy, x, eps, scale, moments=None, out=None, *, centre=True):
    return _kernels(x).backward(dy, x, eps, scale, moments, out, centre=centre)


def forward_given(x, mean, var, eps, scale=None, shift=None, out=None):
    return _kernels(x).forward_given(x, mean, var, eps, scale, shift, out)


def backward_given(dy, x, mean, var, eps, scale, out=None):
    return _kernels(x).backward_given(dy, x, mean, var, eps, scale, out)


forward.__doc__, backward.__doc__ = _plain.forward.__doc__, _plain.backward.__doc__
forward_given.__doc__ = _plain.forward_given.__doc__
backward_given.__doc__ = _plain.backward_given.__doc__
