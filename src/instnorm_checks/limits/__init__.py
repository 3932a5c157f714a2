"""The assignment "Limits": what instance norm leaves in, what it takes away, and how to tell.

The cases keep the ideas apart. Channels are correlated, with principal variances at least a factor
of 1.8 apart and no principal axis near a right angle to its own channel, so that the order and the
signs that PCA whitening is asked for are never a matter of rounding. Where eps counts the channels
are uncorrelated: there every method is the same diagonal matrix, and hardly anybody loses the point
for eps by a wrong rotation. ('zca-cor' has correlated ones: eps must show in both its factors.)
No pixel is in a shadow. A box's numbers change with the exposure by rounding, or by far more.
"""

from .identifiable import IDENTIFIABLE
from .observation_normalise import OBSERVED
from .photometric_stereo import STEREO
from .whiten import WHITEN

EXERCISES = (WHITEN, STEREO, OBSERVED, IDENTIFIABLE)
