"""Right functions, for notebooks that build on an earlier exercise.

So one mistake does not cost points twice, and the answer to one exercise does not appear in the
text of another. A test compares them with the kernels.
"""

import numpy as np

_AXES = {"BN": (0, 2, 3), "LN": (1, 2, 3), "IN": (2, 3)}


def normalize(x, mode, eps=1e-5):
    """Batch, layer or instance norm ("BN", "LN", "IN") of x, of shape (N, C, H, W)."""
    mean, variance = (f(axis=_AXES[mode], keepdims=True) for f in (x.mean, x.var))
    return (x - mean) / np.sqrt(variance + eps)


def naive(x, gamma, beta, eps=1e-5):
    """Instance norm in the short version: one NumPy call after another, on the whole array."""
    mean = x.mean(axis=(2, 3), keepdims=True)
    variance = x.var(axis=(2, 3), keepdims=True)
    return gamma[:, None, None] * (x - mean) / np.sqrt(variance + eps) + beta[:, None, None]
