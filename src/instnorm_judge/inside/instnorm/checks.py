"""The former name of `instnorm_checks`, for notebooks handed out under it."""

from instnorm_checks import check, public_case

__all__ = ["check", "public_case"]
