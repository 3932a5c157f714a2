"""Reference kernels of the Instance Normalization book.

The family, forward and backward, can be imported from here. What applications add is in modules of
its own (`instnorm.style`, `instnorm.whitening`, ...), which are loaded when first asked for.
`instnorm.torch` is the bridge to PyTorch. The checks that grade the exercises are in
`instnorm_checks`.
"""

from importlib import import_module, metadata

from .norms import (
    batch_norm,
    batch_norm_backward,
    group_norm,
    group_norm_backward,
    instance_norm,
    instance_norm_backward,
    layer_norm,
    layer_norm_backward,
    rms_norm,
    rms_norm_backward,
)

_MODULES = (
    "contrast",
    "demodulation",
    "depth",
    "divisive",
    "family",
    "geometry",
    "identifiability",
    "mixtures",
    "modulation",
    "photometric",
    "planes",
    "series",
    "style",
    "torch",
    "tuning",
    "variance",
    "white_balance",
    "whitening",
)

__all__ = [
    "batch_norm",
    "batch_norm_backward",
    "group_norm",
    "group_norm_backward",
    "instance_norm",
    "instance_norm_backward",
    "layer_norm",
    "layer_norm_backward",
    "rms_norm",
    "rms_norm_backward",
]


def __getattr__(name):
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name == "__version__":
        try:
            return metadata.version("instnorm")
        except metadata.PackageNotFoundError:  # imported from a folder, as in a browser
            return "0+unknown"
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_MODULES, "__version__"})
