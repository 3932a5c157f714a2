"""Wrong answers to "The brain", written without sight of the checks."""

import numpy as np

WRONG = {}


def wrong(exercise):
    def put(function):
        WRONG.setdefault(exercise, {})[function.__name__] = function
        return function

    return put


@wrong("divisive-normalisation")
def adds_1_in_the_denominator(drive, weights, sigma, n=2.0, gamma=1.0):
    p = np.maximum(drive, 0) ** n
    return gamma * p / (1 + sigma**n + p @ weights.T)


@wrong("divisive-normalisation")
def gamma_in_the_power(drive, weights, sigma, n=2.0, gamma=1.0):
    p = np.maximum(gamma * drive, 0) ** n
    return p / (sigma**n + p @ weights.T)


@wrong("divisive-normalisation")
def clips_at_1(drive, weights, sigma, n=2.0, gamma=1.0):
    p = np.clip(drive, 0, 1) ** n
    return gamma * p / (sigma**n + p @ weights.T)


@wrong("divisive-normalisation")
def elementwise_weights(drive, weights, sigma, n=2.0, gamma=1.0):
    p = np.maximum(drive, 0) ** n
    return gamma * p / (sigma**n + p * weights)


@wrong("divisive-normalisation")
def silences_in_place(drive, weights, sigma, n=2.0, gamma=1.0):
    drive[drive < 0] = 0
    p = drive**n
    return gamma * p / (sigma**n + p @ weights.T)


@wrong("divisive-normalisation")
def squares_whatever_n(drive, weights, sigma, n=2.0, gamma=1.0):
    p = np.maximum(drive, 0) ** 2
    return gamma * p / (sigma**2 + p @ weights.T)


def seen(s, mask, c, gamma, eps):
    x = c[:, None] * s + mask
    y = gamma * (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + eps)
    return (y @ ((s - s.mean()) / s.std()) / s.size) ** 2


@wrong("contrast-response")
def parameters_yet_to_come(s, mask, c, gamma=1.0, eps=1e-5):
    return seen(s, mask, c, gamma, eps), None


@wrong("contrast-response")
def parameters_in_another_order(s, mask, c, gamma=1.0, eps=1e-5):
    c50 = np.sqrt((eps + mask.var()) / s.var())
    return seen(s, mask, c, gamma, eps), np.array([c50, gamma**2, 2.0])


@wrong("contrast-response")
def parameters_as_a_tuple(s, mask, c, gamma=1.0, eps=1e-5):
    c50 = np.sqrt((eps + mask.var()) / s.var())
    return seen(s, mask, c, gamma, eps), (gamma**2, c50, 2.0)


@wrong("contrast-response")
def root_of_eps_only(s, mask, c, gamma=1.0, eps=1e-5):
    return seen(s, mask, c, gamma, eps), np.array([gamma**2, np.sqrt(eps), 2.0])


@wrong("contrast-response")
def sum_in_place_of_mean(s, mask, c, gamma=1.0, eps=1e-5):
    c50 = np.sqrt((eps + mask.var()) / s.var())
    return seen(s, mask, c, gamma, eps) * s.size**2, np.array([gamma**2, c50, 2.0])


def right_curves(theta, contrast, preferred, kappa, sigma, n=2.0):
    away = theta[:, :, None] - preferred
    drive = (contrast[:, :, None] * np.exp(kappa * (np.cos(2 * away) - 1))).sum(1)
    power = drive**n
    response = power / (sigma**n + power.mean(1, keepdims=True))
    arrows = np.exp(2j * preferred)
    return drive, response, np.abs(response @ arrows) / response.sum(1)


@wrong("tuning-curves")
def complex_selectivity(theta, contrast, preferred, kappa, sigma, n=2.0):
    drive, response, _ = right_curves(theta, contrast, preferred, kappa, sigma, n)
    return drive, response, response @ np.exp(2j * preferred) / response.sum(1)


@wrong("tuning-curves")
def selectivity_is_a_ratio(theta, contrast, preferred, kappa, sigma, n=2.0):
    drive, response, _ = right_curves(theta, contrast, preferred, kappa, sigma, n)
    return drive, response, response.max(1) / response.sum(1)


@wrong("tuning-curves")
def only_the_drive_yet(theta, contrast, preferred, kappa, sigma, n=2.0):
    return right_curves(theta, contrast, preferred, kappa, sigma, n)[0], None, None


@wrong("tuning-curves")
def twice_the_difference_of_doubled_angles(theta, contrast, preferred, kappa, sigma, n=2.0):
    return right_curves(2 * theta, contrast, 2 * preferred, kappa, sigma, n)


@wrong("tuning-curves")
def contrast_squared(theta, contrast, preferred, kappa, sigma, n=2.0):
    return right_curves(theta, contrast**2, preferred, kappa, sigma, n)


@wrong("tuning-curves")
def pool_is_the_maximum(theta, contrast, preferred, kappa, sigma, n=2.0):
    drive, _, _ = right_curves(theta, contrast, preferred, kappa, sigma, n)
    power = drive**n
    response = power / (sigma**n + power.max(1, keepdims=True))
    return drive, response, np.abs(response @ np.exp(2j * preferred)) / response.sum(1)
