"""Wrong answers to "Style transfer", written without sight of the checks."""

import numpy as np

WRONG = {}
A = (2, 3)


def wrong(exercise):
    def put(function):
        WRONG.setdefault(exercise, {})[function.__name__] = function
        return function

    return put


def standardised(x, eps=1e-5):
    return (x - x.mean(A, keepdims=True)) / np.sqrt(x.var(A, keepdims=True) + eps)


@wrong("gram-matrix")
def transposed_within_the_batch(x):
    f = x.reshape(len(x), x.shape[1], -1)
    return f @ f.T / f.shape[2]


@wrong("gram-matrix")
def forgets_to_divide(x):
    f = x.reshape(len(x), x.shape[1], -1)
    return np.einsum("nci,ndi->ncd", f, f)


@wrong("gram-matrix")
def divides_by_the_height(x):
    f = x.reshape(len(x), x.shape[1], -1)
    return f @ f.swapaxes(1, 2) / x.shape[2]


@wrong("gram-matrix")
def elementwise_product(x):
    f = x.reshape(len(x), x.shape[1], -1)
    return (f * f).mean(-1)


@wrong("gram-matrix")
def lower_triangle_only(x):
    N, C = x.shape[:2]
    y = np.zeros((N, C, C))
    for n in range(N):
        for i in range(C):
            for j in range(i):
                y[n, i, j] = (x[n, i] * x[n, j]).mean()
    return y


@wrong("conditional-in")
def eps_as_default_of_a_helper(x, gamma, beta, weights, eps=1e-5):
    g, b = weights @ gamma, weights @ beta
    return g[:, :, None, None] * standardised(x) + b[:, :, None, None]


@wrong("conditional-in")
def weights_for_gamma_alone(x, gamma, beta, weights, eps=1e-5):
    g, b = weights @ gamma, beta.mean(0)
    return g[:, :, None, None] * standardised(x, eps) + b[:, None, None]


@wrong("conditional-in")
def blends_after_a_square(x, gamma, beta, weights, eps=1e-5):
    g, b = weights**2 @ gamma, weights**2 @ beta
    return g[:, :, None, None] * standardised(x, eps) + b[:, :, None, None]


@wrong("conditional-in")
def index_error(x, gamma, beta, weights, eps=1e-5):
    y = standardised(x, eps)
    for n in range(len(x)):
        for c in range(x.shape[1]):
            y[n, c] = gamma[n, c] * y[n, c] + beta[n, c]
    return y


@wrong("adain")
def style_deviation_without_eps_and_style_plus_content_mean(content, style, eps=1e-5):
    return style.std(A, keepdims=True) * standardised(content, eps) + content.mean(A, keepdims=True)


@wrong("adain")
def unit_variance_first_then_mean_inside(content, style, eps=1e-5):
    s = np.sqrt(style.var(A, keepdims=True) + eps)
    return (content - style.mean(A, keepdims=True)) / np.sqrt(
        content.var(A, keepdims=True) + eps
    ) * s + style.mean(A, keepdims=True)


@wrong("adain")
def instance_norm_of_both(content, style, eps=1e-5):
    return standardised(content, eps) + standardised(style[:, :, :1, :1], eps)


@wrong("adain")
def same_shape_needed(content, style, eps=1e-5):
    if content.shape != style.shape:
        raise ValueError("content and style differ")
    return np.sqrt(style.var(A, keepdims=True) + eps) * standardised(content, eps) + style.mean(
        A, keepdims=True
    )


@wrong("wct")
def adds_eps_to_every_entry(content, style, eps=1e-5):
    y = np.empty_like(content)
    for n in range(len(content)):
        c, s = (a[n].reshape(a.shape[1], -1) for a in (content, style))
        dc, ds = c - c.mean(1, keepdims=True), s - s.mean(1, keepdims=True)
        vc, uc = np.linalg.eigh(dc @ dc.T / dc.shape[1] + eps)
        vs, us = np.linalg.eigh(ds @ ds.T / ds.shape[1] + eps)
        white = (uc / np.sqrt(vc)) @ uc.T @ dc
        y[n] = ((us * np.sqrt(vs)) @ us.T @ white + s.mean(1, keepdims=True)).reshape(y[n].shape)
    return y


@wrong("wct")
def np_cov_and_its_n_minus_1(content, style, eps=1e-5):
    y = np.empty_like(content)
    for n in range(len(content)):
        c, s = (a[n].reshape(a.shape[1], -1) for a in (content, style))
        vc, uc = np.linalg.eigh(np.cov(c) + eps * np.eye(len(c)))
        vs, us = np.linalg.eigh(np.cov(s) + eps * np.eye(len(s)))
        white = (uc / np.sqrt(vc)) @ uc.T @ (c - c.mean(1, keepdims=True))
        y[n] = ((us * np.sqrt(vs)) @ us.T @ white + s.mean(1, keepdims=True)).reshape(y[n].shape)
    return y


@wrong("wct")
def forgets_to_reshape(content, style, eps=1e-5):
    return content @ style.T
