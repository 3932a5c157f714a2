"""Right answers to "The family", written without sight of the checks."""

import numpy as np
import torch

AXES = {"BN": (0, 2, 3), "LN": (1, 2, 3), "IN": (2, 3)}


def nz_dict(x, mode, eps=1e-5):
    a = AXES[mode]
    return (x - x.mean(a, keepdims=True)) / np.sqrt(x.var(a, keepdims=True) + eps)


def nz_ifs(x, mode, eps=1e-5):
    y = np.empty_like(x)

    def z(v):
        return (v - v.mean()) / np.sqrt(v.var() + eps)

    if mode == "BN":
        for c in range(x.shape[1]):
            y[:, c] = z(x[:, c])
    elif mode == "LN":
        for n in range(x.shape[0]):
            y[n] = z(x[n])
    elif mode == "IN":
        for n in range(x.shape[0]):
            for c in range(x.shape[1]):
                y[n, c] = z(x[n, c])
    return y


def nz_torch(x, mode, eps=1e-5):
    t = torch.tensor(x)
    F = torch.nn.functional
    if mode == "BN":
        y = F.batch_norm(t, None, None, training=True, eps=eps)
    if mode == "LN":
        y = F.layer_norm(t, t.shape[1:], eps=eps)
    if mode == "IN":
        y = F.instance_norm(t, eps=eps) if t.shape[2] * t.shape[3] > 1 else torch.zeros_like(t)
    return y.numpy()


def id_allclose(x, y, eps=1e-5):
    return np.array([float(np.allclose(nz_dict(x, m, eps), y)) for m in ("BN", "LN", "IN")])


def id_maxdiff(x, y, eps=1e-5):
    r = np.zeros(3)
    for k, m in enumerate(["BN", "LN", "IN"]):
        if np.abs(nz_ifs(x, m, eps) - y).max() < 1e-6:
            r[k] = 1
    return r


def id_tight(x, y, eps=1e-5):
    return np.array(
        [np.allclose(nz_dict(x, m, eps), y, rtol=1e-9, atol=1e-9) for m in ("BN", "LN", "IN")]
    ).astype(float)


def id_loose(x, y, eps=1e-5):
    return np.array(
        [np.abs(nz_dict(x, m, eps) - y).max() < 1e-4 for m in ("BN", "LN", "IN")]
    ).astype(float)


def gn_reshape(x, num_groups, gamma, beta, eps=1e-5):
    N, C, H, W = x.shape
    if C % num_groups:
        raise ValueError(f"{num_groups} groups do not divide {C} channels")
    z = x.reshape(N, num_groups, C // num_groups, H, W)
    z = (z - z.mean((2, 3, 4), keepdims=True)) / np.sqrt(z.var((2, 3, 4), keepdims=True) + eps)
    return z.reshape(N, C, H, W) * gamma[:, None, None] + beta[:, None, None]


def gn_loop(x, num_groups, gamma, beta, eps=1e-5):
    N, C = x.shape[:2]
    if C % num_groups != 0:
        raise ValueError("no")
    k = C // num_groups
    y = np.zeros_like(x)
    for n in range(N):
        for g in range(num_groups):
            b = x[n, g * k : (g + 1) * k]
            y[n, g * k : (g + 1) * k] = (b - b.mean()) / np.sqrt(b.var() + eps)
    return y * gamma.reshape(1, C, 1, 1) + beta.reshape(1, C, 1, 1)


def gn_split(x, num_groups, gamma, beta, eps=1e-5):
    parts = np.split(x, num_groups, axis=1)  # raises ValueError by itself
    y = np.concatenate([nz_dict(p, "LN", eps) for p in parts], axis=1)
    return gamma[None, :, None, None] * y + beta[None, :, None, None]


def gn_torch(x, num_groups, gamma, beta, eps=1e-5):
    if x.shape[1] % num_groups:
        raise ValueError("")
    t = [torch.tensor(a) for a in (x, gamma, beta)]
    return torch.nn.functional.group_norm(t[0], num_groups, t[1], t[2], eps).numpy()


def gn_torch_noif(x, num_groups, gamma, beta, eps=1e-5):
    "torch raises RuntimeError itself; so convert"
    try:
        t = [torch.tensor(a) for a in (x, gamma, beta)]
        return torch.nn.functional.group_norm(t[0], num_groups, t[1], t[2], eps).numpy()
    except RuntimeError as e:
        raise ValueError(str(e)) from e


def gn_subclass(x, num_groups, gamma, beta, eps=1e-5):
    "a ValueError subclass is a ValueError"

    class NoEqualGroups(ValueError):
        pass

    if x.shape[1] % num_groups:
        raise NoEqualGroups("no equal groups")
    return gn_reshape(x, num_groups, gamma, beta, eps)


def gn_numpy_raises(x, num_groups, gamma, beta, eps=1e-5):
    "reshape itself raises ValueError on indivisible: no explicit if"
    N, C, H, W = x.shape
    z = x.reshape(N, num_groups, C // num_groups, H, W)
    z = (z - z.mean((2, 3, 4), keepdims=True)) / np.sqrt(z.var((2, 3, 4), keepdims=True) + eps)
    return z.reshape(N, C, H, W) * gamma[:, None, None] + beta[:, None, None]


def bn_vec(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    if training:
        mu, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
        m = x.size / x.shape[1]
        new_mean = (1 - momentum) * running_mean + momentum * mu
        new_var = (1 - momentum) * running_var + momentum * var * m / (m - 1)
    else:
        mu, var = running_mean, running_var
        new_mean, new_var = running_mean.copy(), running_var.copy()
    y = (x - mu[:, None, None]) / np.sqrt(var[:, None, None] + eps)
    return y, new_mean, new_var


def bn_loop(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    y = np.empty_like(x)
    rm = running_mean.copy()
    rv = running_var.copy()
    for c in range(x.shape[1]):
        v = x[:, c]
        if training:
            y[:, c] = (v - v.mean()) / np.sqrt(v.var() + eps)
            rm[c] = rm[c] + momentum * (v.mean() - rm[c])
            rv[c] = rv[c] + momentum * (v.var(ddof=1) - rv[c])
        else:
            y[:, c] = (v - rm[c]) / np.sqrt(rv[c] + eps)
    return y, rm, rv


def bn_torch(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    m, v = torch.tensor(running_mean), torch.tensor(running_var)
    y = torch.nn.functional.batch_norm(
        torch.tensor(x), m, v, training=bool(training), momentum=momentum, eps=eps
    )
    return y.numpy(), m.numpy(), v.numpy()


def bn_nocopy_eval(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    if not training:
        return (
            (x - running_mean.reshape(1, -1, 1, 1))
            / np.sqrt(running_var.reshape(1, -1, 1, 1) + eps),
            running_mean,
            running_var,
        )
    return bn_vec(x, running_mean, running_var, training, momentum, eps)


RIGHT = {
    "normalize-over": {f.__name__: f for f in (nz_dict, nz_ifs, nz_torch)},
    "identify-norm": {f.__name__: f for f in (id_allclose, id_maxdiff, id_tight, id_loose)},
    "group-norm": {
        f.__name__: f
        for f in (
            gn_reshape,
            gn_loop,
            gn_split,
            gn_torch,
            gn_torch_noif,
            gn_subclass,
            gn_numpy_raises,
        )
    },
    "batch-norm": {f.__name__: f for f in (bn_vec, bn_loop, bn_torch, bn_nocopy_eval)},
}
