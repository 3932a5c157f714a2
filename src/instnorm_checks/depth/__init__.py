"""The assignment "Depth": why the input alone won't do, which comes first, and a layer for PyTorch.

As everywhere, each aspect is about one idea (see `instnorm_checks.cases`). In a stack of
layers that takes some care: where every layer is normalised the weights are in the thousands, so
that eps = 1e-5 can't be seen, and no channel is dead, so that nobody divides by 0.
"""

from .deep_stats import LAYER_BY_LAYER
from .in_function import FUNCTION
from .in_relu_order import ORDER
from .rectified_moments import MOMENTS

EXERCISES = (MOMENTS, LAYER_BY_LAYER, ORDER, FUNCTION)
