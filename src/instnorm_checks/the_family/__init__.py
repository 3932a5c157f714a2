"""The assignment "The family": whose mean is it? By axes, by groups, and with a memory.

Each aspect is about one idea. `instnorm_checks.cases` says how its pictures see to that; in
`checkered` pictures no choice of axes can be seen at all.
"""

from .batch_norm import WITH_MEMORY
from .group_norm import GROUPS
from .identify_norm import BLACK_BOX
from .normalize_over import WHICH_AXES

EXERCISES = (WHICH_AXES, BLACK_BOX, GROUPS, WITH_MEMORY)
