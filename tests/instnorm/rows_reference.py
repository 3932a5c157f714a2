"""Row kernels of any backend for (R, M) NumPy rows and (P, K) lines, as `rows.cu` has them."""

from instnorm.rows import numpy as plain


def _sets(x, lines):
    """(R, M) -> (R/P, P, K, M/K)."""
    p, k = (len(x), 1) if lines is None else lines.shape
    return x.reshape(-1, p, k, x.shape[1] // k)


class Rows:
    """The four functions of `kernels`; `there` and `back` bring arrays to where it computes.

    With `remembers`, `backward` is given the moments that `forward` returned, and an array.
    """

    def __init__(self, kernels, there=lambda a: a, back=lambda a: a, remembers=False):
        self.kernels, self.there, self.back, self.remembers = kernels, there, back, remembers

    def _there(self, *arrays):
        return (None if a is None else self.there(a) for a in arrays)

    def forward(self, x, eps, scale=None, shift=None, out=None):
        lines = shift if scale is None else scale
        sets, into = (None if a is None else self.there(_sets(a, lines)) for a in (x, out))
        if out is x:
            into = sets
        y, mean, var = self.kernels.forward(sets, eps, *self._there(scale, shift), into)
        y, mean, var = (self.back(a) for a in (y, mean, var))
        if out is not None:
            assert into is None or self.back(into) is not None
            out[...] = y.reshape(out.shape)
        return y.reshape(x.shape) if out is None else out, mean.ravel(), var.ravel()

    def forward_given(self, x, mean, var, eps, scale=None, shift=None, out=None):
        sets = _sets(x, scale)
        mean, var = (m.reshape(sets.shape[:2]) for m in (mean, var))
        arguments = self._there(sets, mean, var), self._there(scale, shift)
        y = self.kernels.forward_given(*arguments[0], eps, *arguments[1])
        y = self.back(y).reshape(x.shape)
        if out is None:
            return y
        out[...] = y
        return out

    def backward(self, dy, x, eps, scale):
        dy, sets = self._there(_sets(dy, scale), _sets(x, scale))
        more = {}
        if self.remembers:
            more["moments"] = self.kernels.forward(sets, eps)[1:]
            more["out"] = out = sets.copy("K")
        dx, *lines = self.kernels.backward(dy, sets, eps, self.there(scale), **more)
        assert not more or dx is out
        return self.back(dx).reshape(x.shape), *(self.back(a) for a in lines)

    def backward_given(self, dy, x, mean, var, eps, scale):
        sets = _sets(x, scale)
        moments = (m.reshape(sets.shape[:2]) for m in (mean, var))
        arrays = self._there(_sets(dy, scale), sets, *moments)
        dx, *lines = self.kernels.backward_given(*arrays, eps, self.there(scale))
        return self.back(dx).reshape(x.shape), *(self.back(a) for a in lines)


REFERENCE = Rows(plain)
forward, forward_given = REFERENCE.forward, REFERENCE.forward_given
backward, backward_given = REFERENCE.backward, REFERENCE.backward_given
