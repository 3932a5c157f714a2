"""Right answers to "Depth", written independently of the kernels and of each other."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from .invariance import backward_by_the_graph, backward_loops

# --- What a ReLU leaves ---------------------------------------------------------------------------


def moments_with_erf(mu, sigma):
    mean, var = np.zeros(mu.shape), np.zeros(mu.shape)
    for k, (m, s) in enumerate(zip(mu.tolist(), sigma.tolist(), strict=True)):
        if s == 0:
            mean[k] = max(0.0, m)
            continue
        above = 0.5 * (1 + math.erf(m / s / math.sqrt(2)))
        bell = math.exp(-0.5 * (m / s) ** 2) / math.sqrt(2 * math.pi)
        mean[k] = m * above + s * bell
        var[k] = (m * m + s * s) * above + m * s * bell - mean[k] ** 2
    return mean, var


def moments_by_quadrature(mu, sigma):
    """Gauss-Legendre over the values above 0, as far as there are any."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    mean, var = [], []
    for m, s in zip(mu, sigma, strict=True):
        if s == 0:
            mean.append(max(0.0, m))
            var.append(0.0)
            continue
        low, high = max(-m / s, -12.0), max(-m / s, -12.0) + 24.0
        z = low + (high - low) * (nodes + 1) / 2
        p = weights * (high - low) / 2 * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
        mean.append(p @ (m + s * z))
        # The zeros are as far from the mean as the mean is from 0.
        var.append(p @ (m + s * z - mean[-1]) ** 2 + (1 - p.sum()) * mean[-1] ** 2)
    return np.array(mean), np.array(var)


def moments_by_mixture(mu, sigma):
    """The law of total variance: survivors with a truncated distribution, and zeros."""
    normal = torch.distributions.Normal(0.0, 1.0)
    r = torch.from_numpy(np.divide(mu, sigma, out=np.sign(mu) * 30, where=sigma > 0))
    s, m = torch.from_numpy(sigma), torch.from_numpy(mu)
    p = normal.cdf(r)
    pull = torch.where(p > 0, normal.log_prob(r).exp() / p.clamp(min=1e-300), 0.0)
    mean, var = m + s * pull, s**2 * (1 - r * pull - pull**2)
    p = torch.where((s == 0) & (m <= 0), 0.0, p)
    return (p * mean).numpy(), (p * var + p * (1 - p) * mean**2).numpy()


# --- Layer after layer ----------------------------------------------------------------------------


def stack_with_loops(x, weights, biases, mode, eps=1e-5):
    def norm(rows):
        done = []
        for row in rows:
            mean = math.fsum(row) / len(row)
            var = math.fsum((v - mean) ** 2 for v in row) / len(row)
            done.append([(v - mean) / math.sqrt(var + eps) for v in row])
        return done

    a = x.tolist()
    if mode != "none":
        a = norm(a)
    means, stds = [], []
    for w, b in zip(weights.tolist(), biases.tolist(), strict=True):
        z = [
            [
                sum(wij * row[k] for wij, row in zip(wi, a, strict=True)) + bi
                for k in range(len(a[0]))
            ]
            for wi, bi in zip(w, b, strict=True)
        ]
        a = [[max(0.0, v) for v in row] for row in z]
        if mode == "every":
            a = norm(a)
        values = [v for row in a for v in row]
        means.append(math.fsum(values) / len(values))
        stds.append(math.sqrt(math.fsum((v - means[-1]) ** 2 for v in values) / len(values)))
    return np.array(means), np.array(stds), np.array(a)


def stack_by_torch(x, weights, biases, mode, eps=1e-5):
    a = torch.from_numpy(x)[None]
    if mode in ("input", "every"):
        a = F.instance_norm(a, eps=eps)
    stats = []
    for w, b in zip(torch.from_numpy(weights), torch.from_numpy(biases), strict=True):
        a = F.conv1d(a, w[:, :, None], b).relu()
        if mode == "every":
            a = F.instance_norm(a, eps=eps)
        stats.append(torch.stack([a.mean(), a.std(correction=0)]))
    return [*torch.stack(stats, 1).numpy(), a[0].numpy()]


def stack_by_einsum(x, weights, biases, mode, eps=1e-5):
    def norm(rows):
        d = (rows.T - np.einsum("cm->c", rows) / rows.shape[1]).T
        return np.einsum("cm,c->cm", d, (np.einsum("cm,cm->c", d, d) / d.shape[1] + eps) ** -0.5)

    a, means, stds = (x if mode == "none" else norm(x)), [], []
    for k in range(weights.shape[0]):
        z = np.einsum("ij,jm->im", weights[k], a) + np.outer(biases[k], np.ones(x.shape[1]))
        a = z * (z > 0)
        a = norm(a) if mode == "every" else a
        means += [np.einsum("cm->", a) / a.size]
        stds += [np.sqrt(np.sum((a - means[-1]) ** 2) / a.size)]
    return np.asarray(means), np.asarray(stds), a


# --- Which comes first? ---------------------------------------------------------------------------


def orders_with_loops(z, gamma, beta, eps=1e-5):
    first, second = np.empty_like(z), np.empty_like(z)
    for n in range(z.shape[0]):
        for c in range(z.shape[1]):
            for out, cut in ((first, False), (second, True)):
                values = z[n, c].ravel().tolist()
                values = [max(v, 0.0) for v in values] if cut else values
                mean = sum(values) / len(values)
                root = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values) + eps)
                values = [gamma[c] * (v - mean) / root + beta[c] for v in values]
                out[n, c].flat[:] = values if cut else [max(v, 0.0) for v in values]
    return first, second


def orders_by_torch(z, gamma, beta, eps=1e-5):
    z, weight, bias = (torch.from_numpy(a) for a in (z, gamma, beta))
    first = F.relu(F.instance_norm(z, weight=weight, bias=bias, eps=eps))
    return first.numpy(), F.instance_norm(z.clamp(min=0), weight=weight, bias=bias, eps=eps).numpy()


def orders_by_rows(z, gamma, beta, eps=1e-5):
    """Both at once: z and its positive part as one stack of pictures."""
    rows = np.stack([z, np.where(z > 0, z, 0.0)]).reshape(2, *z.shape[:2], -1)
    d = rows - rows.mean(-1, keepdims=True)
    y = np.einsum(
        "onci,onc->onci", d, 1 / np.sqrt(np.einsum("onci,onci->onc", d, d) / d.shape[-1] + eps)
    )
    y = (np.einsum("onci,c->onci", y, gamma) + beta[:, None]).reshape(2, *z.shape)
    return [(y[0] + np.abs(y[0])) / 2, y[1]]


# --- A layer for PyTorch --------------------------------------------------------------------------


class ByHand(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        var, mean = torch.var_mean(x, dim=(2, 3), keepdim=True, correction=0)
        x_hat = (x - mean) * torch.rsqrt(var + eps)
        ctx.save_for_backward(x_hat, gamma, torch.rsqrt(var + eps))
        return torch.addcmul(beta[:, None, None], gamma[:, None, None], x_hat)

    @staticmethod
    def backward(ctx, dy):
        x_hat, gamma, r = ctx.saved_tensors
        g = gamma[:, None, None] * dy
        along = x_hat * (g * x_hat).mean((2, 3), keepdim=True)
        dx = r * (g - g.mean((2, 3), keepdim=True) - along)
        return dx, torch.einsum("nchw,nchw->c", dy, x_hat), dy.sum((0, 2, 3)), None


def function_by_hand(x, gamma, beta, dy, eps):
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, gamma, beta)]
    y = ByHand.apply(*tensors, eps)
    gradients = torch.autograd.grad(y, tensors, torch.tensor(dy))
    return tuple(t.detach().numpy() for t in (y, *gradients))


def function_by_autograd(x, gamma, beta, dy, eps):
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, gamma, beta)]
    y = F.instance_norm(tensors[0], weight=tensors[1], bias=tensors[2], eps=eps)
    y.backward(torch.from_numpy(dy))
    return [y.detach().numpy(), *(t.grad.numpy() for t in tensors)]


def function_with_loops(x, gamma, beta, dy, eps):
    y = np.empty_like(x)
    for n, c in np.ndindex(x.shape[:2]):
        v = x[n, c]
        y[n, c] = (
            gamma[c] * (v - np.mean(v)) / np.sqrt(np.mean((v - np.mean(v)) ** 2) + eps) + beta[c]
        )
    return y, *backward_loops(dy, x, gamma, eps)


def function_by_the_graph(x, gamma, beta, dy, eps):
    rows = x.reshape(*x.shape[:2], -1).transpose(2, 0, 1)
    y = (rows - rows.mean(0)) / (rows.var(0) + eps) ** 0.5 * gamma + beta
    return y.transpose(1, 2, 0).reshape(x.shape), *backward_by_the_graph(dy, x, gamma, eps)


RIGHT = {
    "rectified-moments": [moments_with_erf, moments_by_quadrature, moments_by_mixture],
    "deep-stats": [stack_with_loops, stack_by_torch, stack_by_einsum],
    "in-relu-order": [orders_with_loops, orders_by_torch, orders_by_rows],
    "in-function": [
        function_by_hand,
        function_by_autograd,
        function_with_loops,
        function_by_the_graph,
    ],
}
