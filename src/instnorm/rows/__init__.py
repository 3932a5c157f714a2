"""The one kernel: standardise each row of a matrix, then scale and shift it.

Instance, layer, group and batch normalisation differ only in which activations share a row
(see `instnorm.norms`). Everything numerical happens here, once for each array library:
`rows.numpy` on the CPU. The result lives where the input lives.

A row of length M may be cut into K equal segments, each with its own scale and shift: that is how
the C/G channels of one group-norm set keep their own `gamma` and `beta`.
"""

import numpy as np

from . import numpy as _numpy


def array_module(x):
    """The array library that `x` belongs to. Raises TypeError for anything but a NumPy array."""
    if isinstance(x, np.ndarray):
        return np
    raise TypeError(f"x must be a NumPy array; got {type(x).__name__}")


def _kernel(name):
    kernels = {np: getattr(_numpy, name)}

    def dispatch(x, *args, **kwargs):
        return kernels[array_module(x)](x, *args, **kwargs)

    dispatch.__name__, dispatch.__doc__ = name, kernels[np].__doc__
    return dispatch


forward = _kernel("forward")
forward_given = _kernel("forward_given")
backward = _kernel("backward")
backward_given = _kernel("backward_given")
