"""Right answers to "Domain shift", written independently of the kernels and of each other."""

import math

import numpy as np
import torch
import torch.nn.functional as F

# --- mixstyle -------------------------------------------------------------------------------------


def style_with_loops(x, weight, perm, eps=1e-5):
    def moments(n, c):
        values = x[n, c].ravel().tolist()
        mean = math.fsum(values) / len(values)
        return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values) + eps)

    y = np.zeros(x.shape)
    for n, c in np.ndindex(x.shape[:2]):
        mean, spread = moments(n, c)
        other_mean, other_spread = moments(int(perm[n]), c)
        new_spread = other_spread + weight[n] * (spread - other_spread)
        new_mean = other_mean + weight[n] * (mean - other_mean)
        y[n, c] = new_mean + new_spread * ((x[n, c] - mean) / spread)
    return y


def style_by_torch(x, weight, perm, eps=1e-5):
    x, lam = torch.from_numpy(x), torch.from_numpy(weight).reshape(-1, 1, 1, 1)
    perm = torch.from_numpy(perm)
    var, mu = torch.var_mean(x, dim=[2, 3], keepdim=True, unbiased=False)
    sig = (var + eps).sqrt()
    x_normed = (x - mu) / sig
    mu_mix = mu * lam + mu[perm] * (1 - lam)
    sig_mix = sig * lam + sig[perm] * (1 - lam)
    return (x_normed * sig_mix + mu_mix).numpy()


def style_as_gain_and_offset(x, weight, perm, eps=1e-5):
    rows = x.reshape(*x.shape[:2], -1)
    mean = np.einsum("ncp->nc", rows) / rows.shape[2]
    centred = rows - mean[..., None]
    spread = np.sqrt(np.einsum("ncp,ncp->nc", centred, centred) / rows.shape[2] + eps)
    w = np.column_stack([weight, 1 - weight])
    new_mean, new_spread = (
        np.einsum("nk,nkc->nc", w, np.stack([a, a[perm]], axis=1)) for a in (mean, spread)
    )
    y = centred * (new_spread / spread)[..., None] + new_mean[..., None]
    return y.reshape(x.shape)


# --- adapt_batch_norm -----------------------------------------------------------------------------


def adapted_with_loops(x, running_mean, running_var, gamma, beta, prior, eps=1e-5):
    y, n = np.zeros(x.shape), x.shape[0]
    for c in range(x.shape[1]):
        values = x[:, c].ravel().tolist()
        new_mean = math.fsum(values) / len(values)
        new_var = math.fsum((v - new_mean) ** 2 for v in values) / len(values)
        mean = (prior * running_mean[c] + n * new_mean) / (prior + n)
        var = (prior * running_var[c] + n * new_var) / (prior + n)
        y[:, c] = (x[:, c] - mean) / math.sqrt(var + eps) * gamma[c] + beta[c]
    return y


def adapted_by_torch(x, running_mean, running_var, gamma, beta, prior, eps=1e-5):
    x, mean, var, gamma, beta = map(torch.from_numpy, (x, running_mean, running_var, gamma, beta))
    new_var, new_mean = torch.var_mean(x, (0, 2, 3), correction=0)
    share = x.shape[0] / (x.shape[0] + prior)
    mean, var = torch.lerp(mean, new_mean, share), torch.lerp(var, new_var, share)
    return F.batch_norm(x, mean, var, gamma, beta, eps=eps).numpy()


def adapted_in_columns(x, running_mean, running_var, gamma, beta, prior, eps=1e-5):
    channels = np.moveaxis(x, 1, 0)
    rows = channels.reshape(len(channels), -1)
    moments = np.stack([rows.mean(axis=1), rows.var(axis=1)])
    weights = np.array([prior, len(x)]) / (prior + len(x))
    mean, var = np.tensordot(weights, np.stack([[running_mean, running_var], moments]), 1)
    gain = gamma / np.sqrt(var + eps)
    rows = (rows - mean[:, None]) * gain[:, None] + beta[:, None]
    return np.moveaxis(rows.reshape(channels.shape), 0, 1).copy()


# --- ibn ------------------------------------------------------------------------------------------


def split_with_loops(x, gamma, beta, eps=1e-5):
    y, channels = np.zeros(x.shape), x.shape[1]
    for n, c in np.ndindex(x.shape[:2]):
        values = (x[n, c] if c < channels // 2 else x[:, c]).ravel().tolist()
        mean = math.fsum(values) / len(values)
        var = math.fsum((v - mean) ** 2 for v in values) / len(values)
        y[n, c] = (x[n, c] - mean) / math.sqrt(var + eps) * gamma[c] + beta[c]
    return y


def split_by_torch(x, gamma, beta, eps=1e-5):
    x, gamma, beta = map(torch.from_numpy, (x, gamma, beta))
    half = x.shape[1] // 2
    front = F.instance_norm(x[:, :half], weight=gamma[:half], bias=beta[:half], eps=eps)
    back = F.batch_norm(x[:, half:], None, None, gamma[half:], beta[half:], training=True, eps=eps)
    return torch.cat([front, back], 1).numpy()


def split_by_pooled_moments(x, gamma, beta, eps=1e-5):
    """The moments of all planes; behind the half, those of a channel are made of them."""
    mean, var = x.mean(axis=(2, 3)), x.var(axis=(2, 3))
    half = x.shape[1] // 2
    var[:, half:] = var[:, half:].mean(axis=0) + mean[:, half:].var(axis=0)
    mean[:, half:] = mean[:, half:].mean(axis=0)
    gain = gamma / np.sqrt(var + eps)
    return (x - mean[:, :, None, None]) * gain[:, :, None, None] + beta[None, :, None, None]


# --- batch_leakage --------------------------------------------------------------------------------


def leak_with_loops(x, others, weight, mode, eps=1e-5):
    def score(image, company):
        batch, total = [image, *company], 0.0
        for c in range(len(image)):
            members = {
                "BN": [each[c] for each in batch],
                "LN": [image],
                "IN": [image[c]],
            }[mode]
            values = [float(v) for each in members for v in each.ravel()]
            mean = math.fsum(values) / len(values)
            var = math.fsum((v - mean) ** 2 for v in values) / len(values)
            total += math.fsum(
                (w * (v - mean) for w, v in zip(weight[c].ravel(), image[c].ravel(), strict=True))
            ) / math.sqrt(var + eps)
        return total

    leaks = []
    for image in x:
        scores = sorted(score(image, company) for company in others)
        leaks.append(scores[-1] - scores[0])
    return np.array(leaks)


def leak_by_torch(x, others, weight, mode, eps=1e-5):
    x, others, weight = map(torch.from_numpy, (x, others, weight))
    norm = {
        "BN": lambda batch: F.batch_norm(batch, None, None, training=True, eps=eps),
        "LN": lambda batch: F.layer_norm(batch, batch.shape[1:], eps=eps),
        "IN": lambda batch: F.instance_norm(batch, eps=eps),
    }[mode]
    leaks = torch.zeros(len(x), dtype=torch.float64)
    for n, image in enumerate(x):
        batches = [torch.cat([image[None], company]) for company in others]
        scores = torch.stack([torch.vdot(norm(b)[0].ravel(), weight.ravel()) for b in batches])
        leaks[n] = scores.max() - scores.min()
    return leaks.numpy()


def leak_of_all_at_once(x, others, weight, mode, eps=1e-5):
    """Every image with every company, in one array (N, K, 1 + B, C, H, W)."""
    images, companies = len(x), len(others)
    judged = np.broadcast_to(x[:, None, None], (images, companies, 1, *x.shape[1:]))
    beside = np.broadcast_to(others, (images, *others.shape))
    batches = np.concatenate([judged, beside], axis=2)
    axes = {"BN": (2, 4, 5), "LN": (3, 4, 5), "IN": (4, 5)}[mode]
    mean, var = batches.mean(axes, keepdims=True), batches.var(axes, keepdims=True)
    first = ((batches - mean) / np.sqrt(var + eps))[:, :, 0]
    scores = np.tensordot(first, weight, 3)
    return np.ptp(scores, axis=1)


RIGHT = {
    "mixstyle": [style_with_loops, style_by_torch, style_as_gain_and_offset],
    "adapt-batch-norm": [adapted_with_loops, adapted_by_torch, adapted_in_columns],
    "ibn": [split_with_loops, split_by_torch, split_by_pooled_moments],
    "batch-leakage": [leak_with_loops, leak_by_torch, leak_of_all_at_once],
}
