"""The family for PyTorch: its own functions and layers, computed by our kernels.

    from instnorm.torch import InstanceNorm2d      # in place of torch.nn.InstanceNorm2d

Functions have the signatures of torch.nn.functional. Layers are torch's own, with the arithmetic
replaced: constructor arguments, checks, buffers and state dicts are those of torch.nn, so a trained
model moves between the two. The kernels read and write the memory of the tensors: CPU tensors as
NumPy arrays, CUDA tensors as CuPy arrays on torch's current stream.

Where we differ from torch, we mean to:

    one value per set     an error everywhere; torch's group and layer norm return the bias
    eps, momentum         eps must not be negative (0 is allowed), momentum is from 0 to 1
    a constant plane      gives exactly the bias, however large its value
    second derivatives    not available; torch has them

In error messages of the kernels `input` is x, `weight` is gamma and `bias` is beta.
"""

import math
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from . import norms


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
    """`norms.instance_norm` with the signature of torch.nn.functional.instance_norm.

    Running moments are the means over the images of each plane's mean and unbiased variance.
    """
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if running_mean is None and running_var is None:
        return _apply("instance_norm", input, weight, bias, eps=eps)
    if input.ndim < 3:
        raise ValueError(
            f"input must have shape (N, C, L), (N, C, H, W) or (N, C, D, H, W); "
            f"got {tuple(input.shape)}"
        )
    # With a memory it is batch norm of one image, whose channels are all the planes of the batch.
    images, channels = input.shape[:2]
    one_image = input.reshape(1, images * channels, *input.shape[2:])
    weight, bias = (p if p is None else p.repeat(images) for p in (weight, bias))
    memories = [r if r is None else r.repeat(images) for r in (running_mean, running_var)]
    y = batch_norm(one_image, *memories, weight, bias, True, momentum, eps)
    if images:
        for running, memory in zip((running_mean, running_var), memories, strict=True):
            running.copy_(memory.view(images, channels).mean(0))
    return y.view(input.shape)


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """`norms.group_norm` with the signature of torch.nn.functional.group_norm."""
    return _apply("group_norm", input, weight, bias, num_groups=num_groups, eps=eps)


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """`norms.layer_norm` with the signature of torch.nn.functional.layer_norm.

    torch gives every element of the last axes its own weight and bias. To the kernel they are the
    channels of an (R, M) matrix. One weight per channel of (C, H, W), as in the group norm paper,
    is `group_norm` with one group.
    """
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
    weight, bias = (p if p is None else p.reshape(-1) for p in (weight, bias))
    return _apply("layer_norm", matrix, weight, bias, eps=eps).view(input.shape)


# torch.compile would rewrite the NumPy inside; here it calls the kernels as they are.
@torch.compiler.disable
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
    """`norms.batch_norm` with the signature of torch.nn.functional.batch_norm."""
    if not training:
        forward, backward = (
            partial(_by_moments, f, eps) for f in (norms.batch_norm, norms.batch_norm_backward)
        )
        return _Kernel.apply(forward, backward, input, weight, bias, running_mean, running_var)
    mean, var = (_array(t, input.device) for t in (running_mean, running_var))
    forward = partial(
        norms.batch_norm, running_mean=mean, running_var=var, momentum=momentum, eps=eps
    )
    y = _Kernel.apply(forward, partial(norms.batch_norm_backward, eps=eps), input, weight, bias)
    if running_mean is not None:
        # The kernel wrote to them behind torch's back. Told so, torch refuses the gradient of an
        # earlier pass that normalised by the old values.
        torch.autograd.graph.increment_version([running_mean, running_var])
    return y


def _by_moments(batch_norm, eps, *arrays, **rest):
    """`batch_norm` or its gradient outside training; the last two arrays are the moments."""
    *arrays, mean, var = arrays
    return batch_norm(*arrays, running_mean=mean, running_var=var, training=False, eps=eps, **rest)


@torch.compiler.disable
def _apply(name, input, weight, bias, **options):
    forward = partial(getattr(norms, name), **options)
    backward = partial(getattr(norms, f"{name}_backward"), **options)
    return _Kernel.apply(forward, backward, input, weight, bias)


class _Kernel(torch.autograd.Function):
    """A kernel and its gradient in torch's graph: y = forward(x, *constants, weight, bias)."""

    @staticmethod
    def forward(ctx, forward, backward, x, weight, bias, *constants):
        ctx.save_for_backward(x, weight, *constants)
        ctx.kernel = backward
        y = torch.empty_like(x)
        with _stream_of(x):
            out, gamma, beta, *arrays = (
                _array(t, x.device) for t in (y, weight, bias, x, *constants)
            )
            forward(*arrays, gamma=gamma, beta=beta, out=out)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, weight, *constants = ctx.saved_tensors
        with _stream_of(x):
            gamma, *arrays = (_array(t, x.device) for t in (weight, dy, x, *constants))
            gradients = [_tensor(a) for a in ctx.kernel(*arrays, gamma=gamma)]
        wanted = zip(gradients, ctx.needs_input_grad[2:5], strict=True)
        return None, None, *(g if w else None for g, w in wanted), *(None for _ in constants)


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
    """torch.nn.GroupNorm by our kernels: (N, C, *). With one group, layer norm over (C, *)."""

    def forward(self, input):
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


class LayerNorm(nn.LayerNorm):
    """torch.nn.LayerNorm by our kernels: over the last axes, with a weight for every element.

    LayerNorm((C, H, W)) learns C·H·W weights. For one weight per channel take GroupNorm(1, C).
    """

    def forward(self, input):
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


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
