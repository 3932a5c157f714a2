"""Checks that teach: they find what is wrong with an answer, and say which idea went astray.

::

    check("instance-norm", instance_norm)  # try a function on the public cases
    grade("instance-norm", instance_norm)  # the same on public and hidden cases

Both show a report and return the points earned; `report` gives it as text and HTML instead. The
function is only ever called by value, with copies of arrays, numbers and words, so it may as well
be a proxy for one in another process. References, expected values and hidden inputs are never
handed to it, other than as the arguments of a call.

What fails here, rather than in the function, is an InternalError: loud, and no mark.
"""

import copy
import difflib
import os
import secrets
import sys

from . import (
    depth,
    domain_shift,
    fast_kernels,
    invariance,
    limits,
    modulation,
    signals,
    style_transfer,
    the_algorithm,
    the_brain,
    the_family,
)
from .engine.diagnosis import examine
from .engine.faults import InternalError
from .engine.mark import MIME, Mark
from .engine.report import Report, not_a_function, not_adapted, report_on

__all__ = [
    "EXERCISES",
    "MIME",
    "InternalError",
    "Mark",
    "Report",
    "check",
    "exercise",
    "grade",
    "grading_seed",
    "public_case",
    "report",
]

# The assignments, in the order of the book.
ASSIGNMENTS = (
    the_algorithm,
    invariance,
    the_family,
    depth,
    limits,
    style_transfer,
    modulation,
    domain_shift,
    signals,
    the_brain,
    fast_kernels,
)
EXERCISES = {each.id: each for assignment in ASSIGNMENTS for each in assignment.EXERCISES}

SEED = "INSTNORM_GRADING_SEED"
CASES = "INSTNORM_GRADING_CASES"  # "public": `grade` leaves the hidden ones for later


def check(exercise_id, function):
    """Try `function` on the public cases; show a report and return the points earned.

    Parameters
    ----------
    exercise_id : str, such as "instance-norm"
    function : callable
        The answer, with the signature that the exercise asks for.

    Returns
    -------
    mark : Mark
        The points earned on the public cases.

    Raises
    ------
    ValueError
        If no exercise has that id.
    InternalError
        If the check itself fails; there is no mark then.
    """
    return _show(report(exercise_id, function, timed=True))


def grade(exercise_id, function):
    """Like `check`, with hidden cases too, drawn from the seed in INSTNORM_GRADING_SEED.

    Parameters and results are those of `check`.

    Raises
    ------
    ValueError
        If no exercise has that id, or INSTNORM_GRADING_SEED is set to anything but a whole number
        that is not negative.
    InternalError
        If the check itself fails; there is no mark then.
    """
    seed = None if os.environ.get(CASES) == "public" else grading_seed()
    return _show(report(exercise_id, function, seed=seed))


def report(exercise_id, function, *, seed=None, timed=False):
    """What `check` and `grade` show, without showing it.

    Parameters
    ----------
    exercise_id : str, such as "instance-norm"
    function : callable
        The answer, with the signature that the exercise asks for.
    seed : int or None
        Hidden cases are drawn from it, and tried too; with None they are not.
    timed : bool
        Whether to say how fast the answer is, where the exercise asks for speed. That is worth no
        points.

    Returns
    -------
    report : Report, with `text`, `html` and `mark`

    Raises
    ------
    ValueError, InternalError
        As `check`.
    """
    asked = exercise(exercise_id) if timed else exercise(exercise_id).untimed
    if not callable(function):
        return not_a_function(asked, function)
    # Here, in a notebook: a function in another process shows nothing but how to call it.
    in_a_notebook = getattr(function, "__module__", None) == "__main__"
    if asked.adapter and in_a_notebook and not hasattr(function, asked.adapter):
        return not_adapted(asked)
    return report_on(examine(asked, function, seed))


def public_case(exercise_id, aspect, k=0):
    """The arguments of public case `k` of an aspect, to try a function on by hand.

    Parameters
    ----------
    exercise_id, aspect : str, as a report names them
    k : int, counted from 0

    Returns
    -------
    arguments : dict of copies, by the names of the function's parameters

    Raises
    ------
    ValueError
        If no exercise has that id.
    """
    return copy.deepcopy(dict(exercise(exercise_id).aspect(aspect).public[k]))


def exercise(exercise_id):
    """The exercise of that id.

    Raises
    ------
    ValueError
        If there is none; the message names those that there are.
    """
    if exercise_id not in EXERCISES:
        near = difflib.get_close_matches(str(exercise_id), EXERCISES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ValueError(
            f"no exercise is called {exercise_id!r}{hint} There are: {', '.join(EXERCISES)}"
        )
    return EXERCISES[exercise_id]


def grading_seed():
    """The seed of the hidden cases: that in INSTNORM_GRADING_SEED, or else one drawn at random.

    Every report states it, so that a mark can be reproduced.

    Raises
    ------
    ValueError
        If INSTNORM_GRADING_SEED is set to anything but a whole number that is not negative.
    """
    text = os.environ.setdefault(SEED, str(secrets.randbits(48)))
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{SEED} must be a whole number of 0 or more; got {text!r}")
    return int(text)


def _show(report):
    """Show a report, richly where a notebook is looking on; its mark."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if hasattr(shell, "kernel"):
        ipython.display.display(report)
    else:
        print(report.text)
    return report.mark
