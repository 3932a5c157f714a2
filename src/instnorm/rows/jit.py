"""What the compiled kernels are made with: a compiler, and sums that it may reorder.

Numba keeps the machine code of a module until that module changes: after a change here, delete
the folder `__pycache__` beside this file.
"""

import functools
import os

import numpy as np
from numba import config, njit
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

U = (
    np.uint64
)  # the type of indices: to a signed one Numba would add the length where it is negative
STEP = 32  # so many numbers are summed in their own dtype where neighbours belong to different sums
# Of spreads and squared gradients: what lies between this and 1 / this leaves no range.
LEAST = {np.dtype(t): float(np.sqrt(np.finfo(t).tiny)) for t in (np.float32, np.float64)}
REORDERED = ("reassoc", "nsz", "contract")  # LLVM's flags; never nnan or ninf


if hasattr(os, "register_at_fork"):
    # A process forked while another thread compiles would find the compiler's lock taken, for ever.
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


def can_compile():
    return not config.DISABLE_JIT


def jit(function, **options):
    """Compiled for what it is called with, without Python's lock, and kept on disk if possible."""
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # there is no folder to keep it in
        return njit(**options)(function)


# Part of the function that calls it. It counts no references to the arrays that it is given: that
# would make threads wait for each other, row by row. So it can make no array.
inner = functools.partial(jit, forceinline=True, _nrt=False)


@intrinsic
def add(typing_context, a, b):
    """a + b, in any order."""

    def generate(context, builder, signature, arguments):
        return builder.fadd(*arguments, flags=REORDERED)

    return a(a, a), generate
