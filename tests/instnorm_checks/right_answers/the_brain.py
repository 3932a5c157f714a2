"""Right answers to "The brain", written independently of the kernels and of each other."""

import cmath
import math

import numpy as np
import torch


def divisive_with_loops(drive, weights, sigma, n=2.0, gamma=1.0):
    response = np.zeros(drive.shape)
    for s, row in enumerate(drive.tolist()):
        fired = [d if d > 0 else 0.0 for d in row]
        for j in range(len(row)):
            pool = sum(weights[j, k] * fired[k] ** n for k in range(len(row)))
            response[s, j] = gamma * fired[j] ** n / (sigma**n + pool)
    return response


def divisive_by_einsum(drive, weights, sigma, n=2.0, gamma=1.0):
    power = np.where(drive > 0, np.abs(drive) / sigma, 0.0) ** n
    return gamma / (1 + np.einsum("jk,sk->sj", weights, power)) * power


def divisive_by_torch(drive, weights, sigma, n=2.0, gamma=1.0):
    power = torch.relu(torch.from_numpy(drive)).pow(n)
    pool = torch.nn.functional.linear(power, torch.from_numpy(weights), None)
    return (gamma * power / (pool + sigma**n)).numpy()


def contrast_with_loops(s, mask, c, gamma=1.0, eps=1e-5):
    def moments(values):
        mean = sum(values) / len(values)
        return mean, sum((v - mean) ** 2 for v in values) / len(values)

    mean_s, var_s = moments(s.tolist())
    response = []
    for gain in c.tolist():
        x = [gain * a + b for a, b in zip(s.tolist(), mask.tolist(), strict=True)]
        mean_x, var_x = moments(x)
        amplitude = sum(
            gamma * (v - mean_x) / math.sqrt(var_x + eps) * (a - mean_s) / math.sqrt(var_s)
            for v, a in zip(x, s.tolist(), strict=True)
        )
        response.append((amplitude / len(x)) ** 2)
    c50 = math.sqrt((eps + moments(mask.tolist())[1]) / var_s)
    return np.array(response), np.array([gamma * gamma, c50, 2.0])


def contrast_by_the_law(s, mask, c, gamma=1.0, eps=1e-5):
    """No picture is ever made: the curve alone."""
    power = (c * s.std()) ** 2
    parameters = np.array([gamma**2, np.hypot(np.sqrt(eps), np.std(mask)) / s.std(), 2])
    return gamma**2 * power / (power + np.var(mask) + eps), parameters


def contrast_by_torch(s, mask, c, gamma=1.0, eps=1e-5):
    s, mask, c = map(torch.from_numpy, (s, mask, c))
    norm = torch.nn.functional.instance_norm
    y = gamma * norm((torch.outer(c, s) + mask)[:, None], eps=eps)[:, 0]
    unit = (s - s.mean()) / s.std(correction=0)
    c50 = ((eps + mask.var(correction=0)) / s.var(correction=0)).sqrt()
    return [(y @ unit / len(s)).square().numpy(), np.array([gamma**2, c50.item(), 2.0])]


def tuning_with_loops(theta, contrast, preferred, kappa, sigma, n=2.0):
    stimuli, neurons = len(theta), len(preferred)
    drive, response = np.zeros((2, stimuli, neurons))
    selectivity = np.zeros(stimuli)
    for s in range(stimuli):
        for j, best in enumerate(preferred):
            for angle, c in zip(theta[s], contrast[s], strict=True):
                drive[s, j] += c * math.exp(kappa * (math.cos(2 * (angle - best)) - 1))
        pool = sum(d**n for d in drive[s]) / neurons
        arrow = 0
        for j, best in enumerate(preferred):
            response[s, j] = drive[s, j] ** n / (sigma**n + pool)
            arrow += cmath.rect(response[s, j], 2 * best)
        selectivity[s] = abs(arrow) / sum(response[s])
    return drive, response, selectivity


def tuning_by_half_angles(theta, contrast, preferred, kappa, sigma, n=2.0):
    """cos 2a - 1 = -2 sin² a, and the arrow from its two components."""
    bumps = np.exp(-2 * kappa * np.sin(np.subtract.outer(theta, preferred)) ** 2)
    drive = (contrast[..., None] * bumps).sum(axis=1)
    power = np.exp(n * np.log(drive))
    response = power / (power.mean(axis=1)[:, None] + sigma**n)
    across, up = response @ np.cos(2 * preferred), response @ np.sin(2 * preferred)
    return drive, response, np.hypot(across, up) / response.sum(axis=1)


def tuning_by_torch(theta, contrast, preferred, kappa, sigma, n=2.0):
    theta, contrast, preferred = map(torch.from_numpy, (theta, contrast, preferred))
    away = theta.unsqueeze(-1) - preferred
    drive = torch.einsum("sg,sgj->sj", contrast, torch.exp(kappa * (torch.cos(2 * away) - 1)))
    power = drive.pow(n)
    response = power / (sigma**n + power.mean(1, keepdim=True))
    arrows = torch.polar(response, (2 * preferred).expand_as(response))
    selectivity = arrows.sum(1).abs() / response.sum(1)
    return [each.numpy() for each in (drive, response, selectivity)]


RIGHT = {
    "divisive-normalisation": [divisive_with_loops, divisive_by_einsum, divisive_by_torch],
    "contrast-response": [contrast_with_loops, contrast_by_the_law, contrast_by_torch],
    "tuning-curves": [tuning_with_loops, tuning_by_half_angles, tuning_by_torch],
}
