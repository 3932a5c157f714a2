"""Right answers to "Limits", written independently of the kernels and of each other."""

import itertools

import numpy as np
import scipy.linalg
import torch

# --- Whitening ------------------------------------------------------------------------------------


def whiten_by_eigenvectors(x, method, eps=0.0):
    sigma = np.cov(x, bias=True) + eps * np.eye(len(x))
    spreads = np.sqrt(np.diagonal(sigma))

    def axes(matrix):
        variances, u = np.linalg.eigh(matrix)
        order = np.argsort(-variances)
        return variances[order], u[:, order]

    if method == "in":
        w = np.diag(1 / spreads)
    elif method == "zca":
        variances, u = axes(sigma)
        w = u @ np.diag(1 / np.sqrt(variances)) @ u.T
    elif method == "pca":
        variances, u = axes(sigma)
        w = np.diag(1 / np.sqrt(variances)) @ u.T
        w = np.sign(np.diagonal(w))[:, None] * w
    elif method == "cholesky":
        w = np.linalg.cholesky(np.linalg.inv(sigma)).T
    elif method == "zca-cor":
        variances, u = axes(sigma / np.outer(spreads, spreads))
        w = u @ np.diag(1 / np.sqrt(variances)) @ u.T @ np.diag(1 / spreads)
    return w @ (x - x.mean(axis=1, keepdims=True)), w


def whiten_by_scipy(x, method, eps=0.0):
    """Matrix roots and generalised triangular factors instead of eigenvectors."""
    deviations = (x.T - np.average(x, axis=1)).T
    sigma = np.einsum("cm,dm->cd", deviations, deviations) / x.shape[1]
    sigma[np.diag_indices_from(sigma)] += eps
    v = np.sqrt(sigma.diagonal())
    if method == "in":
        w = np.eye(len(x)) / v
    elif method == "zca":
        w = scipy.linalg.fractional_matrix_power(sigma, -0.5)
    elif method == "pca":
        u, s, _ = scipy.linalg.svd(sigma)
        w = (u / s**0.5).T
        for row in range(len(w)):
            if w[row, row] < 0:
                w[row] *= -1
    elif method == "cholesky":
        # Σ = M Mᵀ with M upper triangular: a lower factor of Σ turned upside down.
        turned = scipy.linalg.cholesky(sigma[::-1, ::-1], lower=True)[::-1, ::-1]
        w = scipy.linalg.solve_triangular(turned, np.eye(len(x)), lower=False)
    else:
        w = np.linalg.inv(scipy.linalg.sqrtm(sigma / v / v[:, None])).real / v
    return np.einsum("cd,dm->cm", w, deviations), w


def whiten_by_torch(x, method, eps=0.0):
    t = torch.from_numpy(x)
    t = t - t.mean(1, keepdim=True)
    sigma = t @ t.T / t.shape[1] + eps * torch.eye(len(t), dtype=t.dtype)
    before = torch.diag(torch.rsqrt(torch.diag(sigma)))
    if method == "in":
        w = before
    elif method == "zca-cor":
        w = torch_root_inverse(before @ sigma @ before) @ before
    elif method == "zca":
        w = torch_root_inverse(sigma)
    elif method == "pca":
        values, vectors = torch.linalg.eigh(sigma)
        w = torch.flip(vectors / values.sqrt(), (1,)).T
        w = w * torch.sign(torch.diag(w))[:, None]
    else:
        w = torch.linalg.cholesky(torch.linalg.inv(sigma)).mT
    return (w @ t).numpy().copy(), w.numpy().copy()


def torch_root_inverse(matrix):
    u, s, _ = torch.linalg.svd(matrix)
    return u @ torch.diag(s**-0.5) @ u.T


# --- Photometric stereo ---------------------------------------------------------------------------


def stereo_pixel_by_pixel(images, lights):
    _, height, width = images.shape
    normals, albedo = np.zeros((3, height, width)), np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            g = np.linalg.lstsq(lights, images[:, i, j], rcond=None)[0]
            albedo[i, j] = sum(v * v for v in g) ** 0.5
            if albedo[i, j] > 0:
                normals[:, i, j] = g / albedo[i, j]
    return normals, albedo


def stereo_by_normal_equations(images, lights):
    left = np.einsum("kd,ke->de", lights, lights)
    right = np.einsum("kd,khw->dhw", lights, images)
    g = np.linalg.solve(left, right.reshape(3, -1)).reshape(right.shape)
    albedo = np.sqrt(np.einsum("dhw,dhw->hw", g, g))
    return np.nan_to_num(g / albedo), albedo


def stereo_by_qr(images, lights):
    q, r = scipy.linalg.qr(lights, mode="economic")
    g = scipy.linalg.solve_triangular(r, q.T @ images.reshape(len(images), -1))
    albedo = np.hypot(np.hypot(g[0], g[1]), g[2])
    normals = np.where(albedo > 0, g / np.where(albedo > 0, albedo, 1), 0)
    return normals.reshape(3, *images.shape[1:]), albedo.reshape(images.shape[1:])


def stereo_by_torch(images, lights):
    flat = torch.from_numpy(images).flatten(1)
    g = torch.linalg.lstsq(torch.from_numpy(lights), flat).solution.unflatten(1, images.shape[1:])
    normals = torch.nn.functional.normalize(g, dim=0, eps=1e-300)
    return normals.numpy(), torch.linalg.vector_norm(g, dim=0).numpy()


# --- Normalising over the lights ------------------------------------------------------------------


def observed_with_loops(images):
    y = np.zeros(images.shape)
    for i, j in np.ndindex(images.shape[1:]):
        length = sum(value**2 for value in images[:, i, j]) ** 0.5
        for k in range(len(images)):
            y[k, i, j] = images[k, i, j] / length if length else 0.0
    return y


def observed_by_einsum(images):
    squares = np.einsum("khw,khw->hw", images, images)
    return np.where(squares > 0, images / np.sqrt(squares), 0.0)


def observed_by_norm(images):
    length = np.linalg.norm(images, axis=0)
    length[length == 0] = np.inf
    return images / length


def observed_by_torch(images):
    return torch.nn.functional.normalize(torch.from_numpy(images), dim=0, eps=1e-300).numpy()


# --- Is the exposure still in there? --------------------------------------------------------------


def identifiable_by_pairs(outputs):
    found = []
    for box in outputs:
        largest = np.abs(box).max()
        pairs = itertools.combinations(box, 2)
        found.append(any(np.abs(a - b).max() > 1e-6 * largest for a, b in pairs))
    return np.array(found, dtype=float)


def identifiable_by_allclose(outputs):
    found = np.zeros(len(outputs))
    for b, box in enumerate(outputs):
        scaled = box / (np.abs(box).max() or 1)
        same = [np.allclose(scaled, exposure, rtol=0, atol=1e-6) for exposure in scaled]
        found[b] = not all(same)
    return found


def identifiable_by_sorting(outputs):
    ordered = np.sort(outputs, axis=1)
    change = np.max(ordered[:, -1, :] - ordered[:, 0, :], axis=-1)
    size = np.maximum(outputs.max(axis=(1, 2)), -outputs.min(axis=(1, 2)))
    return np.where(change > size / 1e6, 1.0, 0.0)


def identifiable_by_torch(outputs):
    t = torch.from_numpy(outputs)
    change = (t[:, :, None] - t[:, None]).abs().amax((1, 2, 3))
    return (change > 1e-6 * t.abs().amax((1, 2))).double().numpy()


RIGHT = {
    "whiten": [whiten_by_eigenvectors, whiten_by_scipy, whiten_by_torch],
    "photometric-stereo": [
        stereo_pixel_by_pixel,
        stereo_by_normal_equations,
        stereo_by_qr,
        stereo_by_torch,
    ],
    "observation-normalise": [
        observed_with_loops,
        observed_by_einsum,
        observed_by_norm,
        observed_by_torch,
    ],
    "identifiable": [
        identifiable_by_pairs,
        identifiable_by_allclose,
        identifiable_by_sorting,
        identifiable_by_torch,
    ],
}
