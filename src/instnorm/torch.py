"""The family for PyTorch: its own functions and layers, computed by our kernels.

::

    from instnorm.torch import InstanceNorm2d  # in place of torch.nn.InstanceNorm2d

Functions have the signatures of torch.nn.functional. Layers are torch's own, with the arithmetic
replaced: constructor arguments, checks, buffers and state dicts are those of torch.nn, so a trained
model moves between the two. The kernels read and write the memory of the tensors: CPU tensors as
NumPy arrays, CUDA tensors as CuPy arrays on torch's current stream.

They are operators that PyTorch knows (torch.ops.instnorm): second and higher derivatives,
torch.compile, vmap, jacrev and meta tensors work; forward-mode derivatives do not, and say so.
An exported model (torch.export, ONNX) has torch's own operators in their place, since it is to run
where this package is not.

Where we differ from torch, we mean to:

- A set of one value is an error everywhere; torch's group and layer norm return the bias.
- eps must not be negative (0 is allowed), and momentum must lie between 0 and 1.
- A constant plane gives exactly the bias, however large its value.

In error messages of the kernels `input` is called x, `weight` gamma and `bias` beta.
"""

import math
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional as F

from . import norms
from .arguments import (
    check_activations,
    check_both_running,
    check_moments,
    check_momentum,
    check_same_shape,
)
from .layout import Layout

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "RMSNorm",
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "rms_norm",
]


def instance_norm(
    input,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats=True,
    momentum=0.1,
    eps=1e-5,
):
    """`instnorm.instance_norm` with the signature of torch.nn.functional.instance_norm.

    Running moments are the means over the images of each plane's mean and unbiased variance.
    """
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if _exporting():
        return F.instance_norm(input, running_mean, running_var, weight, bias, True, momentum, eps)
    if input.ndim < 3:
        raise ValueError(
            f"input must have shape (N, C, L), (N, C, H, W) or (N, C, D, H, W), so x must have "
            f"shape (N, C, *spatial); got {tuple(input.shape)}"
        )
    momentum = _check_running(input, running_mean, running_var, True, momentum)
    y, mean, var = _call(standardise, input, weight, bias, input.shape[1], False, True, float(eps))
    if running_mean is not None and input.shape[0]:
        _update(running_mean, running_var, momentum, mean, var, input[0, 0].numel())
    return y


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """`instnorm.group_norm` with the signature of torch.nn.functional.group_norm."""
    if _exporting():
        return F.group_norm(input, num_groups, weight, bias, eps)
    if input.ndim < 2:
        raise ValueError(f"x must have shape (N, C, ...); got {tuple(input.shape)}")
    norms.check_num_groups(num_groups, input.shape[1])
    return _call(standardise, input, weight, bias, num_groups, False, True, float(eps))[0]


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """`instnorm.layer_norm` with the signature of torch.nn.functional.layer_norm.

    torch gives every element of the last axes its own weight and bias. To the kernel they are the
    channels of an (R, M) matrix. One weight per channel of (C, H, W), as in the group norm paper,
    is `group_norm` with one group.
    """
    if _exporting():
        return F.layer_norm(input, normalized_shape, weight, bias, eps)
    matrix, weight, bias = _as_matrix(input, normalized_shape, weight, bias)
    y = _call(standardise, matrix, weight, bias, 1, False, True, float(eps))[0]
    return y.view(input.shape)


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """`instnorm.rms_norm` with the signature of torch.nn.functional.rms_norm."""
    if _exporting():
        return F.rms_norm(input, normalized_shape, weight, eps)
    eps = torch.finfo(input.dtype).eps if eps is None else float(eps)
    matrix, weight, _ = _as_matrix(input, normalized_shape, weight, None)
    return _call(standardise, matrix, weight, None, 1, False, False, eps)[0].view(input.shape)


def batch_norm(
    input,
    running_mean,
    running_var,
    weight=None,
    bias=None,
    training=False,
    momentum=0.1,
    eps=1e-5,
):
    """`instnorm.batch_norm` with the signature of torch.nn.functional.batch_norm."""
    if _exporting():
        return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if input.ndim < 2:
        raise ValueError(f"x must have shape (N, C, ...); got {tuple(input.shape)}")
    momentum = _check_running(input, running_mean, running_var, training, momentum)
    if not training:
        return _call(normalise_by, input, running_mean, running_var, weight, bias, float(eps))
    y, mean, var = _call(standardise, input, weight, bias, input.shape[1], True, True, float(eps))
    if running_mean is not None and input.numel():
        count = input.numel() // input.shape[1]
        _update(running_mean, running_var, momentum, mean, var, count)
    return y


def _exporting():
    """Whether a model is being exported."""
    return torch.compiler.is_exporting() or torch.onnx.is_in_onnx_export()


def _as_matrix(input, normalized_shape, weight, bias):
    """(leading, normalised) axes of `input`, and weight and bias as its channels."""
    shape = tuple(normalized_shape)
    if not shape or tuple(input.shape[-len(shape) :]) != shape:
        raise ValueError(
            f"input must end in the axes of normalized_shape, {shape}; got {tuple(input.shape)}"
        )
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is not None and tuple(parameter.shape) != shape:
            raise ValueError(
                f"{name} must have the shape of normalized_shape, {shape}; "
                f"got {tuple(parameter.shape)}"
            )
    leading = input.shape[: input.ndim - len(shape)]
    matrix = input.reshape(math.prod(leading), math.prod(shape))
    return matrix, *(p if p is None else p.reshape(-1) for p in (weight, bias))


def _check_running(input, running_mean, running_var, training, momentum):
    """momentum as a float, in training; raises unless it and the running moments fit."""
    check_both_running(running_mean, running_var, training)
    for name, running in (("running_mean", running_mean), ("running_var", running_var)):
        if running is not None and tuple(running.shape) != (input.shape[1],):
            raise ValueError(
                f"{name} must have shape ({input.shape[1]},), one value per channel; "
                f"got {tuple(running.shape)}"
            )
    return check_momentum(momentum) if training else None


@torch.no_grad()
def _update(running_mean, running_var, momentum, mean, var, count):
    """Move the running moments towards the mean of (A, C) moments of `count` numbers each."""
    batch = mean.mean(0), var.mean(0) * (count / (count - 1))
    for running, moment in zip((running_mean, running_var), batch, strict=True):
        running.copy_((1 - momentum) * running.double() + momentum * moment.detach())


# --- the operators -------------------------------------------------------------------------------


@torch.library.custom_op("instnorm::standardise", mutates_args=())
def standardise(
    x: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    num_groups: int,
    over_batch: bool,
    centre: bool,
    eps: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The family: y, and the mean and variance of each set, (A, G) float64. See `Layout`."""
    y = torch.empty_like(x)
    with _stream_of(x):
        out, gamma, beta, array = (_array(t, x.device) for t in (y, weight, bias, x))
        eps = _check(array, gamma, beta, num_groups, over_batch, centre, eps)
        layout = Layout(array, num_groups, over_batch)
        _, mean, var = norms._standardise(layout, gamma, beta, eps, out, centre)
        return y, _tensor(mean), _tensor(var)


@torch.library.custom_op("instnorm::standardise_backward", mutates_args=())
def standardise_backward(
    dy: torch.Tensor,
    x: torch.Tensor,
    weight: torch.Tensor | None,
    mean: torch.Tensor,
    var: torch.Tensor,
    num_groups: int,
    over_batch: bool,
    centre: bool,
    eps: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """dx, and the gradients of weight and bias, in the dtype of weight (float64 without one).

    mean and var are those that `standardise` returned for x.
    """
    dx = torch.empty_like(x)
    with _stream_of(x):
        arrays = (_array(t, x.device) for t in (dx, weight, dy, x, mean, var))
        out, gamma, dy, array, *moments = arrays
        check_same_shape("dy", dy, "x", array)
        eps = _check(array, gamma, None, num_groups, over_batch, centre, eps)
        check_moments(moments, (1 if over_batch else len(array), num_groups), array)
        layout = Layout(array, num_groups, over_batch)
        _, *sums = norms._gradients(dy, layout, gamma, eps, centre, moments, out)
        dtype = torch.float64 if weight is None else weight.dtype
        return dx, *(_tensor(a).to(dtype) for a in sums)


@torch.library.custom_op("instnorm::normalise_by", mutates_args=())
def normalise_by(
    x: torch.Tensor,
    mean: torch.Tensor,
    var: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    eps: float,
) -> torch.Tensor:
    """Batch norm outside training: by moments (C,) that are constants."""
    y = torch.empty_like(x)
    with _stream_of(x):
        arrays = (_array(t, x.device) for t in (y, weight, bias, mean, var, x))
        out, gamma, beta, mean, var, x = arrays
        moments = {"running_mean": mean, "running_var": var, "training": False}
        norms.batch_norm(x, gamma, beta, **moments, eps=eps, out=out)
    return y


def _check(x, gamma, beta, num_groups, over_batch, centre, eps):
    check_activations("x", x, spatial=0)
    kinds = {1: norms.LAYER_SET, x.shape[1]: norms.INSTANCE_SET}
    what = norms.BATCH_SET if over_batch else kinds.get(num_groups, norms.GROUP_SET)
    sets = num_groups * (1 if over_batch else x.shape[0])
    return norms._check(x, sets, gamma, beta, eps, what if centre else norms.RMS_SET)


# Shapes and dtypes of the results, for tensors without memory.


@standardise.register_fake
def _(x, weight, bias, num_groups, over_batch, centre, eps):
    _check_parameters(x, weight, bias)
    sets = (1 if over_batch else x.shape[0], num_groups)
    moments = (x.new_empty(sets, dtype=torch.float64) for _ in range(2))
    return torch.empty_like(x), *moments


@standardise_backward.register_fake
def _(dy, x, weight, mean, var, num_groups, over_batch, centre, eps):
    dtype = torch.float64 if weight is None else weight.dtype
    gradients = (x.new_empty((x.shape[1],), dtype=dtype) for _ in range(2))
    return torch.empty_like(x), *gradients


@normalise_by.register_fake
def _(x, mean, var, weight, bias, eps):
    _check_parameters(x, weight, bias)
    return torch.empty_like(x)


def _check_parameters(x, weight, bias):
    for name, parameter in (("gamma", weight), ("beta", bias)):
        if parameter is not None and parameter.device != x.device:
            raise ValueError(
                f"all tensors must be on one device; got {x.device} and {parameter.device}"
            )
        if parameter is not None and parameter.shape != x.shape[1:2]:
            raise ValueError(
                f"{name} must have shape ({x.shape[1]},), one value per channel; "
                f"got {tuple(parameter.shape)}"
            )


# Derivatives.


def _keep(ctx, inputs, output):
    x, weight, bias, *ctx.options = inputs
    ctx.save_for_backward(x, weight, *output[1:])
    ctx.mark_non_differentiable(*output[1:])
    ctx.bias_dtype = None if bias is None else bias.dtype


def _backward(ctx, dy, *_):
    x, weight, *moments = ctx.saved_tensors
    dx, dweight, dbias = _call(standardise_backward, dy, x, weight, *moments, *ctx.options)
    if ctx.bias_dtype is not None:
        dbias = dbias.to(ctx.bias_dtype)
    none = (None,) * 4
    return dx, None if weight is None else dweight, None if ctx.bias_dtype is None else dbias, *none


def _keep_for_second(ctx, inputs, output):
    dy, x, weight, _, _, *ctx.options = inputs
    ctx.save_for_backward(dy, x, weight)


def _second_backward(ctx, v, k, b):
    """The gradient of `standardise_backward`, in torch's own operators, so of any order.

    With s = 1 / sqrt(var + eps), bars for means over a set and P u = u - ū - x̂ · mean(u x̂), the
    gradient is dx = s P g for g = w dy. Its inner product with v is

        L = s (A - B C / M),   A = Σ v (g - ḡ),   B = Σ v x̂,   C = Σ g x̂.

    L depends on x through x̂ (then dL/dx = s P dL/dx̂) and through s (ds/dx = -s² x̂ / M).
    v, k and b are what comes back for dx, dweight and dbias; dweight = Σ dy x̂, dbias = Σ dy. That
    mean and variance, which come with x, depend on x is part of L.
    """
    dy, x, weight = ctx.saved_tensors
    num_groups, over_batch, centre, eps = ctx.options
    dtype = torch.promote_types(torch.promote_types(x.dtype, dy.dtype), torch.float32)

    def sets(t):
        n, c = x.shape[:2]
        t = t.to(dtype).reshape(n, c, -1)
        return t.transpose(0, 1)[None] if over_batch else t.reshape(n, num_groups, -1, t.shape[2])

    def back(t):
        t = t[0].transpose(0, 1) if over_batch else t
        return t.reshape(x.shape).to(x.dtype)

    def lines(p):
        p = torch.ones_like(x[0, :, ...].reshape(x.shape[1], -1)[:, 0]) if p is None else p
        return p.to(dtype).reshape(num_groups, -1)[:, :, None]

    def mean(t):
        return t.mean((2, 3), keepdim=True)

    def project(t):
        t = t - mean(t) if centre else t
        return t - xhat * mean(t * xhat)

    xs, d, v, w, k, b = sets(x), sets(dy), sets(v), lines(weight), lines(k), lines(b)
    t = xs - mean(xs) if centre else xs
    s = (mean(t * t) + eps).rsqrt()
    xhat = t * s
    g = w * d
    within = v * (g - mean(g)) if centre else v * g
    along_v, along_g = mean(v * xhat), mean(g * xhat)
    for_v = s * project(v)
    through_xhat = k * d - s * (along_g * v + along_v * g)
    through_s = s * s * xhat * (mean(within) - along_v * along_g)
    grad_x = s * project(through_xhat) - through_s
    grad_dy = w * for_v + k * xhat + b
    grad_w = None
    if weight is not None:
        grad_w = (d * for_v).sum((0, 3)) if not over_batch else (d * for_v).sum((0, 2, 3))
        grad_w = grad_w.reshape(-1).to(weight.dtype)
    none = (None,) * 6
    return back(grad_dy).to(dy.dtype), back(grad_x), grad_w, *none


def _keep_moments(ctx, inputs, output):
    x, mean, var, weight, bias, ctx.eps = inputs
    ctx.save_for_backward(x, mean, var, weight)
    ctx.bias_dtype = None if bias is None else bias.dtype


def _backward_by(ctx, dy):
    x, mean, var, weight = ctx.saved_tensors
    wide = torch.promote_types(torch.promote_types(x.dtype, var.dtype), torch.float32)
    shape, axes = (-1,) + (1,) * (x.ndim - 2), (0, *range(2, x.ndim))
    rstd = (var.to(wide) + ctx.eps).rsqrt().reshape(shape)
    dy = dy.to(wide)
    w = 1 if weight is None else weight.to(wide).reshape(shape)
    dx = (dy * (w * rstd)).to(x.dtype)
    dweight = dbias = None
    if weight is not None:
        xhat = (x.to(wide) - mean.to(wide).reshape(shape)) * rstd
        dweight = (dy * xhat).sum(axes).to(weight.dtype)
    if ctx.bias_dtype is not None:
        dbias = dy.sum(axes).to(ctx.bias_dtype)
    return dx, None, None, dweight, dbias, None


# vmap: as more images where a set lies within an image; otherwise one after the other.


def _many(info, in_dims, x, weight, bias, num_groups, over_batch, centre, eps):
    options = num_groups, over_batch, centre, eps
    if over_batch or in_dims[0] is None or in_dims[1] is not None or in_dims[2] is not None:
        return _one_by_one(standardise, info, in_dims, x, weight, bias, *options)
    x = x.movedim(in_dims[0], 0)
    results = _call(standardise, x.flatten(0, 1), weight, bias, *options)
    return tuple(r.unflatten(0, x.shape[:2]) for r in results), (0, 0, 0)


def _one_by_one(operator, info, in_dims, *arguments):
    calls = []
    for i in range(info.batch_size):
        each = zip(arguments, in_dims, strict=True)
        calls.append(_call(operator, *(a if d is None else a.select(d, i) for a, d in each)))
    if isinstance(calls[0], torch.Tensor):
        return torch.stack(calls), 0
    return tuple(torch.stack(parts) for parts in zip(*calls, strict=True)), (0,) * len(calls[0])


# torch.func differentiates an autograd.Function, and ignores what an operator has registered.
_FUNCTIONS = {}


def _call(operator, *arguments):
    if torch._C._are_functorch_transforms_active():
        return _FUNCTIONS[operator].apply(*arguments)
    return operator(*arguments)


def _differentiable(operator, keep, backward, many):
    """Register the derivative of an operator, and its rule for vmap."""
    operator.register_autograd(backward, setup_context=keep)
    operator.register_vmap(many)
    methods = {
        "forward": staticmethod(operator),
        "setup_context": staticmethod(keep),
        "backward": staticmethod(backward),
        "vmap": staticmethod(many),
    }
    _FUNCTIONS[operator] = type(operator._name, (torch.autograd.Function,), methods)


def _each(operator):
    return lambda info, in_dims, *arguments: _one_by_one(operator, info, in_dims, *arguments)


_differentiable(standardise, _keep, _backward, _many)
_differentiable(
    standardise_backward, _keep_for_second, _second_backward, _each(standardise_backward)
)
_differentiable(normalise_by, _keep_moments, _backward_by, _each(normalise_by))


# --- the memory of tensors -----------------------------------------------------------------------


def _array(tensor, device):
    """The memory of a tensor as a NumPy or CuPy array; None stays None."""
    if tensor is None:
        return None
    if tensor.device != device:
        raise ValueError(f"all tensors must be on one device; got {device} and {tensor.device}")
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        # NumPy has no bfloat16 of its own: hand over the bits, then say what they mean.
        import ml_dtypes

        return _array(tensor.view(torch.int16), device).view(ml_dtypes.bfloat16)
    if device.type == "cpu":
        return tensor.numpy()
    if device.type == "cuda":
        return _cupy().from_dlpack(tensor)
    raise ValueError(f"tensors must be on the CPU or on a CUDA device; got {device}")


def _tensor(array):
    """The memory of a NumPy or CuPy array as a tensor."""
    if array.dtype.name == "bfloat16":
        return _tensor(array.view("int16")).view(torch.bfloat16)
    return torch.from_dlpack(array)


@contextmanager
def _stream_of(tensor):
    """Let CuPy work on the device of a CUDA tensor, on the stream that torch works on."""
    if tensor.device.type != "cuda":
        yield
        return
    cupy = _cupy()
    stream = torch.cuda.current_stream(tensor.device).cuda_stream
    with cupy.cuda.Device(tensor.device.index), cupy.cuda.ExternalStream(stream):
        yield


def _cupy():
    try:
        import cupy
    except ImportError as error:
        raise ModuleNotFoundError(
            "CUDA tensors need CuPy, which is not installed. Install the package for your CUDA "
            "version, for example: pip install cupy-cuda12x"
        ) from error
    return cupy


class _InstanceNorm:
    def _apply_instance_norm(self, input):
        return instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum or 0.0,
            self.eps,
        )


class InstanceNorm1d(_InstanceNorm, nn.InstanceNorm1d):
    """torch.nn.InstanceNorm1d by our kernels: (N, C, L) or (C, L)."""


class InstanceNorm2d(_InstanceNorm, nn.InstanceNorm2d):
    """torch.nn.InstanceNorm2d by our kernels: (N, C, H, W) or (C, H, W)."""


class InstanceNorm3d(_InstanceNorm, nn.InstanceNorm3d):
    """torch.nn.InstanceNorm3d by our kernels: (N, C, D, H, W) or (C, D, H, W)."""


class GroupNorm(nn.GroupNorm):
    """torch.nn.GroupNorm by our kernels: (N, C, ...). With one group, layer norm over (C, ...)."""

    def forward(self, input):
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


class LayerNorm(nn.LayerNorm):
    """torch.nn.LayerNorm by our kernels: over the last axes, with a weight for every element.

    LayerNorm((C, H, W)) learns C·H·W weights. For one weight per channel take GroupNorm(1, C).
    """

    def forward(self, input):
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


class RMSNorm(nn.RMSNorm):
    """torch.nn.RMSNorm by our kernels: over the last axes, with a weight for every element."""

    def forward(self, input):
        return rms_norm(input, self.normalized_shape, self.weight, self.eps)


class _BatchNorm:
    def forward(self, input):
        self._check_input_dim(input)
        remembers = self.training and self.track_running_stats
        momentum = self.momentum
        if momentum is None:  # the running moments are plain means over all batches so far
            momentum = 1 / (1 + int(self.num_batches_tracked)) if remembers else 0.0
        known = remembers or not self.training
        y = batch_norm(
            input,
            self.running_mean if known else None,
            self.running_var if known else None,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            momentum,
            self.eps,
        )
        if remembers:
            self.num_batches_tracked += 1
        return y


class BatchNorm1d(_BatchNorm, nn.BatchNorm1d):
    """torch.nn.BatchNorm1d by our kernels: (N, C) or (N, C, L)."""


class BatchNorm2d(_BatchNorm, nn.BatchNorm2d):
    """torch.nn.BatchNorm2d by our kernels: (N, C, H, W)."""


class BatchNorm3d(_BatchNorm, nn.BatchNorm3d):
    """torch.nn.BatchNorm3d by our kernels: (N, C, D, H, W)."""
