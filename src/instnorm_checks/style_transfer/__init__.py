"""The assignment "Style transfer": Gram matrices, a table of styles, AdaIN, WCT.

Each aspect is about one idea. `instnorm_checks.cases` says how its pictures see to that. In
the last exercise planes have mean 0 wherever the aspect is not about means, and there is one image
wherever it is not about images. The outputs of the last two exercises cross 0, where the tolerance
is smallest, so that eps hides only behind very large numbers: theirs are in thousandths of a count.
"""

from .adain import ADAIN
from .conditional_in import CONDITIONAL
from .gram_matrix import GRAM
from .wct import WCT

EXERCISES = (GRAM, CONDITIONAL, ADAIN, WCT)
