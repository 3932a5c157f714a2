"""Wrong answers to "Signals", written without sight of the checks."""

import numpy as np

WRONG = {}


def wrong(exercise):
    def put(function):
        WRONG.setdefault(exercise, {})[function.__name__] = function
        return function

    return put


@wrong("snv")
def instance_norm_with_its_eps(x):
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)


@wrong("snv")
def zscore_of_the_columns(x):
    return (x - x.mean(0)) / x.std(0, ddof=1)


@wrong("snv")
def no_keepdims(x):
    return (x - x.mean(axis=1)) / x.std(axis=1, ddof=1)


@wrong("snv")
def flat_becomes_one(x):
    d = x - x.mean(1, keepdims=True)
    s = x.std(1, ddof=1, keepdims=True)
    return np.where(s == 0, 1.0, d / np.where(s == 0, 1, s))


@wrong("snv")
def divides_by_the_mean(x):
    return x / x.mean(1, keepdims=True)


@wrong("cmvn")
def length_of_the_first_utterance(x, lengths, eps=1e-5):
    y = np.zeros_like(x)
    part = x[:, :, : lengths[0]]
    y[:, :, : lengths[0]] = (part - part.mean(2, keepdims=True)) / np.sqrt(
        part.var(2, keepdims=True) + eps
    )
    return y


@wrong("cmvn")
def masks_with_nan(x, lengths, eps=1e-5):
    spoken = np.arange(x.shape[2]) < lengths[:, None, None]
    z = np.where(spoken, x, np.nan)
    return (z - np.nanmean(z, 2, keepdims=True)) / np.sqrt(np.nanvar(z, 2, keepdims=True) + eps)


@wrong("cmvn")
def swaps_time_and_coefficients(x, lengths, eps=1e-5):
    y = np.zeros_like(x)
    for n, t in enumerate(lengths):
        part = x[n, :t]
        y[n, :t] = (part - part.mean(1, keepdims=True)) / np.sqrt(part.var(1, keepdims=True) + eps)
    return y


@wrong("cmvn")
def index_error_at_the_end(x, lengths, eps=1e-5):
    y = np.zeros_like(x)
    for n in range(len(x)):
        for t in range(lengths[n] + 1):
            part = x[n, :, : lengths[n]]
            y[n, :, t] = (x[n, :, t] - part.mean(1)) / np.sqrt(part.var(1) + eps)
    return y


@wrong("cmvn")
def centres_the_padding_too(x, lengths, eps=1e-5):
    y = np.empty_like(x)
    for n, t in enumerate(lengths):
        part = x[n, :, :t]
        y[n] = (x[n] - part.mean(1, keepdims=True)) / np.sqrt(part.var(1, keepdims=True) + eps)
    return y


@wrong("revin")
def returns_statistics_after_the_affine(x, gamma, beta, eps=1e-5):
    mean, var = x.mean(2), x.var(2)
    y = (x - mean[..., None]) / np.sqrt(var + eps)[..., None]
    return gamma[:, None] * y + beta[:, None], mean + beta, var * gamma**2


@wrong("revin")
def only_y(x, gamma, beta, eps=1e-5):
    mean, var = x.mean(2), x.var(2)
    y = (x - mean[..., None]) / np.sqrt(var + eps)[..., None]
    return gamma[:, None] * y + beta[:, None]


@wrong("revin")
def var_plus_eps_returned(x, gamma, beta, eps=1e-5):
    mean, var = x.mean(2), x.var(2) + eps
    y = (x - mean[..., None]) / np.sqrt(var)[..., None]
    return gamma[:, None] * y + beta[:, None], mean, var


@wrong("revin")
def mean_of_the_last_window(x, gamma, beta, eps=1e-5):
    mean, var = x[..., -3:].mean(2), x[..., -3:].var(2)
    y = (x - mean[..., None]) / np.sqrt(var + eps)[..., None]
    return gamma[:, None] * y + beta[:, None], mean, var


@wrong("revin")
def statistics_as_lists(x, gamma, beta, eps=1e-5):
    mean, var = x.mean(2), x.var(2)
    y = (x - mean[..., None]) / np.sqrt(var + eps)[..., None]
    return gamma[:, None] * y + beta[:, None], mean.tolist(), var.tolist()


@wrong("revin-inverse")
def the_answer_to_revin(y, mean, var, gamma, beta, eps=1e-5):
    return gamma[:, None] * (y - mean[..., None]) / np.sqrt(var + eps)[..., None] + beta[:, None]


@wrong("revin-inverse")
def adds_beta(y, mean, var, gamma, beta, eps=1e-5):
    return (y + beta[:, None]) / gamma[:, None] * np.sqrt(var + eps)[..., None] + mean[..., None]


@wrong("revin-inverse")
def var_minus_eps(y, mean, var, gamma, beta, eps=1e-5):
    root = np.sqrt(np.maximum(var - eps, 0))[..., None]
    return (y - beta[:, None]) / gamma[:, None] * root + mean[..., None]


@wrong("revin-inverse")
def mean_without_a_new_axis(y, mean, var, gamma, beta, eps=1e-5):
    return (y - beta[:, None]) / gamma[:, None] * np.sqrt(var + eps)[..., None] + mean


@wrong("revin-inverse")
def eps_outside_and_in_place(y, mean, var, gamma, beta, eps=1e-5):
    y -= beta[:, None]
    y /= gamma[:, None]
    return y * (np.sqrt(var) + eps)[..., None] + mean[..., None]
