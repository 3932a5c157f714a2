"""Right answers to "The algorithm", written without sight of the checks."""

import math

import numpy as np
import torch


# ---- instance-norm-loops
def loops_plain(x, eps=1e-5):
    N, C, H, W = x.shape
    out = np.zeros((N, C, H, W))
    for n in range(N):
        for c in range(C):
            s = 0.0
            for h in range(H):
                for w in range(W):
                    s += x[n, c, h, w]
            mu = s / (H * W)
            v = 0.0
            for h in range(H):
                for w in range(W):
                    v += (x[n, c, h, w] - mu) ** 2
            v /= H * W
            for h in range(H):
                for w in range(W):
                    out[n, c, h, w] = (x[n, c, h, w] - mu) / math.sqrt(v + eps)
    return out


def loops_semi(x, eps=1e-5):
    y = np.empty_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            p = x[n, c]
            y[n, c] = (p - p.mean()) / (p.var() + eps) ** 0.5
    return y


def loops_list(x, eps=1e-5):
    return np.array([[(p - np.mean(p)) / np.sqrt(np.var(p) + eps) for p in img] for img in x])


def loops_torch(x, eps=1e-5):
    return torch.nn.functional.instance_norm(torch.from_numpy(x), eps=eps).numpy()


def loops_welford(x, eps=1e-5):
    y = np.empty_like(x)
    for i in np.ndindex(x.shape[:2]):
        k, mean, m2 = 0, 0.0, 0.0
        for v in x[i].ravel():
            k += 1
            d = v - mean
            mean += d / k
            m2 += d * (v - mean)
        y[i] = (x[i] - mean) / math.sqrt(m2 / k + eps)
    return y


def loops_copy(x, eps=1e-5):
    x = x.copy()
    for n in range(len(x)):
        for c in range(len(x[n])):
            x[n, c] -= x[n, c].mean()
            x[n, c] /= np.sqrt((x[n, c] ** 2).mean() + eps)
    return x


def loops_dtype_out(x, eps=1e-5):
    return loops_plain(x, eps).astype(x.dtype)


# ---- instance-norm
def in_vec(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=(2, 3), keepdims=True)
    var = ((x - mu) ** 2).mean(axis=(2, 3), keepdims=True)
    return gamma.reshape(1, -1, 1, 1) * (x - mu) / np.sqrt(var + eps) + beta.reshape(1, -1, 1, 1)


def in_flat(x, gamma, beta, eps=1e-5):
    n, c, h, w = x.shape
    f = x.reshape(n * c, h * w)
    f = (f - f.mean(1)[:, None]) / np.sqrt(f.var(1) + eps)[:, None]
    y = f.reshape(n, c, h, w)
    return y * gamma[None, :, None, None] + beta[None, :, None, None]


def in_einsum(x, gamma, beta, eps=1e-5):
    m = x.shape[2] * x.shape[3]
    mu = np.einsum("nchw->nc", x) / m
    d = x - mu[..., None, None]
    var = np.einsum("nchw,nchw->nc", d, d) / m
    return np.einsum("nchw,nc,c->nchw", d, 1 / np.sqrt(var + eps), gamma) + beta[:, None, None]


def in_torch(x, gamma, beta, eps=1e-5):
    t = [torch.as_tensor(a) for a in (x, gamma, beta)]
    return torch.nn.functional.instance_norm(t[0], weight=t[1], bias=t[2], eps=eps).numpy()


def in_std2(x, gamma, beta, eps=1e-5):
    s = np.sqrt(np.std(x, axis=(-2, -1), keepdims=True) ** 2 + eps)
    xhat = (x - np.mean(x, axis=(-2, -1), keepdims=True)) / s
    return np.moveaxis(np.moveaxis(xhat, 1, -1) * gamma + beta, -1, 1)


def in_affine(x, gamma, beta, eps=1e-5):
    mu, var = x.mean((2, 3)), x.var((2, 3))
    a = gamma / np.sqrt(var + eps)
    return (x - mu[:, :, None, None]) * a[:, :, None, None] + beta[:, None, None]


# ---- contrast-scores
def _st(a, eps):
    mu = a.mean(-1, keepdims=True)
    v = ((a - mu) ** 2).mean(-1, keepdims=True)
    return (a - mu) / np.sqrt(v + eps)


def cs_vec(s, c, n, eps=1e-5):
    x = c[:, None] * s + n
    return (x * s).mean(axis=1), (_st(x, eps) * _st(s, eps)).mean(axis=1)


def cs_loop(s, c, n, eps=1e-5):
    raw, normed = np.zeros(len(c)), np.zeros(len(c))
    sh = (s - s.mean()) / np.sqrt(s.var() + eps)
    for b in range(len(c)):
        x = c[b] * s + n[b]
        raw[b] = np.mean(x * s)
        xh = (x - x.mean()) / np.sqrt(x.var() + eps)
        normed[b] = np.mean(xh * sh)
    return raw, normed


def cs_mat(s, c, n, eps=1e-5):
    x = np.outer(c, s) + n
    return x @ s / s.size, _st(x, eps) @ _st(s, eps) / s.size


def cs_torch(s, c, n, eps=1e-5):
    s, c, n = map(torch.tensor, (s, c, n))
    x = c[:, None] * s + n

    def f(a):
        return (a - a.mean(-1, keepdim=True)) / torch.sqrt(
            a.var(-1, keepdim=True, correction=0) + eps
        )

    return (x @ s / s.numel()).numpy(), (f(x) @ f(s) / s.numel()).numpy()


RIGHT = {
    "instance-norm-loops": {
        f.__name__: f
        for f in (
            loops_plain,
            loops_semi,
            loops_list,
            loops_torch,
            loops_welford,
            loops_copy,
            loops_dtype_out,
        )
    },
    "instance-norm": {
        f.__name__: f for f in (in_vec, in_flat, in_einsum, in_torch, in_std2, in_affine)
    },
    "contrast-scores": {f.__name__: f for f in (cs_vec, cs_loop, cs_mat, cs_torch)},
}
