"""The former name of `instnorm_checks`, so that notebooks handed out under it still grade.

It will be gone in the next release.
"""

import warnings

from instnorm_checks import check, grade, public_case

__all__ = ["check", "grade", "public_case"]

warnings.warn(
    "instnorm.checks is now called instnorm_checks; please import check from there",
    FutureWarning,
    stacklevel=2,
)
