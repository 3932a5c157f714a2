"""Right answers to "Invariance", written independently of the kernels and of each other."""

from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F

# --- The Jacobian ---------------------------------------------------------------------------------


def jacobian_loops(x, eps):
    values = [Fraction(v) for v in x.tolist()]
    m = len(values)
    mean = sum(values) / m
    deviations = [v - mean for v in values]
    variance = sum(d * d for d in deviations) / m + Fraction(eps)
    root = float(variance) ** 0.5
    jacobian = np.zeros((m, m))
    for i in range(m):
        for j in range(m):
            entry = Fraction(i == j) - Fraction(1, m) - deviations[i] * deviations[j] / m / variance
            jacobian[i, j] = float(entry) / root
    return jacobian


def jacobian_einsum(x, eps):
    """The quotient rule, term by term."""
    m, d = len(x), x - x.mean()
    s = (np.einsum("i,i", d, d) / m + eps) ** 0.5
    top = np.eye(m) - np.full((m, m), 1 / m)
    bottom = d / (m * s)  # ds / dx
    return (s * top - np.einsum("i,j->ij", d, bottom)) / s**2


def jacobian_torch(x, eps):
    def norm(t):
        return F.instance_norm(t[None, None], eps=eps)[0, 0]

    return torch.autograd.functional.jacobian(norm, torch.from_numpy(x)).numpy()


def jacobian_differences(x, eps):
    """Central differences: column j is what a push of pixel j does."""
    h = 1e-5

    def norm(v):
        return (v - v.mean()) / np.sqrt(v.var() + eps)

    columns = [(norm(x + h * e) - norm(x - h * e)) / (2 * h) for e in np.eye(x.size)]
    return np.stack(columns, axis=1)


# --- What is left free ----------------------------------------------------------------------------


def constraints_by_formula(x, eps):
    planes, m = x.shape
    variance = x.var(axis=1)
    lost = 1 if eps else 2
    return np.zeros(planes), m * variance / (variance + eps), np.full(planes, float(m - lost))


def constraints_by_matrix_rank(x, eps):
    """NumPy's own tolerance for a rank."""
    m = x.shape[1]
    x_hat = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + eps)
    ranks = []
    for row, h in zip(x, x_hat, strict=True):
        s = np.sqrt(row.var() + eps)
        ranks.append(np.linalg.matrix_rank((np.eye(m) - 1 / m - np.outer(h, h) / m) / s))
    return x_hat.sum(1), np.linalg.norm(x_hat, axis=1) ** 2, np.array(ranks, float)


def constraints_by_differences(x, eps):
    """Singular values of a numerical Jacobian, next to the size they should have."""
    rank = []
    for row in x:
        values = np.linalg.svd(jacobian_differences(row, eps), compute_uv=False)
        rank.append(np.sum(values * np.sqrt(row.var() + eps) > 1e-8))
    y = np.stack([(row - row.mean()) / np.sqrt(row.var() + eps) for row in x])
    return [np.einsum("bm->b", y), np.einsum("bm,bm->b", y, y), np.array(rank) * 1.0]


def constraints_by_torch(x, eps):
    x = torch.from_numpy(x)
    y = F.instance_norm(x[:, None], eps=eps)[:, 0]
    rank = [torch.linalg.matrix_rank(torch.from_numpy(jacobian_einsum(r.numpy(), eps))) for r in x]
    return y.sum(1).numpy(), y.square().sum(1).numpy(), torch.stack(rank).double().numpy()


# --- The way back ---------------------------------------------------------------------------------


def backward_loops(dy, x, gamma, eps):
    images, channels, height, width = x.shape
    m = height * width
    dx, dgamma, dbeta = np.empty_like(x), np.zeros(channels), np.zeros(channels)
    for n in range(images):
        for c in range(channels):
            values, upstream = x[n, c].ravel().tolist(), dy[n, c].ravel().tolist()
            mean = sum(values) / m
            root = (sum((v - mean) ** 2 for v in values) / m + eps) ** 0.5
            x_hat = [(v - mean) / root for v in values]
            for d, h in zip(upstream, x_hat, strict=True):
                dgamma[c] += d * h
                dbeta[c] += d
            along_1 = sum(upstream) / m
            along_x_hat = sum(d * h for d, h in zip(upstream, x_hat, strict=True)) / m
            dx[n, c].flat[:] = [
                gamma[c] * (d - along_1 - h * along_x_hat) / root
                for d, h in zip(upstream, x_hat, strict=True)
            ]
    return dx, dgamma, dbeta


def backward_by_jacobians(dy, x, gamma, eps):
    """The transposed Jacobian times the gradient, plane by plane."""
    dx, dgamma, dbeta = np.zeros(x.shape), np.zeros(gamma.shape), np.zeros(gamma.shape)
    for n, c in np.ndindex(x.shape[:2]):
        row, up = x[n, c].ravel(), dy[n, c].ravel()
        dx[n, c] = (gamma[c] * jacobian_einsum(row, eps).T @ up).reshape(x.shape[2:])
        dgamma[c] += up @ (row - row.mean()) / np.sqrt(row.var() + eps)
        dbeta[c] += up.sum()
    return dx, dgamma, dbeta


def backward_by_the_graph(dy, x, gamma, eps):
    """Step by step back through mean, variance, root and quotient; no formula of its own."""
    m = x.shape[2] * x.shape[3]
    d = x - np.einsum("nchw->nc", x)[..., None, None] / m
    var = np.einsum("nchw,nchw->nc", d, d) / m
    r = (var + eps) ** -0.5
    g = np.einsum("nchw,c->nchw", dy, gamma)
    dr = np.einsum("nchw,nchw->nc", g, d)
    dvar = -0.5 * dr * r**3
    dd = g * r[..., None, None] + 2 / m * d * dvar[..., None, None]
    dmean = -np.einsum("nchw->nc", dd)
    dx = dd + dmean[..., None, None] / m
    return dx, np.einsum("nchw,nchw,nc->c", dy, d, r), np.einsum("nchw->c", dy)


def backward_by_torch(dy, x, gamma, eps):
    x, weight = (torch.tensor(a, requires_grad=True) for a in (x, gamma))
    bias = torch.zeros_like(weight, requires_grad=True)
    y = F.instance_norm(x, weight=weight, bias=bias, eps=eps)
    gradients = torch.autograd.grad(y, (x, weight, bias), torch.from_numpy(dy))
    return [gradient.numpy() for gradient in gradients]


RIGHT = {
    "in-jacobian": [jacobian_loops, jacobian_einsum, jacobian_torch, jacobian_differences],
    "in-constraints": [
        constraints_by_formula,
        constraints_by_matrix_rank,
        constraints_by_differences,
        constraints_by_torch,
    ],
    "in-backward": [
        backward_loops,
        backward_by_jacobians,
        backward_by_the_graph,
        backward_by_torch,
    ],
}
