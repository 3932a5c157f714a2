"""The assignment "Invariance": the Jacobian, what it leaves free, and the way back through it.

The cases keep the ideas apart. At eps = 0 nobody can be wrong about eps; where eps counts, it is
within a factor of ten of the variance, so that no honest tolerance for a rank takes the singular
value eps / s³ for 0. Planes are of ordinary size, so that differences instead of a formula are
accurate enough too. Two values at eps = 0 are a power of two apart: then their Jacobian is exactly
0 in floating point, and its rank does not depend on what a program compares rounding errors with.
"""

from .in_backward import BACKWARD
from .in_constraints import CONSTRAINTS
from .in_jacobian import JACOBIAN

EXERCISES = (JACOBIAN, CONSTRAINTS, BACKWARD)
