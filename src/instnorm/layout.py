"""How activations lie in memory, and which of them share a mean: the way to the kernels and back.

The kernels (`instnorm.rows`) see (A, G, K, L): A·G sets, each with one mean and one variance over L
values of K channels. For x of shape (N, C, *spatial) with M positions:

    instance   (N, C, 1, M)     layer   (N, 1, C, M)     group   (N, G, C/G, M)
    batch      (1, C, N, M)     the images of a batch lie side by side, as channels of one set

All four are views wherever memory allows: the order of the positions does not matter to a mean, so
that channels-last and transposed pictures need no copy.
"""

from . import rows


class Layout:
    """The way of (N, C, *spatial) arrays like x to (A, G, K, L), and back.

    Parameters
    ----------
    x : (N, C, *spatial) float array
    num_groups : int, in how many sets the channels of an image are
    over_batch : bool, whether sets reach over the batch (then num_groups is C)
    """

    def __init__(self, x, num_groups, over_batch=False):
        self.xp = rows.array_module(x)
        self.x, self.num_groups, self.over_batch = x, num_groups, over_batch
        # Positions in the order in which they lie in memory, so that they are one axis.
        spatial = sorted(range(2, x.ndim), key=lambda axis: -abs(x.strides[axis]))
        self.order = (0, 1, *spatial)
        self.back_order = tuple(sorted(range(x.ndim), key=self.order.__getitem__))

    def sets(self, a):
        """(N, C, *spatial) -> (A, G, K, L): a view where memory allows, else a copy."""
        n, c = a.shape[:2]
        g = self.num_groups
        a = a.transpose(self.order).reshape(n, c, -1)
        return a.swapaxes(0, 1)[None] if self.over_batch else a.reshape(n, g, c // g, a.shape[2])

    def activations(self, sets):
        """The way back."""
        n, c = self.x.shape[:2]
        sets = sets[0].swapaxes(0, 1) if self.over_batch else sets
        spatial = [self.x.shape[axis] for axis in self.order[2:]]
        return sets.reshape(n, c, *spatial).transpose(self.back_order)

    def lines(self, parameter):
        """(C,) -> (G, K) or (G, 1): a number for each channel of each set."""
        if parameter is None:
            return None
        return parameter.reshape(self.num_groups, parameter.size // max(1, self.num_groups))

    def apply(self, kernel, out=None):
        """What kernel(sets, out=...) makes of the sets of x, as an array like x, or in `out`.

        The kernel writes to the memory of the result itself, unless that is part of x as well.
        """
        y = self.xp.empty_like(self.x) if out is None else out
        if self.x.size == 0:
            return y
        into = self.sets(y)
        apart = y is self.x or not self.xp.may_share_memory(y, self.x)
        if apart and self.xp.may_share_memory(into, y):
            kernel(self.sets(self.x), out=into)
        else:
            y[...] = self.activations(kernel(self.sets(self.x), out=None))
        return y

    def forward(self, kernel, out=None):
        """`apply` for a kernel that returns moments too. Returns y; mean and var, (A, G)."""
        moments = []

        def keeping_moments(x, out):
            y, *moments[:] = kernel(x, out=out)
            return y

        y = self.apply(keeping_moments, out)
        images = 1 if self.over_batch else self.x.shape[0]
        return y, *(moments or self.xp.zeros((2, images, self.num_groups)))

    def backward(self, kernel, dy, gamma):
        """dx like x, dgamma and dbeta, of kernel(sets of dy, sets of x, scale=lines of gamma)."""
        channels = self.x.shape[1]
        if self.x.size == 0:
            return self.xp.empty_like(self.x), *self.xp.zeros((2, channels))
        scale = self.lines(self.xp.ones(channels) if gamma is None else gamma)
        dx, dscale, dshift = kernel(self.sets(dy), self.sets(self.x), scale=scale)
        return self.activations(dx), dscale.reshape(-1), dshift.reshape(-1)
