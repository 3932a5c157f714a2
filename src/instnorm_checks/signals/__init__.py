"""The assignment "Signals": spectra, speech and series, where instance norm has other names.

Each aspect is about one idea, by the means of `instnorm_checks.cases`: eps is seen in faint
signals alone, and signals have statistics of their own only where that is the point.
"""

from .cmvn import SPEECH
from .revin import THERE
from .revin_inverse import BACK
from .snv import SPECTRA

EXERCISES = (SPECTRA, SPEECH, THERE, BACK)
