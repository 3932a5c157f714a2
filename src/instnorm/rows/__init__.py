"""The one kernel: standardise each row of a matrix, then scale and shift it.

Instance, layer, group and batch normalisation differ only in which activations share a row
(see `instnorm.norms`). Everything numerical happens here, once for each array library:
`rows.numpy` on the CPU, `rows.cupy` on a GPU. The result lives where the input lives.

A row of length M may be cut into K equal segments, each with its own scale and shift: that is how
the C/G channels of one group-norm set keep their own `gamma` and `beta`.
"""

import sys
from importlib import import_module

import numpy as np

from . import numpy as _numpy


def array_module(x):
    """The array library that `x` belongs to: NumPy, or CuPy, which nothing here imports unasked."""
    cupy = sys.modules.get("cupy")
    if cupy is not None and isinstance(x, cupy.ndarray):
        return cupy
    if isinstance(x, np.ndarray):
        return np
    raise TypeError(f"x must be a NumPy or CuPy array; got {type(x).__name__}")


def _kernels(x):
    return _numpy if array_module(x) is np else import_module(".cupy", __name__)


def is_channels_last(x):
    """Can (N, C, *spatial) `x` be given to the kernels as (N, M, C), where it lies?"""
    return array_module(x) is not np and _kernels(x).is_channels_last(x)


def _kernel(name):
    def dispatch(x, *args, **kwargs):
        return getattr(_kernels(x), name)(x, *args, **kwargs)

    dispatch.__name__, dispatch.__doc__ = name, getattr(_numpy, name).__doc__
    return dispatch


forward = _kernel("forward")
forward_given = _kernel("forward_given")
backward = _kernel("backward")
backward_given = _kernel("backward_given")
