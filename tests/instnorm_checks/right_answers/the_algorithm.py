"""Right answers to "The algorithm", written independently of the kernels and of each other."""

from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F


def loops_in_python(x, eps=1e-5):
    """Lists and floats only, with exact sums."""
    y = x.tolist()
    for image in y:
        for plane in image:
            values = [value for row in plane for value in row]
            mean = sum(map(Fraction, values)) / len(values)
            var = sum((Fraction(value) - mean) ** 2 for value in values) / len(values)
            root = (float(var) + eps) ** 0.5
            plane[:] = [[float(Fraction(value) - mean) / root for value in row] for row in plane]
    return np.array(y)


def loops_by_welford(x, eps=1e-5):
    y = np.zeros(x.shape)
    for index in np.ndindex(x.shape[:2]):
        mean = squares = 0.0
        for k, value in enumerate(x[index].flat, 1):
            step = value - mean
            mean += step / k
            squares += step * (value - mean)
        y[index] = (x[index] - mean) / np.sqrt(squares / x[index].size + eps)
    return y


def einsum(x, gamma=None, beta=None, eps=1e-5):
    m = x.shape[2] * x.shape[3]
    centred = x - np.einsum("nchw->nc", x)[:, :, None, None] / m
    rstd = 1 / np.sqrt(np.einsum("nchw,nchw->nc", centred, centred) / m + eps)
    y = np.einsum("nchw,nc->nchw", centred, rstd)
    return y if gamma is None else np.einsum("nchw,c->nchw", y, gamma) + beta[None, :, None, None]


def by_torch(x, gamma=None, beta=None, eps=1e-5):
    affine = [None if p is None else torch.from_numpy(p) for p in (gamma, beta)]
    y = F.instance_norm(torch.from_numpy(x), weight=affine[0], bias=affine[1], eps=eps)
    return y.numpy()


def by_transposing(x, gamma, beta, eps=1e-5):
    rows = x.reshape(x.shape[0], x.shape[1], -1).transpose(2, 0, 1)
    y = (rows - rows.mean(0)) / (rows.var(0) + eps) ** 0.5 * gamma + beta
    return y.transpose(1, 2, 0).reshape(x.shape)


def scores_with_loops(s, c, n, eps=1e-5):
    def standardised(v):
        mean = sum(v) / len(v)
        var = sum((a - mean) ** 2 for a in v) / len(v)
        return [(a - mean) / (var + eps) ** 0.5 for a in v]

    raw, normed = [], []
    for gain, row in zip(c, n, strict=True):
        x = [gain * a + b for a, b in zip(s, row, strict=True)]
        raw.append(sum(a * b for a, b in zip(x, s, strict=True)) / len(s))
        pair = zip(standardised(x), standardised(s), strict=True)
        normed.append(sum(a * b for a, b in pair) / len(s))
    return np.array(raw), np.array(normed)


def scores_by_covariance(s, c, n, eps=1e-5):
    """The correlation coefficient, with eps in both variances; returned as a list."""
    x = np.multiply.outer(c, s) + n
    covariance = np.array([np.cov(row, s, bias=True) for row in x])
    root = np.sqrt((covariance[:, 0, 0] + eps) * (covariance[:, 1, 1] + eps))
    return [np.einsum("bm,m->b", x, s) / len(s), covariance[:, 0, 1] / root]


def scores_by_torch(s, c, n, eps=1e-5):
    s, c, n = map(torch.from_numpy, (s, c, n))
    x = c[:, None] * s + n
    norm = torch.nn.functional.instance_norm
    normed = norm(x[None], eps=eps)[0] @ norm(s[None, None], eps=eps)[0, 0] / len(s)
    return (x @ s / len(s)).numpy(), normed.numpy()


def plain_einsum(x, eps=1e-5):
    return einsum(x, eps=eps)


def plain_torch(x, eps=1e-5):
    return by_torch(x, eps=eps)


RIGHT = {
    "instance-norm-loops": [loops_in_python, loops_by_welford, plain_einsum, plain_torch],
    "instance-norm": [einsum, by_torch, by_transposing],
    "contrast-scores": [scores_with_loops, scores_by_covariance, scores_by_torch],
}
