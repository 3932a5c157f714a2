"""Checks that teach: they find what is wrong with an answer, and say which idea went astray.

    check("instance-norm", instance_norm)    try a function on the public cases
    grade("instance-norm", instance_norm)    the same on public and hidden cases

Both print a report and return the points earned. The function is only ever called by value, with
copies of arrays, numbers and words, so it may as well be a proxy for one in another process.
References, expected values and hidden inputs are never handed to it, other than as the arguments of
a call.
"""

import copy
import difflib
import os
import secrets

from . import (
    depth,
    fast_kernels,
    invariance,
    limits,
    signals,
    style_transfer,
    the_algorithm,
    the_brain,
    the_family,
)
from .engine.diagnosis import examine
from .engine.mark import MIME, Mark, mark_of
from .engine.report import not_a_function, render

__all__ = ["EXERCISES", "MIME", "Mark", "check", "exercise", "grade", "grading_seed", "public_case"]

# The assignments, in the order of the book.
ASSIGNMENTS = (
    the_algorithm,
    invariance,
    the_family,
    depth,
    limits,
    style_transfer,
    signals,
    the_brain,
    fast_kernels,
)
EXERCISES = {each.id: each for assignment in ASSIGNMENTS for each in assignment.EXERCISES}

SEED = "INSTNORM_GRADING_SEED"


def check(exercise_id, function):
    """Try `function` on the public cases; print a report and return the points earned."""
    return _examine(exercise(exercise_id), function, seed=None)


def grade(exercise_id, function):
    """Like `check`, with hidden cases too, drawn from the seed in INSTNORM_GRADING_SEED.

    Raises ValueError when that is set to anything but a whole number of 0 or more.
    """
    return _examine(exercise(exercise_id), function, grading_seed())


def public_case(exercise_id, aspect, k=0):
    """The arguments of public case `k` of an aspect, by name: to try a function on by hand."""
    return copy.deepcopy(dict(exercise(exercise_id).aspect(aspect).public[k]))


def exercise(exercise_id):
    """The exercise of that id; ValueError names the ids that exist."""
    if exercise_id not in EXERCISES:
        near = difflib.get_close_matches(str(exercise_id), EXERCISES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ValueError(
            f"no exercise is called {exercise_id!r}{hint} There are: {', '.join(EXERCISES)}"
        )
    return EXERCISES[exercise_id]


def grading_seed():
    """The seed of the hidden cases. Where none is set, one is drawn for this process.

    Every report states it, so that a mark can be reproduced.
    """
    text = os.environ.setdefault(SEED, str(secrets.randbits(48)))
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{SEED} must be a whole number of 0 or more; got {text!r}")
    return int(text)


def _examine(exercise, function, seed):
    if not callable(function):
        print(not_a_function(exercise, function))
        return Mark(0, {"exercise": exercise.id, "points": 0.0, "of": exercise.points})
    examination = examine(exercise, function, seed)
    print(render(examination))
    return mark_of(examination)
