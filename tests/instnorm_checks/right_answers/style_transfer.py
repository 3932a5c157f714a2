"""Right answers to "Style transfer", written independently of the kernels and of each other."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy import linalg

# --- gram_matrix ----------------------------------------------------------------------------------


def gram_with_loops(x):
    images, channels, height, width = x.shape
    gram = np.zeros((images, channels, channels))
    for n, i, j in np.ndindex(gram.shape):
        products = (x[n, i, h, w] * x[n, j, h, w] for h in range(height) for w in range(width))
        gram[n, i, j] = math.fsum(products) / (height * width)
    return gram


def gram_by_einsum(x):
    return np.einsum("nihw,njhw->nij", x, x) / (x.shape[2] * x.shape[3])


def gram_by_torch(x):
    f = torch.from_numpy(x).flatten(2)
    return (torch.bmm(f, f.transpose(1, 2)) / f.shape[2]).numpy()


def gram_by_outer_products(x):
    pixels = np.moveaxis(x, 1, -1)
    return (pixels[..., :, None] * pixels[..., None, :]).mean((1, 2))


# --- conditional_instance_norm --------------------------------------------------------------------


def conditional_with_loops(x, gamma, beta, weights, eps=1e-5):
    y = np.zeros(x.shape)
    for n, c in np.ndindex(x.shape[:2]):
        values = x[n, c].ravel().tolist()
        mean = math.fsum(values) / len(values)
        var = math.fsum((v - mean) ** 2 for v in values) / len(values)
        gain = sum(w * g for w, g in zip(weights[n], gamma[:, c], strict=True))
        offset = sum(w * b for w, b in zip(weights[n], beta[:, c], strict=True))
        y[n, c] = gain * (x[n, c] - mean) / math.sqrt(var + eps) + offset
    return y


def conditional_by_einsum(x, gamma, beta, weights, eps=1e-5):
    m = x.shape[2] * x.shape[3]
    deviation = x - np.einsum("nchw->nc", x)[:, :, None, None] / m
    rstd = 1 / np.sqrt(np.einsum("nchw,nchw->nc", deviation, deviation) / m + eps)
    y = np.einsum("ns,sc,nc,nchw->nchw", weights, gamma, rstd, deviation)
    return y + np.einsum("ns,sc->nc", weights, beta)[:, :, None, None]


def conditional_by_torch(x, gamma, beta, weights, eps=1e-5):
    """One image at a time, by torch's own affine instance norm."""
    gain, offset = (torch.from_numpy(weights) @ torch.from_numpy(t) for t in (gamma, beta))
    images = torch.from_numpy(x)
    done = [
        F.instance_norm(images[n : n + 1], weight=gain[n], bias=offset[n], eps=eps)
        for n in range(len(x))
    ]
    return torch.cat(done).numpy()


def blend_of_outputs(x, gamma, beta, weights, eps=1e-5):
    """Every style in turn, and the results blended: for one layer that is the same."""
    xhat = F.instance_norm(torch.from_numpy(x), eps=eps).numpy()
    y = np.zeros_like(x)
    for s in range(len(gamma)):
        y += weights[:, s, None, None, None] * (
            gamma[s][:, None, None] * xhat + beta[s][:, None, None]
        )
    return y


# --- adain ----------------------------------------------------------------------------------------


def adain_with_loops(content, style, eps=1e-5):
    def moments(plane):
        mean = math.fsum(plane.ravel()) / plane.size
        return mean, math.fsum((plane.ravel() - mean) ** 2) / plane.size

    y = np.zeros(content.shape)
    for n, c in np.ndindex(content.shape[:2]):
        mean, var = moments(content[n, c])
        wanted, wanted_var = moments(style[n, c])
        gain = math.sqrt((wanted_var + eps) / (var + eps))
        y[n, c] = gain * (content[n, c] - mean) + wanted
    return y


def adain_by_einsum(content, style, eps=1e-5):
    def moments(x):
        m = x.shape[2] * x.shape[3]
        mean = np.einsum("nchw->nc", x)[:, :, None, None] / m
        return mean, np.einsum("nchw,nchw->nc", x - mean, x - mean)[:, :, None, None] / m

    (mean, var), (wanted, wanted_var) = moments(content), moments(style)
    return (content - mean) / (var + eps) ** 0.5 * (wanted_var + eps) ** 0.5 + wanted


def adain_by_torch(content, style, eps=1e-5):
    xhat = F.instance_norm(torch.from_numpy(content), eps=eps)
    var, mean = torch.var_mean(torch.from_numpy(style), (2, 3), correction=0, keepdim=True)
    return torch.addcmul(mean.expand_as(xhat), xhat, (var + eps).sqrt()).numpy()


# --- wct ------------------------------------------------------------------------------------------


def wct_by_sqrtm(content, style, eps=1e-5):
    y = np.zeros(content.shape)
    for n in range(len(content)):
        x, s = (p[n].reshape(p.shape[1], -1) for p in (content, style))
        ridge = eps * np.eye(len(x))
        root = linalg.sqrtm(np.cov(x, bias=True).reshape(ridge.shape) + ridge)
        wanted = linalg.sqrtm(np.cov(s, bias=True).reshape(ridge.shape) + ridge)
        white = linalg.solve(root, x - x.mean(1, keepdims=True))
        y[n] = (wanted @ white + s.mean(1, keepdims=True)).reshape(content[n].shape)
    return y


def wct_by_svd(content, style, eps=1e-5):
    """All images at once; roots from a singular value decomposition of the covariances."""

    def parts(x):
        f = x.reshape(*x.shape[:2], -1)
        mean = f.mean(-1, keepdims=True)
        sigma = np.einsum("nim,njm->nij", f - mean, f - mean) / f.shape[-1]
        u, values, vt = np.linalg.svd(sigma + eps * np.eye(x.shape[1]), hermitian=True)
        return f - mean, mean, u, values, vt

    f, _, u, values, vt = parts(content)
    _, mean, us, wanted, vts = parts(style)
    white = (u / np.sqrt(values)[:, None]) @ (vt @ f)
    return ((us * np.sqrt(wanted)[:, None]) @ (vts @ white) + mean).reshape(content.shape)


def wct_by_torch(content, style, eps=1e-5):
    def parts(x):
        f = torch.from_numpy(x).flatten(2)
        mean = f.mean(2, keepdim=True)
        sigma = torch.stack(
            [torch.cov(image, correction=0).reshape(*[x.shape[1]] * 2) for image in f]
        )
        return f - mean, mean, torch.linalg.eigh(sigma + eps * torch.eye(x.shape[1]))

    f, _, (values, e) = parts(content)
    _, mean, (wanted, es) = parts(style)
    white = e @ torch.diag_embed(values**-0.5) @ e.mT @ f
    y = es @ torch.diag_embed(wanted**0.5) @ es.mT @ white + mean
    return y.reshape(content.shape).numpy()


RIGHT = {
    "gram-matrix": [gram_with_loops, gram_by_einsum, gram_by_torch, gram_by_outer_products],
    "conditional-in": [
        conditional_with_loops,
        conditional_by_einsum,
        conditional_by_torch,
        blend_of_outputs,
    ],
    "adain": [adain_with_loops, adain_by_einsum, adain_by_torch],
    "wct": [wct_by_sqrtm, wct_by_svd, wct_by_torch],
}
