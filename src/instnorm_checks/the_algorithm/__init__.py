"""The assignment "The algorithm": instance norm with loops, then vectorised, then what it keeps.

Each aspect is about one idea: `instnorm_checks.cases` says how the cases see to that. In
the vectorised exercise gamma = 1 and beta = 0 wherever the aspect is not about them.
"""

from .contrast_scores import CONTRAST
from .instance_norm import VECTORISED
from .instance_norm_loops import LOOPS

EXERCISES = (LOOPS, VECTORISED, CONTRAST)
