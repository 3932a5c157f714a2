"""Right answers to "Signals", written independently of the kernels and of each other."""

import math
import statistics

import numpy as np
import torch
import torch.nn.functional as F

# --- snv ------------------------------------------------------------------------------------------


def snv_with_loops(x):
    z = np.zeros(x.shape)
    for b, spectrum in enumerate(x.tolist()):
        mean, spread = statistics.fmean(spectrum), statistics.stdev(spectrum)
        for k, value in enumerate(spectrum):
            if spread > 0:
                z[b, k] = (value - mean) / spread
    return z


def snv_by_lengths(x):
    """A vector of length sqrt(M - 1), perpendicular to the constant one."""
    centred = x - np.einsum("bm->b", x)[:, None] / x.shape[1]
    length = np.linalg.norm(centred, axis=1)
    unit = np.divide(centred, length[:, None], out=np.zeros_like(x), where=length[:, None] > 0)
    return math.sqrt(x.shape[1] - 1) * unit


def snv_by_torch(x):
    std, mean = torch.std_mean(torch.from_numpy(x), dim=1, keepdim=True)
    return torch.nan_to_num((torch.from_numpy(x) - mean) / std).numpy()


def snv_by_rows(x):
    rows = [row * 0 if np.ptp(row) == 0 else (row - row.mean()) / np.sqrt(np.cov(row)) for row in x]
    return np.array(rows)


# --- cmvn -----------------------------------------------------------------------------------------


def cmvn_with_loops(x, lengths, eps=1e-5):
    y = np.zeros(x.shape)
    for n, c in np.ndindex(x.shape[:2]):
        spoken = x[n, c].tolist()[: lengths[n]]
        mean = math.fsum(spoken) / len(spoken)
        var = math.fsum((value - mean) ** 2 for value in spoken) / len(spoken)
        for t, value in enumerate(spoken):
            y[n, c, t] = (value - mean) / math.sqrt(var + eps)
    return y


def cmvn_by_torch(x, lengths, eps=1e-5):
    spoken = [torch.from_numpy(u[:, :length]) for u, length in zip(x, lengths, strict=True)]
    normed = [F.instance_norm(u[None], eps=eps)[0].T for u in spoken]
    short = torch.nn.utils.rnn.pad_sequence(normed, batch_first=True).transpose(1, 2)
    return F.pad(short, (0, x.shape[2] - short.shape[2])).numpy()


def cmvn_by_where(x, lengths, eps=1e-5):
    spoken = (np.arange(x.shape[2]) < lengths[:, None])[:, None]
    mean = x.mean(2, keepdims=True, where=spoken)
    var = x.var(2, keepdims=True, where=spoken)
    return np.where(spoken, (x - mean) / np.sqrt(var + eps), 0.0)


def cmvn_by_masked_arrays(x, lengths, eps=1e-5):
    padding = np.arange(x.shape[2]) >= np.reshape(lengths, (-1, 1, 1))
    ours = np.ma.masked_array(x, np.broadcast_to(padding, x.shape))
    centred = ours - ours.mean(2)[..., None]
    y = centred / np.ma.sqrt((centred**2).mean(2) + eps)[..., None]
    return y.filled(0.0)


def cmvn_by_einsum(x, lengths, eps=1e-5):
    weight = (np.arange(x.shape[2])[None] < lengths[:, None]) / lengths[:, None]
    clean = x.copy()
    clean[np.broadcast_to(weight[:, None] == 0, x.shape)] = 0
    clean -= np.einsum("nct,nt->nc", clean, weight)[..., None]
    rstd = (np.einsum("nct,nct,nt->nc", clean, clean, weight) + eps) ** -0.5
    return np.einsum("nct,nc,nt->nct", clean, rstd, np.sign(weight))


# --- revin ----------------------------------------------------------------------------------------


def revin_with_loops(x, gamma, beta, eps=1e-5):
    y, mean, var = np.empty(x.shape), np.empty(x.shape[:2]), np.empty(x.shape[:2])
    for n, c in np.ndindex(x.shape[:2]):
        mean[n, c] = math.fsum(x[n, c]) / x.shape[2]
        var[n, c] = statistics.pvariance(x[n, c].tolist())
        for t in range(x.shape[2]):
            xhat = (x[n, c, t] - mean[n, c]) / math.sqrt(var[n, c] + eps)
            y[n, c, t] = gamma[c] * xhat + beta[c]
    return y, mean, var


def revin_by_torch(x, gamma, beta, eps=1e-5):
    x, gamma, beta = map(torch.from_numpy, (x, gamma, beta))
    var, mean = torch.var_mean(x, dim=-1, correction=0)
    return F.instance_norm(x, weight=gamma, bias=beta, eps=eps).numpy(), mean.numpy(), var.numpy()


def revin_by_einsum(x, gamma, beta, eps=1e-5):
    mean = np.einsum("ncl->nc", x) / x.shape[2]
    centred = x - mean[..., None]
    var = np.einsum("ncl,ncl->nc", centred, centred) / x.shape[2]
    gain = gamma / np.sqrt(var + eps)
    return [np.einsum("ncl,nc->ncl", centred, gain) + beta.reshape(1, -1, 1), mean, var]


def revin_by_transposing(x, gamma, beta, eps=1e-5):
    """The layout of the paper's code: time in the middle, variables last."""
    x = np.swapaxes(x, 1, 2)
    mean, var = x.mean(1), x.std(1) ** 2
    y = (x - mean[:, None]) / np.sqrt(var + eps)[:, None] * gamma + beta
    return np.swapaxes(y, 1, 2), mean, var


# --- revin-inverse --------------------------------------------------------------------------------


def back_with_loops(y, mean, var, gamma, beta, eps=1e-5):
    x = np.empty(y.shape)
    for n, c, t in np.ndindex(y.shape):
        xhat = (y[n, c, t] - beta[c]) / gamma[c]
        x[n, c, t] = math.sqrt(var[n, c] + eps) * xhat + mean[n, c]
    return x


def back_by_torch(y, mean, var, gamma, beta, eps=1e-5):
    y, mean, var, gamma, beta = map(torch.from_numpy, (y, mean, var, gamma, beta))
    xhat = y.sub(beta[:, None]).div(gamma[:, None])
    return torch.addcmul(mean[..., None], xhat, var.add(eps).sqrt()[..., None]).numpy()


def back_by_one_gain(y, mean, var, gamma, beta, eps=1e-5):
    """gain · y + offset, both of shape (N, C)."""
    gain = np.sqrt(var + eps) / gamma
    offset = mean - gain * beta
    return np.einsum("nch,nc->nch", y, gain) + offset[:, :, np.newaxis]


def back_by_transposing(y, mean, var, gamma, beta, eps=1e-5):
    last = np.moveaxis(y, 2, 0)
    return np.moveaxis((last - beta) / gamma * (var + eps) ** 0.5 + mean, 0, 2)


RIGHT = {
    "snv": [snv_with_loops, snv_by_lengths, snv_by_torch, snv_by_rows],
    "cmvn": [
        cmvn_with_loops,
        cmvn_by_torch,
        cmvn_by_where,
        cmvn_by_masked_arrays,
        cmvn_by_einsum,
    ],
    "revin": [revin_with_loops, revin_by_torch, revin_by_einsum, revin_by_transposing],
    "revin-inverse": [back_with_loops, back_by_torch, back_by_one_gain, back_by_transposing],
}
