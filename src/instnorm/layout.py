"""How activations lie in memory, and which of them share a mean: the way to the kernels and back.

The kernels (`instnorm.rows`) see (A, G, K, L): A·G sets, each with one mean and one variance over L
values of K channels. For x of shape (N, C, *spatial) with M positions:

    instance   (N, C, 1, M)     layer   (N, 1, C, M)     group   (N, G, C/G, M)
    batch      (1, C, N, M)     the images of a batch lie side by side, as channels of one set

All four are views wherever memory allows: the order of the positions does not matter to a mean, so
that channels-last and transposed pictures need no copy.
"""

import functools
import math

import numpy as np

from . import rows

ALIGNED = 1 << 20  # bytes: results from here on begin at a line of the cache


class Layout:
    """The way of (N, C, *spatial) arrays like x to (A, G, K, L), and back.

    Parameters
    ----------
    x : (N, C, *spatial) float array
    num_groups : int, in how many sets the channels of an image are
    over_batch : bool, whether sets reach over the batch (then num_groups is C)
    """

    def __init__(self, x, num_groups, over_batch=False):
        self.xp, self.x, self.over_batch = rows.array_module(x), x, over_batch
        self.order, self.back_order = _orders(x.strides)
        self.shape = _shape(x.shape, num_groups)

    def sets(self, a):
        """(N, C, *spatial) -> (A, G, K, L): a view where memory allows, else a copy."""
        if self.order:
            a = a.transpose(self.order)
        a = a.reshape(self.shape)
        return a.transpose(2, 1, 0, 3) if self.over_batch else a

    def activations(self, sets):
        """The way back."""
        sets = sets.transpose(2, 1, 0, 3) if self.over_batch else sets
        if not self.order:
            return sets.reshape(self.x.shape)
        shape = [self.x.shape[axis] for axis in self.order]
        return sets.reshape(shape).transpose(self.back_order)

    def lines(self, parameter):
        """(C,) -> (G, K) or (G, 1): a number for each channel of each set."""
        if parameter is None:
            return None
        return parameter.reshape(self.shape[1:3])

    def ones(self):
        """As `lines` of ones, which take no memory: all are one number."""
        if self.xp is np:
            return _ones(self.shape[1:3])
        return self.xp.broadcast_to(self.xp.ones(()), self.shape[1:3])

    def apply(self, kernel, out=None, *inputs):
        """What kernel(sets of x, sets of inputs, out=...) makes, as an array like x, or in `out`.

        The kernel writes to the memory of the result itself, which may be an input, but not a part
        of one. It returns the sets of the result, and perhaps more, which `apply` returns as well.
        """
        y = _empty_like(self.xp, self.x) if out is None else out
        if self.x.size == 0:
            return y, None
        into, share, inputs = self.sets(y), self.xp.may_share_memory, (self.x, *inputs)
        apart = (self.order is None and y.flags.c_contiguous) or share(into, y)
        if out is not None:
            for a in inputs:
                apart = apart and (a is y or not share(a, y))
        result, *more = kernel(*[self.sets(a) for a in inputs], out=into if apart else None)
        if not apart:
            y[...] = self.activations(result)
        return y, more

    def forward(self, kernel, out=None):
        """`apply` for a kernel that returns moments too. Returns y; mean and var, (A, G)."""
        y, moments = self.apply(kernel, out)
        if moments is None:
            images = 1 if self.over_batch else self.shape[0]
            moments = self.xp.zeros((2, images, self.shape[1]))
        return y, moments[0], moments[1]

    def backward(self, kernel, dy, gamma, out=None):
        """dx like x, dgamma and dbeta, of kernel(sets of dy, sets of x, scale=lines of gamma)."""
        scale = self.ones() if gamma is None else self.lines(gamma)
        dx, sums = self.apply(lambda x, dy, out: kernel(dy, x, scale=scale, out=out), out, dy)
        dgamma, dbeta = self.xp.zeros((2, self.x.shape[1])) if sums is None else sums
        return dx, dgamma.reshape(-1), dbeta.reshape(-1)


@functools.lru_cache(maxsize=256)
def _orders(strides):
    """The order of the axes in which positions lie in memory, so that they are one axis; and back.

    None for both where it is the order they have.
    """
    spatial = sorted(range(2, len(strides)), key=lambda axis: -abs(strides[axis]))
    order = (0, 1, *spatial)
    if order == tuple(range(len(strides))):
        return None, None
    return order, tuple(sorted(range(len(strides)), key=order.__getitem__))


@functools.lru_cache(maxsize=256)
def _shape(shape, num_groups):
    """(N, C, *spatial) -> (N, G, C / G, M)."""
    n, c, *spatial = shape
    return n, num_groups, c // max(1, num_groups), math.prod(spatial)


@functools.lru_cache(maxsize=64)
def _ones(shape):
    return np.broadcast_to(np.ones(()), shape)


def _empty_like(xp, x):
    """An array like x; a large one begins at a line of the cache, so that no line is shared."""
    if type(x) is not np.ndarray or x.nbytes < ALIGNED or not x.flags.c_contiguous:
        return xp.empty_like(x)
    memory = np.empty(x.nbytes + rows.LINE, np.uint8)
    first = -memory.__array_interface__["data"][0] % rows.LINE
    return np.ndarray(x.shape, x.dtype, memory, first)
