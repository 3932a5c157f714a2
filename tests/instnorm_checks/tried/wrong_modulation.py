"""Wrong answers to "Modulation", written without sight of the checks."""

import numpy as np

WRONG = {}


def wrong(exercise):
    def put(function):
        WRONG.setdefault(exercise, {})[function.__name__] = function
        return function

    return put


def grouped(x, num_groups, eps):
    z = x.reshape(len(x), num_groups, -1)
    z = (z - z.mean(-1, keepdims=True)) / np.sqrt(z.var(-1, keepdims=True) + eps)
    return z.reshape(x.shape)


def layered(x, eps):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)


@wrong("ada-group-norm")
def eps_written_out(x, scale, shift, num_groups, eps=1e-5):
    y = grouped(x, num_groups, 1e-5)
    return (1 + scale[:, :, None, None]) * y + shift[:, :, None, None]


@wrong("ada-group-norm")
def scale_along_the_width(x, scale, shift, num_groups, eps=1e-5):
    return (1 + scale) * grouped(x, num_groups, eps) + shift


@wrong("ada-group-norm")
def one_plus_the_shift_too(x, scale, shift, num_groups, eps=1e-5):
    y = grouped(x, num_groups, eps)
    return (1 + scale[:, :, None, None]) * y + 1 + shift[:, :, None, None]


@wrong("ada-group-norm")
def interleaved(x, scale, shift, num_groups, eps=1e-5):
    y = np.empty_like(x)
    for g in range(num_groups):
        part = x[:, g::num_groups]
        y[:, g::num_groups] = grouped(part, 1, eps)
    return (1 + scale[:, :, None, None]) * y + shift[:, :, None, None]


@wrong("ada-group-norm")
def last_group_forgotten(x, scale, shift, num_groups, eps=1e-5):
    y, size = np.zeros_like(x), x.shape[1] // num_groups
    for g in range(num_groups - 1):
        part = np.s_[:, g * size : (g + 1) * size]
        y[part] = grouped(x[part], 1, eps)
    return (1 + scale[:, :, None, None]) * y + shift[:, :, None, None]


@wrong("adaln-zero")
def eps_of_the_layer_written_out(x, scale, shift, gate, weight, eps=1e-6):
    h = (1 + scale[:, None]) * layered(x, 1e-6) + shift[:, None]
    return x + gate[:, None] * (h @ weight)


@wrong("adaln-zero")
def eps_of_another_layer_written_out(x, scale, shift, gate, weight, eps=1e-6):
    h = (1 + scale[:, None]) * layered(x, 1e-5) + shift[:, None]
    return x + gate[:, None] * (h @ weight)


@wrong("adaln-zero")
def gates_the_sum(x, scale, shift, gate, weight, eps=1e-6):
    h = (1 + scale[:, None]) * layered(x, eps) + shift[:, None]
    return gate[:, None] * (x + h @ weight)


@wrong("adaln-zero")
def no_axis_for_the_tokens(x, scale, shift, gate, weight, eps=1e-6):
    h = (1 + scale) * layered(x, eps) + shift
    return x + gate * (h @ weight)


@wrong("adaln-zero")
def weight_before_the_scale(x, scale, shift, gate, weight, eps=1e-6):
    h = (1 + scale[:, None]) * (layered(x, eps) @ weight) + shift[:, None]
    return x + gate[:, None] * h


@wrong("adaln-zero")
def adds_into_x(x, scale, shift, gate, weight, eps=1e-6):
    h = (1 + scale[:, None]) * layered(x, eps) + shift[:, None]
    x += gate[:, None] * (h @ weight)
    return x


@wrong("adaln-zero")
def minus_the_branch(x, scale, shift, gate, weight, eps=1e-6):
    h = (1 + scale[:, None]) * layered(x, eps) + shift[:, None]
    return x - gate[:, None] * (h @ weight)


@wrong("demodulate")
def eps_of_the_weights_written_out(weight, style, eps=1e-8):
    w = style[:, None, :, None, None] * weight
    return w / np.sqrt((w**2).sum((2, 3, 4), keepdims=True) + 1e-8)


@wrong("demodulate")
def style_on_the_outputs(weight, style, eps=1e-8):
    w = style[:, : weight.shape[0], None, None, None] * weight
    return w / np.sqrt((w**2).sum((2, 3, 4), keepdims=True) + eps)


@wrong("demodulate")
def one_plus_style(weight, style, eps=1e-8):
    w = (1 + style[:, None, :, None, None]) * weight
    return w / np.sqrt((w**2).sum((2, 3, 4), keepdims=True) + eps)


@wrong("demodulate")
def norm_of_all_outputs(weight, style, eps=1e-8):
    w = style[:, None, :, None, None] * weight
    return w / np.sqrt((w**2).sum((1, 2, 3, 4), keepdims=True) + eps)


@wrong("demodulate")
def style_squared(weight, style, eps=1e-8):
    w = (style**2)[:, None, :, None, None] * weight
    return w / np.sqrt((w**2).sum((2, 3, 4), keepdims=True) + eps)
