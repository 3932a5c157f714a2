"""Wrong answers to every assignment, written as a class would, without sight of the checks."""

import numpy as np

from instnorm_lab import given
from tried.right_depth import Phi as probability_below
from tried.right_depth import density

WRONG = {}


def wrong(exercise):
    def keep(function):
        WRONG.setdefault(exercise, {})[function.__name__] = function
        return function

    return keep


@wrong("instance-norm-loops")
def class_mean_absolute_deviation(x, eps=1e-5):
    """Mean absolute deviation in place of the standard deviation."""
    out = np.zeros(x.shape)
    N, C, H, W = x.shape
    for i in range(N):
        for j in range(C):
            plane = x[i, j]
            mu = 0.0
            for h in range(H):
                for w in range(W):
                    mu += plane[h, w]
            mu = mu / (H * W)
            v = 0.0
            for h in range(H):
                for w in range(W):
                    v += abs(plane[h, w] - mu)
            v = v / (H * W)
            for h in range(H):
                for w in range(W):
                    out[i, j, h, w] = (plane[h, w] - mu) / (v + eps)
    return out


@wrong("instance-norm-loops")
def class_divides_the_mean_alone(x, eps=1e-5):
    """Operator precedence: x - mu / root."""
    out = np.zeros(x.shape)
    N, C, H, W = x.shape
    for i in range(N):
        for j in range(C):
            plane = x[i, j]
            mu = 0.0
            for h in range(H):
                for w in range(W):
                    mu += plane[h, w]
            mu = mu / (H * W)
            v = 0.0
            for h in range(H):
                for w in range(W):
                    v += (plane[h, w] - mu) ** 2
            v = v / (H * W)
            for h in range(H):
                for w in range(W):
                    out[i, j, h, w] = plane[h, w] - mu / (v + eps) ** 0.5
    return out


@wrong("instance-norm")
def class_shifts_before_scaling(x, gamma, beta, eps=1e-5):
    """Beta is inside the bracket: gamma*(xhat+beta)."""
    mu = np.mean(x, axis=(2, 3), keepdims=True)
    var = np.var(x, axis=(2, 3), keepdims=True)
    xhat = (x - mu) / np.sqrt(var + eps)
    return gamma.reshape(1, -1, 1, 1) * (xhat + beta.reshape(1, -1, 1, 1))


@wrong("instance-norm")
def class_one_row_at_a_time(x, gamma, beta, eps=1e-5):
    """Only over the last axis."""
    mu = np.mean(x, axis=3, keepdims=True)
    var = np.var(x, axis=3, keepdims=True)
    xhat = (x - mu) / np.sqrt(var + eps)
    return gamma.reshape(1, -1, 1, 1) * xhat + beta.reshape(1, -1, 1, 1)


@wrong("normalize-over")
def class_batch_norm_falls_through(x, mode, eps=1e-5):
    """If/if/else bug: IN result overwritten for BN (else belongs to last if)."""
    if mode == "BN":
        axes = (0, 2, 3)
    axes = (1, 2, 3) if mode == "LN" else (2, 3)
    mean = x.mean(axis=axes, keepdims=True)
    var = x.var(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(var + eps)


@wrong("normalize-over")
def class_variance_of_the_planes(x, mode, eps=1e-5):
    """Variance always over the plane, mean over the set."""
    axes = {"BN": (0, 2, 3), "LN": (1, 2, 3), "IN": (2, 3)}[mode]
    mean = x.mean(axis=axes, keepdims=True)
    var = x.var(axis=(2, 3), keepdims=True)
    return (x - mean) / np.sqrt(var + eps)


@wrong("identify-norm")
def class_the_nearest_wins(x, y, eps=1e-5):
    """Only the closest gets the 1 (argmin)."""
    d = [np.abs(given.normalize(x, mode, eps) - y).max() for mode in ("BN", "LN", "IN")]
    out = np.zeros(3)
    out[np.argmin(d)] = 1
    return out


@wrong("batch-norm")
def class_counts_the_pixels_alone(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """M taken as H*W in m/(m-1)."""
    if training:
        mean = x.mean(axis=(0, 2, 3))
        var = x.var(axis=(0, 2, 3))
        new_mean = (1 - momentum) * running_mean + momentum * mean
        new_var = (1 - momentum) * running_var + momentum * var * (x.shape[2] * x.shape[3]) / (
            x.shape[2] * x.shape[3] - 1
        )
    else:
        mean, var = running_mean, running_var
        new_mean, new_var = running_mean, running_var
    y = (x - mean[:, None, None]) / np.sqrt(var[:, None, None] + eps)
    return y, new_mean, new_var


@wrong("snv")
def class_flat_left_as_it_was(x):
    """The flat spectrum is returned as it is (not zeros)."""
    out = x.astype(float).copy()
    for i, row in enumerate(x):
        s = row.std(ddof=1)
        if s > 0:
            out[i] = (row - row.mean()) / s
    return out


@wrong("snv")
def class_adds_a_small_number(x):
    """Nan_to_num on everything but flat first: adds 1e-8."""
    mean = x.mean(axis=1, keepdims=True)
    std = x.std(axis=1, ddof=1, keepdims=True)
    std = std + 1e-8
    return (x - mean) / std


@wrong("snv")
def class_small_taken_for_flat(x):
    """Threshold 1e-6 taken for flat."""
    mean = x.mean(axis=1, keepdims=True)
    std = x.std(axis=1, ddof=1, keepdims=True)
    std = np.where(std < 1e-6, 1.0, std)
    return (x - mean) / std


@wrong("cmvn")
def class_padding_in_the_variance(x, lengths, eps=1e-5):
    """Variance counts padding: deviations of padded zeros included."""
    mask = (np.arange(x.shape[2]) < lengths[:, None])[:, None, :]
    clean = np.where(mask, x, 0)
    T = lengths[:, None, None]
    mean = clean.sum(axis=2, keepdims=True) / T
    var = ((clean - mean) ** 2).sum(axis=2, keepdims=True) / T
    return np.where(mask, (clean - mean) / np.sqrt(var + eps), 0)


@wrong("cmvn")
def class_padding_left_as_it_was(x, lengths, eps=1e-5):
    """Padding keeps what was there (copy of x)."""
    y = x.copy()
    for n in range(len(x)):
        part = x[n, :, : lengths[n]]
        mean = part.mean(axis=1, keepdims=True)
        var = part.var(axis=1, keepdims=True)
        y[n, :, : lengths[n]] = (part - mean) / np.sqrt(var + eps)
    return y


@wrong("cmvn")
def class_one_frame_too_many(x, lengths, eps=1e-5):
    """<= lengths: one frame too many."""
    mask = (np.arange(x.shape[2]) <= lengths[:, None])[:, None, :]
    clean = np.where(mask, x, 0)
    T = lengths[:, None, None]
    mean = clean.sum(axis=2, keepdims=True) / T
    var = (np.where(mask, clean - mean, 0) ** 2).sum(axis=2, keepdims=True) / T
    return np.where(mask, (clean - mean) / np.sqrt(var + eps), 0)


@wrong("cmvn")
def class_one_length_for_all(x, lengths, eps=1e-5):
    """Uses lengths[0] for all."""
    y = np.zeros_like(x)
    for n in range(len(x)):
        part = x[n, :, : lengths[0]]
        mean = part.mean(axis=1, keepdims=True)
        var = part.var(axis=1, keepdims=True)
        y[n, :, : lengths[0]] = (part - mean) / np.sqrt(var + eps)
    return y


@wrong("revin-inverse")
def class_standardises_the_forecast(y, mean, var, gamma, beta, eps=1e-5):
    """Renormalises the forecast first."""
    y = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + eps)
    z = (y - beta[:, None]) / gamma[:, None]
    return z * np.sqrt(var[..., None] + eps) + mean[..., None]


@wrong("revin-inverse")
def class_a_small_number_beside_gamma(y, mean, var, gamma, beta, eps=1e-5):
    """Divides by gamma + eps as in the RevIN paper's code."""
    z = (y - beta[:, None]) / (gamma[:, None] + eps**2)
    return z * np.sqrt(var[..., None] + eps) + mean[..., None]


@wrong("adain")
def class_shifts_before_scaling_in_adain(content, style, eps=1e-5):
    """Style mean added inside, before the gain."""
    cm = content.mean(axis=(2, 3), keepdims=True)
    cs = np.sqrt(content.var(axis=(2, 3), keepdims=True) + eps)
    sm = style.mean(axis=(2, 3), keepdims=True)
    ss = np.sqrt(style.var(axis=(2, 3), keepdims=True) + eps)
    return ss * ((content - cm) / cs + sm)


@wrong("wct")
def class_colours_first(content, style, eps=1e-5):
    """Colouring before whitening (order of the product)."""
    N, C, H, W = content.shape

    def stats(im):
        f = im.reshape(C, -1)
        mu = f.mean(axis=1, keepdims=True)
        d = f - mu
        return d, mu, d @ d.T / f.shape[1] + eps * np.eye(C)

    def power(S, p):
        v, e = np.linalg.eigh(S)
        return e @ np.diag(v**p) @ e.T

    y = np.empty(content.shape)
    for n in range(N):
        d, _, sx = stats(content[n])
        _, mu, ss = stats(style[n])
        y[n] = (power(sx, -0.5) @ power(ss, 0.5) @ d + mu).reshape(C, H, W)
    return y


@wrong("wct")
def class_does_not_turn_back(content, style, eps=1e-5):
    """No transpose back (PCA whitening)."""
    N, C, H, W = content.shape

    def stats(im):
        f = im.reshape(C, -1)
        mu = f.mean(axis=1, keepdims=True)
        d = f - mu
        return d, mu, d @ d.T / f.shape[1] + eps * np.eye(C)

    def power(S, p):
        v, e = np.linalg.eigh(S)
        return np.diag(v**p) @ e.T

    y = np.empty(content.shape)
    for n in range(N):
        d, _, sx = stats(content[n])
        _, mu, ss = stats(style[n])
        y[n] = (power(ss, 0.5) @ power(sx, -0.5) @ d + mu).reshape(C, H, W)
    return y


@wrong("wct")
def class_eps_everywhere(content, style, eps=1e-5):
    """Eps added to the whole matrix."""
    N, C, H, W = content.shape

    def stats(im):
        f = im.reshape(C, -1)
        mu = f.mean(axis=1, keepdims=True)
        d = f - mu
        return d, mu, d @ d.T / f.shape[1] + eps

    def power(S, p):
        v, e = np.linalg.eigh(S)
        return e @ np.diag(v**p) @ e.T

    y = np.empty(content.shape)
    for n in range(N):
        d, _, sx = stats(content[n])
        _, mu, ss = stats(style[n])
        y[n] = (power(ss, 0.5) @ power(sx, -0.5) @ d + mu).reshape(C, H, W)
    return y


@wrong("wct")
def class_positions_of_the_content(content, style, eps=1e-5):
    """Covariance of style divided by content positions."""
    N, C, H, W = content.shape

    def stats(im):
        f = im.reshape(C, -1)
        mu = f.mean(axis=1, keepdims=True)
        d = f - mu
        return d, mu, d @ d.T / (H * W) + eps * np.eye(C)

    def power(S, p):
        v, e = np.linalg.eigh(S)
        return e @ np.diag(v**p) @ e.T

    y = np.empty(content.shape)
    for n in range(N):
        d, _, sx = stats(content[n])
        _, mu, ss = stats(style[n])
        y[n] = (power(ss, 0.5) @ power(sx, -0.5) @ d + mu).reshape(C, H, W)
    return y


@wrong("divisive-normalisation")
def class_gamma_raised_too(drive, weights, sigma, n=2.0, gamma=1.0):
    """Gamma to the n."""
    d = np.maximum(drive, 0) ** n
    pool = d @ weights.T
    return gamma**n * d / (sigma**n + pool)


@wrong("divisive-normalisation")
def class_sigma_always_squared(drive, weights, sigma, n=2.0, gamma=1.0):
    """Sigma only squared: sigma**2 always."""
    d = np.maximum(drive, 0) ** n
    pool = d @ weights.T
    return gamma * d / (sigma**2 + pool)


@wrong("contrast-response")
def class_squares_before_the_mean(s, mask, c, gamma=1.0, eps=1e-5):
    """Square before the mean."""
    sp = (s - s.mean()) / s.std()
    x = c[:, None] * s + mask
    xh = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + eps)
    response = ((gamma * xh * sp) ** 2).mean(axis=1)
    c50 = np.sqrt((mask.var() + eps) / s.var())
    return response, np.array([gamma**2, c50, 2.0])


@wrong("contrast-response")
def class_gamma_in_the_law_alone(s, mask, c, gamma=1.0, eps=1e-5):
    """Gamma forgotten in response only."""
    sp = (s - s.mean()) / s.std()
    x = c[:, None] * s + mask
    xh = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + eps)
    response = (xh * sp).mean(axis=1) ** 2
    c50 = np.sqrt((mask.var() + eps) / s.var())
    return response, np.array([gamma**2, c50, 2.0])


@wrong("whiten")
def class_variances_in_place_of_deviations(x, method, eps=0.0):
    """In: divides by variance (V^-1)."""
    C, M = x.shape
    mu = x.mean(axis=1, keepdims=True)
    d = x - mu
    S = d @ d.T / M + eps * np.eye(C)
    V = np.diag(1 / np.sqrt(np.diag(S)))

    def root_inverse(A):
        v, u = np.linalg.eigh(A)
        return u @ np.diag(1 / np.sqrt(v)) @ u.T

    if method == "in":
        w = np.diag(1 / np.diag(S))
    elif method == "zca":
        w = root_inverse(S)
    elif method == "pca":
        v, u = np.linalg.eigh(S)
        v, u = v[::-1], u[:, ::-1]
        w = np.diag(1 / np.sqrt(v)) @ u.T
        w = w * np.sign(np.diag(w))[:, None]
    elif method == "cholesky":
        w = np.linalg.cholesky(np.linalg.inv(S)).T
    elif method == "zca-cor":
        w = root_inverse(V @ S @ V) @ V
    return w @ d, w


@wrong("whiten")
def class_no_eps_for_instance_norm(x, method, eps=0.0):
    """Eps only inside the roots of zca, forgotten in 'in'."""
    C, M = x.shape
    mu = x.mean(axis=1, keepdims=True)
    d = x - mu
    S = d @ d.T / M + eps * np.eye(C)
    V = np.diag(1 / np.sqrt(np.diag(S)))

    def root_inverse(A):
        v, u = np.linalg.eigh(A)
        return u @ np.diag(1 / np.sqrt(v)) @ u.T

    if method == "in":
        w = np.diag(1 / x.std(axis=1))
    elif method == "zca":
        w = root_inverse(S)
    elif method == "pca":
        v, u = np.linalg.eigh(S)
        v, u = v[::-1], u[:, ::-1]
        w = np.diag(1 / np.sqrt(v)) @ u.T
        w = w * np.sign(np.diag(w))[:, None]
    elif method == "cholesky":
        w = np.linalg.cholesky(np.linalg.inv(S)).T
    elif method == "zca-cor":
        w = root_inverse(V @ S @ V) @ V
    return w @ d, w


@wrong("whiten")
def class_few_digits(x, method, eps=0.0):
    """Float32 inside (mixed precision)."""
    C, M = x.shape
    x = x.astype(np.float32)
    mu = x.mean(axis=1, keepdims=True)
    d = x - mu
    S = d @ d.T / M + eps * np.eye(C)
    V = np.diag(1 / np.sqrt(np.diag(S)))

    def root_inverse(A):
        v, u = np.linalg.eigh(A)
        return u @ np.diag(1 / np.sqrt(v)) @ u.T

    if method == "in":
        w = V
    elif method == "zca":
        w = root_inverse(S)
    elif method == "pca":
        v, u = np.linalg.eigh(S)
        v, u = v[::-1], u[:, ::-1]
        w = np.diag(1 / np.sqrt(v)) @ u.T
        w = w * np.sign(np.diag(w))[:, None]
    elif method == "cholesky":
        w = np.linalg.cholesky(np.linalg.inv(S)).T
    elif method == "zca-cor":
        w = root_inverse(V @ S @ V) @ V
    return w @ d, w


@wrong("whiten")
def class_eigenvalues_turned_alone(x, method, eps=0.0):
    """Pca: reverses eigenvalues only, not columns."""
    C, M = x.shape
    mu = x.mean(axis=1, keepdims=True)
    d = x - mu
    S = d @ d.T / M + eps * np.eye(C)
    V = np.diag(1 / np.sqrt(np.diag(S)))

    def root_inverse(A):
        v, u = np.linalg.eigh(A)
        return u @ np.diag(1 / np.sqrt(v)) @ u.T

    if method == "in":
        w = V
    elif method == "zca":
        w = root_inverse(S)
    elif method == "pca":
        v, u = np.linalg.eigh(S)
        v, u = v[::-1], u
        w = np.diag(1 / np.sqrt(v)) @ u.T
        w = w * np.sign(np.diag(w))[:, None]
    elif method == "cholesky":
        w = np.linalg.cholesky(np.linalg.inv(S)).T
    elif method == "zca-cor":
        w = root_inverse(V @ S @ V) @ V
    return w @ d, w


@wrong("photometric-stereo")
def class_squared_length(images, lights):
    """Albedo squared (no root)."""
    K, H, W = images.shape
    g = (np.linalg.pinv(lights) @ images.reshape(K, -1)).reshape(3, H, W)
    albedo = (g**2).sum(axis=0)
    normals = g / np.where(albedo > 0, albedo, 1)
    return normals, albedo


@wrong("photometric-stereo")
def class_adds_a_small_number_in_photometric_stereo(images, lights):
    """Adds 1e-8 to albedo in division."""
    K, H, W = images.shape
    g = (np.linalg.pinv(lights) @ images.reshape(K, -1)).reshape(3, H, W)
    albedo = np.sqrt((g**2).sum(axis=0))
    normals = g / (albedo + 1e-8)
    return normals, albedo


@wrong("observation-normalise")
def class_centred_first(images):
    """Centres first."""
    images = images - images.mean(axis=0)
    length = np.sqrt((images**2).sum(axis=0))
    return images / np.where(length == 0, 1, length)


@wrong("observation-normalise")
def class_adds_a_small_number_in_observation_normalise(images):
    """1e-12 added."""
    length = np.sqrt((images**2).sum(axis=0))
    return images / (length + 1e-8)


@wrong("identifiable")
def class_silence_taken_for_news(outputs):
    """>= for zeros box."""
    change = (outputs.max(axis=1) - outputs.min(axis=1)).max(axis=1)
    size = np.abs(outputs).max(axis=(1, 2))
    return (change >= 1e-6 * size).astype(float)


@wrong("identifiable")
def class_silence_taken_for_news_in_identifiable(outputs):
    """Divides: 0/0 for a silent box is nan, nan > 1e-6 False - right?."""
    change = (outputs.max(axis=1) - outputs.min(axis=1)).max(axis=1)
    size = np.abs(outputs).max(axis=(1, 2))
    return (~(change / size <= 1e-6)).astype(float)


@wrong("in-jacobian")
def class_mean_on_the_diagonal_only(x, eps):
    """Mean path only on diagonal."""
    m = len(x)
    s = np.sqrt(x.var() + eps)
    xh = (x - x.mean()) / s
    return (np.eye(m) * (1 - 1 / m) - np.outer(xh, xh) / m) / s


@wrong("in-jacobian")
def class_divides_the_direct_part_alone(x, eps):
    """Divides by s only the identity part."""
    m = len(x)
    s = np.sqrt(x.var() + eps)
    xh = (x - x.mean()) / s
    return np.eye(m) / s - 1 / m - np.outer(xh, xh) / m


@wrong("in-jacobian")
def class_few_digits_in_in_jacobian(x, eps):
    """Float32."""
    x = x.astype(np.float32)
    m = len(x)
    s = np.sqrt(x.var() + eps)
    xh = (x - x.mean()) / s
    return (np.eye(m) - 1 / m - np.outer(xh, xh) / m) / s


@wrong("in-backward")
def class_only_dgamma_averaged(dy, x, gamma, eps):
    """Dgamma mean, not sum."""
    mu = x.mean(axis=(2, 3), keepdims=True)
    s = np.sqrt(x.var(axis=(2, 3), keepdims=True) + eps)
    xh = (x - mu) / s
    dgamma = (dy * xh).mean(axis=(0, 2, 3))
    dbeta = dy.sum(axis=(0, 2, 3))
    g = dy * gamma[:, None, None]
    dx = (
        g - g.mean(axis=(2, 3), keepdims=True) - xh * (g * xh).mean(axis=(2, 3), keepdims=True)
    ) / s
    return dx, dgamma, dbeta


@wrong("in-backward")
def class_dgamma_of_the_first_image(dy, x, gamma, eps):
    """Dgamma not summed over images."""
    mu = x.mean(axis=(2, 3), keepdims=True)
    s = np.sqrt(x.var(axis=(2, 3), keepdims=True) + eps)
    xh = (x - mu) / s
    dgamma = (dy * xh).sum(axis=(2, 3))[0]
    dbeta = dy.sum(axis=(0, 2, 3))
    g = dy * gamma[:, None, None]
    dx = (
        g - g.mean(axis=(2, 3), keepdims=True) - xh * (g * xh).mean(axis=(2, 3), keepdims=True)
    ) / s
    return dx, dgamma, dbeta


@wrong("in-backward")
def class_means_over_the_batch(dy, x, gamma, eps):
    """Dx means over the batch."""
    mu = x.mean(axis=(2, 3), keepdims=True)
    s = np.sqrt(x.var(axis=(2, 3), keepdims=True) + eps)
    xh = (x - mu) / s
    dgamma = (dy * xh).sum(axis=(0, 2, 3))
    dbeta = dy.sum(axis=(0, 2, 3))
    g = dy * gamma[:, None, None]
    dx = (
        g
        - g.mean(axis=(0, 2, 3), keepdims=True)
        - xh * (g * xh).mean(axis=(0, 2, 3), keepdims=True)
    ) / s
    return dx, dgamma, dbeta


@wrong("in-backward")
def class_sum_in_the_projection(dy, x, gamma, eps):
    """Sum in place of mean in dx."""
    mu = x.mean(axis=(2, 3), keepdims=True)
    s = np.sqrt(x.var(axis=(2, 3), keepdims=True) + eps)
    xh = (x - mu) / s
    dgamma = (dy * xh).sum(axis=(0, 2, 3))
    dbeta = dy.sum(axis=(0, 2, 3))
    g = dy * gamma[:, None, None]
    dx = (
        g - g.mean(axis=(2, 3), keepdims=True) - xh * (g * xh).sum(axis=(2, 3), keepdims=True)
    ) / s
    return dx, dgamma, dbeta


@wrong("in-backward")
def class_only_dgamma_through_gamma(dy, x, gamma, eps):
    """Dgamma from g."""
    mu = x.mean(axis=(2, 3), keepdims=True)
    s = np.sqrt(x.var(axis=(2, 3), keepdims=True) + eps)
    xh = (x - mu) / s
    dgamma = (dy * gamma[:, None, None] * xh).sum(axis=(0, 2, 3))
    dbeta = dy.sum(axis=(0, 2, 3))
    g = dy * gamma[:, None, None]
    dx = (
        g - g.mean(axis=(2, 3), keepdims=True) - xh * (g * xh).mean(axis=(2, 3), keepdims=True)
    ) / s
    return dx, dgamma, dbeta


@wrong("in-backward")
def class_multiplies_by_the_spread(dy, x, gamma, eps):
    """Multiplies by s instead of dividing."""
    mu = x.mean(axis=(2, 3), keepdims=True)
    s = np.sqrt(x.var(axis=(2, 3), keepdims=True) + eps)
    xh = (x - mu) / s
    dgamma = (dy * xh).sum(axis=(0, 2, 3))
    dbeta = dy.sum(axis=(0, 2, 3))
    g = dy * gamma[:, None, None]
    dx = (
        g - g.mean(axis=(2, 3), keepdims=True) - xh * (g * xh).mean(axis=(2, 3), keepdims=True)
    ) * s
    return dx, dgamma, dbeta


@wrong("in-backward")
def class_gamma_twice(dy, x, gamma, eps):
    """Gamma twice."""
    mu = x.mean(axis=(2, 3), keepdims=True)
    s = np.sqrt(x.var(axis=(2, 3), keepdims=True) + eps)
    xh = (x - mu) / s
    dgamma = (dy * xh).sum(axis=(0, 2, 3))
    dbeta = dy.sum(axis=(0, 2, 3))
    g = dy * gamma[:, None, None]
    dx = (
        (g - g.mean(axis=(2, 3), keepdims=True) - xh * (g * xh).mean(axis=(2, 3), keepdims=True))
        * gamma[:, None, None]
        / s
    )
    return dx, dgamma, dbeta


@wrong("merge-moments")
def class_difference_not_squared(mean, squares, count, block):
    """Delta not squared."""
    B = block.shape[1]
    bm = block.mean(axis=1)
    bs = ((block - bm[:, None]) ** 2).sum(axis=1)
    delta = bm - mean
    n = count + B
    return mean + delta * B / n, squares + bs + delta * count * B / n


@wrong("merge-moments")
def class_one_pass_squares(mean, squares, count, block):
    """Sum of x^2 minus: loses digits."""
    n = count + block.shape[1]
    total = mean * count + block.sum(axis=1)
    sq = squares + count * mean**2 + (block**2).sum(axis=1)
    return total / n, sq - total**2 / n


@wrong("blocked-instance-norm")
def class_sum_for_the_variance(x, gamma, beta, eps=1e-5):
    """Vdot not divided by the size."""
    y = np.empty_like(x)
    N, C, _H, _W = x.shape
    for n in range(N):
        for c in range(C):
            t = y[n, c]
            np.subtract(x[n, c], x[n, c].mean(), out=t)
            var = np.vdot(t, t)
            t *= gamma[c] / np.sqrt(var + eps)
            t += beta[c]
    return y


@wrong("blocked-instance-norm")
def class_shifts_before_scaling_in_blocked_instance_norm(x, gamma, beta, eps=1e-5):
    """Beta added before the gain."""
    y = np.empty_like(x)
    N, C, _H, _W = x.shape
    for n in range(N):
        for c in range(C):
            t = y[n, c]
            np.subtract(x[n, c], x[n, c].mean(), out=t)
            var = np.vdot(t, t) / t.size
            t += beta[c]
            t *= gamma[c] / np.sqrt(var + eps)
    return y


@wrong("ada-group-norm")
def class_shifts_before_scaling_in_ada_group_norm(x, scale, shift, num_groups, eps=1e-5):
    """(1+scale)*(y+shift)."""
    N, C, H, W = x.shape
    g = x.reshape(N, num_groups, -1)
    g = (g - g.mean(2, keepdims=True)) / np.sqrt(g.var(2, keepdims=True) + eps)
    y = g.reshape(N, C, H, W)
    return (1 + scale[:, :, None, None]) * (y + shift[:, :, None, None])


@wrong("demodulate")
def class_one_plus_style(weight, style, eps=1e-8):
    """1 + style."""
    w = (1 + style[:, None, :, None, None]) * weight
    d = np.sqrt((w**2).sum(axis=(2, 3, 4), keepdims=True) + eps)
    return w / d


@wrong("mixstyle")
def class_standardised_by_the_mixture(x, weight, perm, eps=1e-5):
    """Standardises by the mixture."""
    mu = x.mean(axis=(2, 3), keepdims=True)
    sd = np.sqrt(x.var(axis=(2, 3), keepdims=True) + eps)
    w = weight[:, None, None, None]
    mu_mix = w * mu + (1 - w) * mu[perm]
    sd_mix = w * sd + (1 - w) * sd[perm]
    return (x - mu_mix) / sd_mix


@wrong("adapt-batch-norm")
def class_squares_the_stored_variance(x, running_mean, running_var, gamma, beta, prior, eps=1e-5):
    """Running_var squared (takes it for a deviation)."""
    N = x.shape[0]
    w = prior / (prior + N)
    mean = w * running_mean + (1 - w) * x.mean(axis=(0, 2, 3))
    var = w * running_var**2 + (1 - w) * x.var(axis=(0, 2, 3))
    y = (x - mean[:, None, None]) / np.sqrt(var[:, None, None] + eps)
    return gamma[:, None, None] * y + beta[:, None, None]


@wrong("adapt-batch-norm")
def class_whole_images_of_prior(x, running_mean, running_var, gamma, beta, prior, eps=1e-5):
    """Prior cast to int."""
    N = x.shape[0]
    w = int(prior) / (int(prior) + N)
    mean = w * running_mean + (1 - w) * x.mean(axis=(0, 2, 3))
    var = w * running_var + (1 - w) * x.var(axis=(0, 2, 3))
    y = (x - mean[:, None, None]) / np.sqrt(var[:, None, None] + eps)
    return gamma[:, None, None] * y + beta[:, None, None]


@wrong("ibn")
def class_layer_norm_in_the_second_half(x, gamma, beta, eps=1e-5):
    """Second half LN."""
    half = x.shape[1] // 2
    a, b = x[:, :half], x[:, half:]
    a = (a - a.mean((2, 3), keepdims=True)) / np.sqrt(a.var((2, 3), keepdims=True) + eps)
    b = (b - b.mean((1, 2, 3), keepdims=True)) / np.sqrt(b.var((1, 2, 3), keepdims=True) + eps)
    y = np.concatenate([a, b], axis=1)
    return gamma[:, None, None] * y + beta[:, None, None]


@wrong("ibn")
def class_second_half_as_it_came(x, gamma, beta, eps=1e-5):
    """Second half left as is."""
    half = x.shape[1] // 2
    y = x.copy()
    a = x[:, :half]
    y[:, :half] = (a - a.mean((2, 3), keepdims=True)) / np.sqrt(a.var((2, 3), keepdims=True) + eps)
    return gamma[:, None, None] * y + beta[:, None, None]


@wrong("batch-leakage")
def class_largest_score(x, others, weight, mode, eps=1e-5):
    """Max of abs rather than the range."""
    table = np.empty((len(x), len(others)))
    for i, image in enumerate(x):
        for k, company in enumerate(others):
            batch = np.concatenate([image[None], company])
            table[i, k] = (weight * given.normalize(batch, mode, eps)[0]).sum()
    return np.abs(table).max(axis=1)


@wrong("batch-leakage")
def class_last_minus_first(x, others, weight, mode, eps=1e-5):
    """First and last company only."""
    table = np.empty((len(x), len(others)))
    for i, image in enumerate(x):
        for k, company in enumerate(others):
            batch = np.concatenate([image[None], company])
            table[i, k] = (weight * given.normalize(batch, mode, eps)[0]).sum()
    return np.abs(table[:, -1] - table[:, 0])


@wrong("rectified-moments")
def class_certain_and_below_nought(mu, sigma):
    """Sigma 0: returns mu also if negative."""
    safe = np.where(sigma > 0, sigma, 1.0)
    r = mu / safe
    P, d = probability_below(r), density(r)
    mean = mu * P + sigma * d
    square = (mu**2 + sigma**2) * P + mu * sigma * d
    var = square - mean**2
    mean = np.where(sigma > 0, mean, mu)
    var = np.where(sigma > 0, var, 0.0)
    return mean, var


@wrong("rectified-moments")
def class_certain_taken_for_nought(mu, sigma):
    """Sigma 0: zeros."""
    safe = np.where(sigma > 0, sigma, 1.0)
    r = mu / safe
    P, d = probability_below(r), density(r)
    mean = mu * P + sigma * d
    square = (mu**2 + sigma**2) * P + mu * sigma * d
    var = square - mean**2
    mean = np.where(sigma > 0, mean, 0.0)
    var = np.where(sigma > 0, var, 0.0)
    return mean, var


@wrong("rectified-moments")
def class_float32_on_the_way(mu, sigma):
    """Float32."""
    mu, sigma = mu.astype(np.float32), sigma.astype(np.float32)
    safe = np.where(sigma > 0, sigma, 1.0)
    r = mu / safe
    P, d = probability_below(r), density(r)
    mean = mu * P + sigma * d
    square = (mu**2 + sigma**2) * P + mu * sigma * d
    var = square - mean**2
    mean = np.where(sigma > 0, mean, np.maximum(mu, 0))
    var = np.where(sigma > 0, var, 0.0)
    return mean, var


@wrong("rectified-moments")
def class_cross_term_doubled(mu, sigma):
    """Cross term 2 mu sigma."""
    safe = np.where(sigma > 0, sigma, 1.0)
    r = mu / safe
    P, d = probability_below(r), density(r)
    mean = mu * P + sigma * d
    square = (mu**2 + sigma**2) * P + 2 * mu * sigma * d
    var = square - mean**2
    mean = np.where(sigma > 0, mean, np.maximum(mu, 0))
    var = np.where(sigma > 0, var, 0.0)
    return mean, var


@wrong("deep-stats")
def class_bias_after_the_relu(x, weights, biases, mode, eps=1e-5):
    """Bias added after ReLU."""

    def norm(a):
        return (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + eps)

    a = x
    if mode in ("input", "every"):
        a = norm(a)
    means, stds = [], []
    for W, b in zip(weights, biases, strict=False):
        a = np.maximum(W @ a, 0) + b[:, None]
        if mode == "every":
            a = norm(a)
        means.append(a.mean())
        stds.append(a.std())
    return np.array(means), np.array(stds), a


@wrong("in-relu-order")
def class_affine_in_the_first_alone(z, gamma, beta, eps=1e-5):
    """Affine missing in the second."""

    def norm(a):
        h = (a - a.mean((2, 3), keepdims=True)) / np.sqrt(a.var((2, 3), keepdims=True) + eps)
        return gamma[:, None, None] * h + beta[:, None, None]

    return np.maximum(norm(z), 0), (norm(np.maximum(z, 0)) - beta[:, None, None]) / gamma[
        :, None, None
    ]
