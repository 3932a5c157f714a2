"""The assignment "Domain shift": made-up styles, adapted moments, a divided norm, a leaking batch.

Each aspect is about one idea. `instnorm_checks.cases` says how its pictures see to that: eps shows
in faint pictures alone, and where an aspect is not about what is pooled, pooling changes nothing.
"""

from .adapt_batch_norm import ADAPT_BATCH_NORM
from .batch_leakage import BATCH_LEAKAGE
from .ibn import IBN
from .mixstyle import MIXSTYLE

EXERCISES = (MIXSTYLE, ADAPT_BATCH_NORM, IBN, BATCH_LEAKAGE)
