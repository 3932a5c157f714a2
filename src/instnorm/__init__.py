"""Reference kernels of the Instance Normalization book.

The family, forward and backward, is in `instnorm.norms`; the arithmetic under it in
`instnorm.rows`; the checks that grade the exercises in `instnorm_checks`.
"""

from .norms import (
    batch_norm,
    batch_norm_backward,
    group_norm,
    group_norm_backward,
    instance_norm,
    instance_norm_backward,
    layer_norm,
    layer_norm_backward,
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
]
