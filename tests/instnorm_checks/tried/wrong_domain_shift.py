"""Wrong answers to "Domain shift", written after the checks, in other words than theirs."""

import numpy as np

from instnorm_lab import given

WRONG = {}


def wrong(exercise):
    def put(function):
        WRONG.setdefault(exercise, {})[function.__name__] = function
        return function

    return put


def normed(x, axes, eps):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


@wrong("mixstyle")
def eps_written_out(x, weight, perm, eps=1e-5):
    y = np.empty_like(x)
    for n in range(len(x)):
        a, b, w = x[n], x[perm[n]], weight[n]
        for c in range(len(a)):
            s, t = np.sqrt(a[c].var() + 1e-5), np.sqrt(b[c].var() + 1e-5)
            m = w * a[c].mean() + (1 - w) * b[c].mean()
            y[n, c] = (a[c] - a[c].mean()) / s * (w * s + (1 - w) * t) + m
    return y


@wrong("mixstyle")
def all_of_the_partner(x, weight, perm, eps=1e-5):
    mean, std = x.mean((2, 3), keepdims=True), np.sqrt(x.var((2, 3), keepdims=True) + eps)
    return (x - mean) / std * std[perm] + mean[perm]


@wrong("mixstyle")
def double_exposure(x, weight, perm, eps=1e-5):
    return np.einsum("n,nchw->nchw", weight, x) + np.einsum("n,nchw->nchw", 1 - weight, x[perm])


@wrong("mixstyle")
def weights_along_the_width(x, weight, perm, eps=1e-5):
    mean, std = x.mean((2, 3), keepdims=True), np.sqrt(x.var((2, 3), keepdims=True) + eps)
    new = weight * std + (1 - weight) * std[perm]
    return (x - mean) / std * new + weight * mean + (1 - weight) * mean[perm]


@wrong("adapt-batch-norm")
def eps_of_the_variance_written_out(x, mean, var, gamma, beta, prior, eps=1e-5):
    n = x.shape[0]
    mean = (prior * mean + n * x.mean((0, 2, 3))) / (prior + n)
    var = (prior * var + n * x.var((0, 2, 3))) / (prior + n)
    gain = gamma / np.sqrt(var + 1e-5)
    return x * gain[:, None, None] + (beta - mean * gain)[:, None, None]


@wrong("adapt-batch-norm")
def all_positions_count(x, mean, var, gamma, beta, prior, eps=1e-5):
    n = x.shape[0] * x.shape[2] * x.shape[3]
    mean = (prior * mean + n * x.mean((0, 2, 3))) / (prior + n)
    var = (prior * var + n * x.var((0, 2, 3))) / (prior + n)
    y = (x - mean[:, None, None]) / np.sqrt(var + eps)[:, None, None]
    return gamma[:, None, None] * y + beta[:, None, None]


@wrong("adapt-batch-norm")
def deviations_from_the_mixed_mean(x, mean, var, gamma, beta, prior, eps=1e-5):
    n = len(x)
    mean = (prior * mean + n * x.mean((0, 2, 3))) / (prior + n)
    centred = x - mean[:, None, None]
    var = (prior * var + n * np.mean(centred**2, (0, 2, 3))) / (prior + n)
    return gamma[:, None, None] * centred / np.sqrt(var + eps)[:, None, None] + beta[:, None, None]


@wrong("adapt-batch-norm")
def batch_norm_in_training(x, mean, var, gamma, beta, prior, eps=1e-5):
    return gamma[:, None, None] * normed(x, (0, 2, 3), eps) + beta[:, None, None]


@wrong("ibn")
def batch_norm_in_front(x, gamma, beta, eps=1e-5):
    front, back = np.split(x, [x.shape[1] // 2], axis=1)
    y = np.concatenate([normed(front, (0, 2, 3), eps), normed(back, (2, 3), eps)], axis=1)
    return y * gamma[:, None, None] + beta[:, None, None]


@wrong("ibn")
def eps_of_one_half_written_out(x, gamma, beta, eps=1e-5):
    front, back = np.split(x, [x.shape[1] // 2], axis=1)
    y = np.concatenate([normed(front, (2, 3), eps), normed(back, (0, 2, 3), 1e-5)], axis=1)
    return y * gamma[:, None, None] + beta[:, None, None]


@wrong("ibn")
def first_two_channels(x, gamma, beta, eps=1e-5):
    y = normed(x, (0, 2, 3), eps)
    y[:, :2] = normed(x[:, :2], (2, 3), eps)
    return y * gamma[:, None, None] + beta[:, None, None]


@wrong("ibn")
def layer_norm_behind(x, gamma, beta, eps=1e-5):
    front, back = np.split(x, [x.shape[1] // 2], axis=1)
    y = np.concatenate([normed(front, (2, 3), eps), normed(back, (1, 2, 3), eps)], axis=1)
    return y * gamma[:, None, None] + beta[:, None, None]


def table(x, others, weight, mode, eps):
    return np.array(
        [
            [
                np.vdot(weight, given.normalize(np.concatenate([[image], c]), mode, eps)[0])
                for c in others
            ]
            for image in x
        ]
    )


@wrong("batch-leakage")
def eps_not_handed_on(x, others, weight, mode, eps=1e-5):
    return np.ptp(table(x, others, weight, mode, 1e-5), axis=1)


@wrong("batch-leakage")
def variance_of_the_scores(x, others, weight, mode, eps=1e-5):
    return table(x, others, weight, mode, eps).var(axis=1)


@wrong("batch-leakage")
def against_the_first(x, others, weight, mode, eps=1e-5):
    scores = table(x, others, weight, mode, eps)
    return np.max(np.abs(scores.T - scores[:, 0]), axis=0)


@wrong("batch-leakage")
def between_images(x, others, weight, mode, eps=1e-5):
    return np.full(len(x), np.ptp(table(x, others, weight, mode, eps), axis=0).max())
