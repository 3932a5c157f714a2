"""Wrong answers to "The algorithm", written without sight of the checks."""

import numpy as np

from tried.right_the_algorithm import _st

W = {}


def wrong(eid, label=None):
    def deco(f):
        W.setdefault(eid, {})[label or f.__name__] = f
        return f

    return deco


# ------------------------------------------------------------------ loops
@wrong("instance-norm-loops")
def one_mean_per_image(x, eps=1e-5):
    y = np.zeros_like(x)
    for n in range(len(x)):
        y[n] = (x[n] - x[n].mean()) / np.sqrt(x[n].var() + eps)
    return y


@wrong("instance-norm-loops")
def mean_per_channel_over_batch(x, eps=1e-5):
    y = np.zeros_like(x)
    for c in range(x.shape[1]):
        y[:, c] = (x[:, c] - x[:, c].mean()) / np.sqrt(x[:, c].var() + eps)
    return y


@wrong("instance-norm-loops")
def divides_by_m_minus_1(x, eps=1e-5):
    N, C, H, Wd = x.shape
    y = np.zeros_like(x)
    for n in range(N):
        for c in range(C):
            mu = x[n, c].sum() / (H * Wd)
            v = 0
            for h in range(H):
                for w in range(Wd):
                    v += (x[n, c, h, w] - mu) ** 2
            y[n, c] = (x[n, c] - mu) / np.sqrt(v / (H * Wd - 1) + eps)
    return y


@wrong("instance-norm-loops")
def eps_added_to_std(x, eps=1e-5):
    y = np.zeros_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            y[n, c] = (x[n, c] - x[n, c].mean()) / (x[n, c].std() + eps)
    return y


@wrong("instance-norm-loops")
def forgot_root(x, eps=1e-5):
    y = np.zeros_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            y[n, c] = (x[n, c] - x[n, c].mean()) / (x[n, c].var() + eps)
    return y


@wrong("instance-norm-loops")
def writes_into_x(x, eps=1e-5):
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            x[n, c] = (x[n, c] - x[n, c].mean()) / np.sqrt(x[n, c].var() + eps)
    return x


@wrong("instance-norm-loops")
def sums_not_reset_between_planes(x, eps=1e-5):
    N, C, H, Wd = x.shape
    y = np.zeros_like(x)
    s = 0
    v = 0
    for n in range(N):
        for c in range(C):
            for h in range(H):
                for w in range(Wd):
                    s += x[n, c, h, w]
            mu = s / (H * Wd)
            for h in range(H):
                for w in range(Wd):
                    v += (x[n, c, h, w] - mu) ** 2
            var = v / (H * Wd)
            y[n, c] = (x[n, c] - mu) / np.sqrt(var + eps)
    return y


@wrong("instance-norm-loops")
def return_inside_loop(x, eps=1e-5):
    y = np.zeros_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            y[n, c] = (x[n, c] - x[n, c].mean()) / np.sqrt(x[n, c].var() + eps)
        return y
    return None


@wrong("instance-norm-loops")
def off_by_one_range(x, eps=1e-5):
    N, C, _H, _Wd = x.shape
    y = np.zeros_like(x)
    for n in range(N):
        for c in range(C - 1):
            y[n, c] = (x[n, c] - x[n, c].mean()) / np.sqrt(x[n, c].var() + eps)
    return y


@wrong("instance-norm-loops")
def mean_square_minus_square_mean(x, eps=1e-5):
    y = np.zeros_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            p = x[n, c]
            y[n, c] = (p - p.mean()) / np.sqrt((p * p).mean() - p.mean() ** 2 + eps)
    return y


@wrong("instance-norm-loops")
def float32_accumulators(x, eps=1e-5):
    y = np.zeros(x.shape, dtype=np.float32)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            p = x[n, c]
            y[n, c] = (p - p.mean()) / np.sqrt(p.var() + eps)
    return y


@wrong("instance-norm-loops")
def swaps_n_and_c(x, eps=1e-5):
    C, N, H, Wd = x.shape
    y = np.zeros((N, C, H, Wd))
    for n in range(N):
        for c in range(C):
            p = x[n, c]
            y[n, c] = (p - p.mean()) / np.sqrt(p.var() + eps)
    return y


@wrong("instance-norm-loops")
def per_row_of_plane(x, eps=1e-5):
    y = np.zeros_like(x)
    N, C, H, _Wd = x.shape
    for n in range(N):
        for c in range(C):
            for h in range(H):
                r = x[n, c, h]
                y[n, c, h] = (r - r.mean()) / np.sqrt(r.var() + eps)
    return y


@wrong("instance-norm-loops")
def prints_no_return(x, eps=1e-5):
    y = np.zeros_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            y[n, c] = (x[n, c] - x[n, c].mean()) / np.sqrt(x[n, c].var() + eps)
    print(y)


@wrong("instance-norm-loops")
def mean_updates_while_writing(x, eps=1e-5):
    "computes mean inside the pixel loop from the already centred copy"
    y = x.copy()
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for h in range(x.shape[2]):
                for w in range(x.shape[3]):
                    y[n, c, h, w] = (y[n, c, h, w] - y[n, c].mean()) / np.sqrt(y[n, c].var() + eps)
    return y


@wrong("instance-norm-loops")
def abs_deviation_instead_of_std(x, eps=1e-5):
    y = np.zeros_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            d = x[n, c] - x[n, c].mean()
            y[n, c] = d / (np.abs(d).mean() + eps)
    return y


# ------------------------------------------------------------------ IN
@wrong("instance-norm")
def whole_array(x, gamma, beta, eps=1e-5):
    return gamma[:, None, None] * (x - x.mean()) / np.sqrt(x.var() + eps) + beta[:, None, None]


@wrong("instance-norm")
def gamma_on_width(x, gamma, beta, eps=1e-5):
    xh = (x - x.mean((2, 3), keepdims=True)) / np.sqrt(x.var((2, 3), keepdims=True) + eps)
    return gamma * xh + beta


@wrong("instance-norm")
def no_keepdims(x, gamma, beta, eps=1e-5):
    return (
        gamma[:, None, None] * (x - x.mean((2, 3))) / np.sqrt(x.var((2, 3)) + eps)
        + beta[:, None, None]
    )


@wrong("instance-norm")
def batch_norm_axes(x, gamma, beta, eps=1e-5):
    a = (0, 2, 3)
    return (
        gamma[:, None, None]
        * (x - x.mean(a, keepdims=True))
        / np.sqrt(x.var(a, keepdims=True) + eps)
        + beta[:, None, None]
    )


@wrong("instance-norm")
def ddof1(x, gamma, beta, eps=1e-5):
    a = (2, 3)
    return (
        gamma[:, None, None]
        * (x - x.mean(a, keepdims=True))
        / np.sqrt(x.var(a, ddof=1, keepdims=True) + eps)
        + beta[:, None, None]
    )


@wrong("instance-norm")
def forgets_beta(x, gamma, beta, eps=1e-5):
    a = (2, 3)
    return (
        gamma[:, None, None]
        * (x - x.mean(a, keepdims=True))
        / np.sqrt(x.var(a, keepdims=True) + eps)
    )


@wrong("instance-norm")
def beta_before_gamma(x, gamma, beta, eps=1e-5):
    a = (2, 3)
    return gamma[:, None, None] * (
        (x - x.mean(a, keepdims=True)) / np.sqrt(x.var(a, keepdims=True) + eps)
        + beta[:, None, None]
    )


@wrong("instance-norm")
def gamma_under_division(x, gamma, beta, eps=1e-5):
    a = (2, 3)
    return (x - x.mean(a, keepdims=True)) / (
        gamma[:, None, None] * np.sqrt(x.var(a, keepdims=True) + eps)
    ) + beta[:, None, None]


@wrong("instance-norm")
def eps_hardcoded(x, gamma, beta, eps=1e-5):
    a = (2, 3)
    return (
        gamma[:, None, None]
        * (x - x.mean(a, keepdims=True))
        / np.sqrt(x.var(a, keepdims=True) + 1e-5)
        + beta[:, None, None]
    )


@wrong("instance-norm")
def gamma_beta_swapped(x, gamma, beta, eps=1e-5):
    a = (2, 3)
    return (
        beta[:, None, None]
        * (x - x.mean(a, keepdims=True))
        / np.sqrt(x.var(a, keepdims=True) + eps)
        + gamma[:, None, None]
    )


@wrong("instance-norm")
def inplace_minus(x, gamma, beta, eps=1e-5):
    x -= x.mean((2, 3), keepdims=True)
    x /= np.sqrt(x.var((2, 3), keepdims=True) + eps)
    x *= gamma[:, None, None]
    x += beta[:, None, None]
    return x


@wrong("instance-norm")
def works_for_n1_only(x, gamma, beta, eps=1e-5):
    p = x[0]
    y = (p - p.mean((1, 2), keepdims=True)) / np.sqrt(p.var((1, 2), keepdims=True) + eps)
    return (y * gamma[:, None, None] + beta[:, None, None])[None]


@wrong("instance-norm")
def gamma_shape_n_axis(x, gamma, beta, eps=1e-5):
    xh = (x - x.mean((2, 3), keepdims=True)) / np.sqrt(x.var((2, 3), keepdims=True) + eps)
    return gamma[:, None, None, None] * xh + beta[:, None, None, None]


@wrong("instance-norm")
def axes_1_2_nhwc(x, gamma, beta, eps=1e-5):
    xh = (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + eps)
    return gamma[:, None, None] * xh + beta[:, None, None]


# ------------------------------------------------------------------ contrast
@wrong("contrast-scores")
def noise_dropped_from_normed(s, c, n, eps=1e-5):
    x = c[:, None] * s + n
    return (x * s).mean(1), (_st(c[:, None] * s, eps) * _st(s, eps)).mean(1)


@wrong("contrast-scores")
def no_eps_on_s(s, c, n, eps=1e-5):
    x = c[:, None] * s + n
    return (x * s).mean(1), (_st(x, eps) * s).mean(1)


@wrong("contrast-scores")
def missing_one_over_m(s, c, n, eps=1e-5):
    x = c[:, None] * s + n
    return x @ s, _st(x, eps) @ _st(s, eps)


@wrong("contrast-scores")
def standardised_over_the_whole_batch(s, c, n, eps=1e-5):
    x = c[:, None] * s + n
    xh = (x - x.mean()) / np.sqrt(x.var() + eps)
    return (x * s).mean(1), (xh * _st(s, eps)).mean(1)


@wrong("contrast-scores")
def tuple_in_wrong_order(s, c, n, eps=1e-5):
    x = c[:, None] * s + n
    return (_st(x, eps) * _st(s, eps)).mean(1), (x * s).mean(1)


@wrong("contrast-scores")
def modifies_n(s, c, n, eps=1e-5):
    n += c[:, None] * s
    return (n * s).mean(1), (_st(n, eps) * _st(s, eps)).mean(1)


@wrong("contrast-scores")
def one_minus_abs_returns_corrcoef_abs(s, c, n, eps=1e-5):
    x = c[:, None] * s + n
    return (x * s).mean(1), np.abs((_st(x, eps) * _st(s, eps)).mean(1))


@wrong("contrast-scores")
def corrcoef(s, c, n, eps=1e-5):
    x = c[:, None] * s + n
    return (x * s).mean(1), np.array([np.corrcoef(r, s)[0, 1] for r in x])


@wrong("contrast-scores")
def normalises_noise_separately(s, c, n, eps=1e-5):
    x = c[:, None] * s + n
    xh = c[:, None] * _st(s, eps) + _st(n, eps)
    return (x * s).mean(1), (xh * _st(s, eps)).mean(1)


@wrong("contrast-scores")
def c_times_everything(s, c, n, eps=1e-5):
    x = c[:, None] * (s + n)
    return (x * s).mean(1), (_st(x, eps) * _st(s, eps)).mean(1)


@wrong("contrast-scores")
def along_axis_0(s, c, n, eps=1e-5):
    x = c[:, None] * s + n
    xh = (x - x.mean(0)) / np.sqrt(x.var(0) + eps)
    return (x * s).mean(1), (xh * _st(s, eps)).mean(1)


@wrong("contrast-scores")
def only_raw_then_forgets(s, c, n, eps=1e-5):
    x = c[:, None] * s + n
    return (x * s).mean(1)


@wrong("contrast-scores")
def single_number_means(s, c, n, eps=1e-5):
    x = c[:, None] * s + n
    return (x * s).mean(), (_st(x, eps) * _st(s, eps)).mean()


WRONG = W


@wrong("instance-norm-loops")
def in_single_precision(x, eps=1e-5):
    x = x.astype(np.float32)
    a = (2, 3)
    y = (x - x.mean(a, keepdims=True)) / np.sqrt(x.var(a, keepdims=True) + np.float32(eps))
    return y.astype(np.float64)


@wrong("instance-norm-loops")
def loops_past_the_end(x, eps=1e-5):
    y = np.zeros_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1] + 1):
            y[n, c] = (x[n, c] - x[n, c].mean()) / np.sqrt(x[n, c].var() + eps)
    return y


@wrong("instance-norm")
def eps_in_the_numerator(x, gamma, beta, eps=1e-5):
    a = (2, 3)
    y = (x - x.mean(a, keepdims=True) + eps) / x.std(a, keepdims=True)
    return gamma[:, None, None] * y + beta[:, None, None]


@wrong("instance-norm")
def adds_gamma(x, gamma, beta, eps=1e-5):
    a = (2, 3)
    y = (x - x.mean(a, keepdims=True)) / np.sqrt(x.var(a, keepdims=True) + eps)
    return y + gamma[:, None, None] + beta[:, None, None]


@wrong("contrast-scores")
def eps_in_the_score(s, c, n, eps=1e-5):
    x = c[:, None] * s + n
    raw = x @ s / s.size
    return raw, raw / np.sqrt(x.var(axis=1) * s.var() + eps)
