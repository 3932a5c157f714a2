"""Wrong answers to "Limits", written without sight of the checks."""

import numpy as np

WRONG = {}


def wrong(exercise):
    def put(function):
        WRONG.setdefault(exercise, {})[function.__name__] = function
        return function

    return put


def covariance(x, eps=0.0):
    d = x - x.mean(1, keepdims=True)
    return d @ d.T / x.shape[1] + eps * np.eye(len(x))


def root_inverse(s):
    values, u = np.linalg.eigh(s)
    return u @ np.diag(values**-0.5) @ u.T


def right_w(x, method, eps=0.0):
    s = covariance(x, eps)
    values, u = np.linalg.eigh(s)
    scale = np.diag(s) ** -0.5
    if method == "in":
        return np.diag(scale)
    if method == "zca":
        return root_inverse(s)
    if method == "pca":
        w = (u[:, ::-1] / np.sqrt(values[::-1])).T
        return w * np.sign(np.diag(w))[:, None]
    if method == "cholesky":
        return np.linalg.cholesky(np.linalg.inv(s)).T
    return root_inverse(scale[:, None] * s * scale) * scale


@wrong("whiten")
def only_zca_written(x, method, eps=0.0):
    if method == "zca":
        w = root_inverse(covariance(x, eps))
        return w @ (x - x.mean(1, keepdims=True)), w
    raise ValueError(method)


@wrong("whiten")
def zca_whatever_the_method(x, method, eps=0.0):
    w = root_inverse(covariance(x, eps))
    return w @ (x - x.mean(1, keepdims=True)), w


@wrong("whiten")
def z_not_centred(x, method, eps=0.0):
    w = right_w(x, method, eps)
    return w @ x, w


@wrong("whiten")
def eps_on_every_entry(x, method, eps=0.0):
    d = x - x.mean(1, keepdims=True)
    s = d @ d.T / x.shape[1] + eps
    values, u = np.linalg.eigh(s)
    scale = np.diag(s) ** -0.5
    if method == "in":
        w = np.diag(scale)
    elif method == "zca":
        w = root_inverse(s)
    elif method == "pca":
        w = (u[:, ::-1] / np.sqrt(values[::-1])).T
        w = w * np.sign(np.diag(w))[:, None]
    elif method == "cholesky":
        w = np.linalg.cholesky(np.linalg.inv(s)).T
    else:
        w = root_inverse(scale[:, None] * s * scale) * scale
    return w @ d, w


@wrong("whiten")
def returns_w_and_z(x, method, eps=0.0):
    w = right_w(x, method, eps)
    return w, w @ (x - x.mean(1, keepdims=True))


@wrong("whiten")
def mean_over_the_channels(x, method, eps=0.0):
    w = right_w(x, method, eps)
    return w @ (x - x.mean(0)), w


@wrong("photometric-stereo")
def forgets_to_reshape_back(images, lights):
    g = np.linalg.pinv(lights) @ images.reshape(len(images), -1)
    albedo = np.sqrt((g**2).sum(0))
    return g / np.where(albedo > 0, albedo, 1), albedo


@wrong("photometric-stereo")
def inverse_of_three_lights_only(images, lights):
    g = np.einsum("ij,jhw->ihw", np.linalg.inv(lights), images)
    albedo = np.sqrt((g**2).sum(0))
    return g / np.where(albedo > 0, albedo, 1), albedo


@wrong("photometric-stereo")
def adds_a_small_number(images, lights):
    g = np.einsum("ij,jhw->ihw", np.linalg.pinv(lights), images)
    albedo = np.sqrt((g**2).sum(0))
    return g / (albedo + 1e-3), albedo


@wrong("photometric-stereo")
def z_axis_first(images, lights):
    g = np.einsum("ij,jhw->ihw", np.linalg.pinv(lights), images)[::-1]
    albedo = np.sqrt((g**2).sum(0))
    return g / np.where(albedo > 0, albedo, 1), albedo


@wrong("observation-normalise")
def length_over_the_width(images):
    length = np.sqrt((images**2).sum(2, keepdims=True))
    return images / np.where(length > 0, length, 1)


@wrong("observation-normalise")
def norm_of_everything_with_linalg(images):
    return images / np.linalg.norm(images)


@wrong("observation-normalise")
def unit_variance_as_instance_norm_does(images):
    mean = images.mean(0)
    return (images - mean) / np.sqrt(images.var(0) + 1e-5)


@wrong("observation-normalise")
def black_stays_nan_to_num_one(images):
    length = np.sqrt((images**2).sum(0))
    return np.nan_to_num(images / length, nan=1.0)


@wrong("identifiable")
def largest_output_without_its_sign(outputs):
    change = (outputs.max(1) - outputs.min(1)).max(1)
    return (change > 1e-6 * outputs.max((1, 2))).astype(float)


@wrong("identifiable")
def outputs_max_of_the_whole_array(outputs):
    change = (outputs.max(1) - outputs.min(1)).max(1)
    return (change > 1e-6 * outputs.max()).astype(float)


@wrong("identifiable")
def by_the_standard_deviation(outputs):
    return (outputs.std(axis=1).max(axis=1) > 0).astype(float)


@wrong("identifiable")
def allclose_to_the_first(outputs):
    return np.array([float(not np.allclose(box, box[0])) for box in outputs])


@wrong("identifiable")
def one_number_for_each_output(outputs):
    return ((outputs.max(1) - outputs.min(1)) > 1e-6 * np.abs(outputs).max(1)).astype(float)


@wrong("identifiable")
def yes_and_no(outputs):
    change = (outputs.max(1) - outputs.min(1)).max(1)
    return ["yes" if c > 1e-6 else "no" for c in change]
