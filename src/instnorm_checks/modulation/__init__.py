"""The assignment "Modulation": adaptive group norm, a block that begins at zero, demodulation.

Each aspect is about one idea. `instnorm_checks.cases` says how its pictures see to that: in them
pooling changes nothing where the aspect is not about what is pooled, and eps is seen in faint
activations and faint weights alone.
"""

from .ada_group_norm import ADA_GROUP_NORM
from .adaln_zero import ADALN_ZERO
from .demodulate import DEMODULATE

EXERCISES = (ADA_GROUP_NORM, ADALN_ZERO, DEMODULATE)
