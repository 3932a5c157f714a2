"""The assignment "The brain": a shared pool, instance norm as a neuron, and a population's tuning.

The cases keep ideas apart where the mathematics allows it: a neuron alone has no pool to get wrong,
a stimulus alone no neighbour, a bare pattern no mask, a single grating nothing to add.
"""

from .contrast_response import CONTRAST
from .divisive_normalisation import DIVISIVE
from .tuning_curves import TUNING

EXERCISES = (DIVISIVE, CONTRAST, TUNING)
