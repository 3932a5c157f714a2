"""Right answers to "Modulation", written independently of the kernels and of each other."""

import math

import numpy as np
import torch
import torch.nn.functional as F

# --- ada_group_norm -------------------------------------------------------------------------------


def groups_with_loops(x, scale, shift, num_groups, eps=1e-5):
    y, size = np.zeros(x.shape), x.shape[1] // num_groups
    for n, c in np.ndindex(x.shape[:2]):
        first = c // size * size
        values = x[n, first : first + size].ravel().tolist()
        mean = math.fsum(values) / len(values)
        var = math.fsum((v - mean) ** 2 for v in values) / len(values)
        y[n, c] = (x[n, c] - mean) / math.sqrt(var + eps) * (1 + scale[n, c]) + shift[n, c]
    return y


def groups_by_torch(x, scale, shift, num_groups, eps=1e-5):
    normed = F.group_norm(torch.from_numpy(x), num_groups, eps=eps).numpy()
    return normed + np.einsum("nchw,nc->nchw", normed, scale) + np.expand_dims(shift, (2, 3))


def groups_in_rows(x, scale, shift, num_groups, eps=1e-5):
    rows = x.reshape(x.shape[0] * num_groups, -1)
    deviations = rows - rows.mean(axis=1, keepdims=True)
    rows = deviations / np.sqrt(np.square(deviations).mean(axis=1, keepdims=True) + eps)
    planes = rows.reshape(-1, x.shape[2] * x.shape[3])
    planes = planes * (1 + scale).reshape(-1, 1) + shift.reshape(-1, 1)
    return planes.reshape(x.shape)


# --- adaln_zero -----------------------------------------------------------------------------------


def block_with_loops(x, scale, shift, gate, weight, eps=1e-6):
    y = x.copy()
    for n, t in np.ndindex(x.shape[:2]):
        token = x[n, t]
        mean = math.fsum(token) / len(token)
        var = math.fsum((v - mean) ** 2 for v in token) / len(token)
        h = [
            (v - mean) / math.sqrt(var + eps) * (1 + a) + b
            for v, a, b in zip(token, scale[n], shift[n], strict=True)
        ]
        for d in range(len(token)):
            y[n, t, d] += gate[n, d] * math.fsum(h[k] * weight[k, d] for k in range(len(h)))
    return y


def block_by_torch(x, scale, shift, gate, weight, eps=1e-6):
    x, scale, shift, gate, weight = map(torch.from_numpy, (x, scale, shift, gate, weight))
    h = F.layer_norm(x, x.shape[-1:], eps=eps) * (1 + scale.unsqueeze(1)) + shift.unsqueeze(1)
    return torch.addcmul(x, gate.unsqueeze(1), F.linear(h, weight.T)).numpy()


def block_by_einsum(x, scale, shift, gate, weight, eps=1e-6):
    centred = x - np.einsum("ntd->nt", x)[..., None] / x.shape[2]
    rstd = 1 / np.sqrt(np.einsum("ntd,ntd->nt", centred, centred) / x.shape[2] + eps)
    h = np.einsum("ntd,nt,nd->ntd", centred, rstd, 1 + scale) + shift[:, None, :]
    return x + np.einsum("nd,ntk,kd->ntd", gate, h, weight)


# --- demodulate -----------------------------------------------------------------------------------


def weights_with_loops(weight, style, eps=1e-8):
    result = np.zeros((len(style), *weight.shape))
    for n, o in np.ndindex(result.shape[:2]):
        styled = [style[n, i] * weight[o, i] for i in range(weight.shape[1])]
        power = math.fsum(float(v) ** 2 for part in styled for v in part.ravel())
        for i, part in enumerate(styled):
            result[n, o, i] = part / math.sqrt(power + eps)
    return result


def weights_by_einsum(weight, style, eps=1e-8):
    power = np.einsum("ni,oihw->no", style**2, weight**2)
    return np.einsum("ni,oihw,no->noihw", style, weight, 1 / np.sqrt(power + eps))


def weights_by_torch(weight, style, eps=1e-8):
    weight, style = torch.from_numpy(weight), torch.from_numpy(style)
    w = weight.unsqueeze(0) * style.reshape(len(style), 1, -1, 1, 1)
    power = w.flatten(2).square().sum(2)
    return (w * (power + eps).rsqrt()[:, :, None, None, None]).numpy()


RIGHT = {
    "ada-group-norm": [groups_with_loops, groups_by_torch, groups_in_rows],
    "adaln-zero": [block_with_loops, block_by_torch, block_by_einsum],
    "demodulate": [weights_with_loops, weights_by_einsum, weights_by_torch],
}
