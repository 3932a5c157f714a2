"""Wrong answers that need no idea of the exercise. No check may be fooled by them.

The tests of every exercise run them next to its misconceptions.
"""

from functools import partial

import numpy as np


def mutants(exercise):
    """Two dictionaries, name -> answer.

    The first are worth nothing. The second compute the right values and are careless with the
    arrays; they lose the strict aspects.
    """
    right, each = exercise.reference, partial(_each, exercise)

    def changes_its_argument(*arguments):
        result = right(*arguments)
        arguments[0][...] = 0
        return result

    def prints(*arguments):
        print(right(*arguments))

    def raises(*arguments):
        raise RuntimeError("no")

    def exits(*arguments):
        raise SystemExit(0)

    useless = {
        "zeros": each(np.zeros_like),
        "ones": each(np.ones_like),
        "nan": each(lambda array: np.full_like(array, np.nan)),
        "negated": each(np.negative),
        "its-first-argument": lambda *arguments: arguments[0],
        "list": each(lambda array: array.tolist()),
        "integers": each(lambda array: array.astype(int)),
        "flattened-to-one-more-axis": each(lambda array: array[None]),
        "none": lambda *arguments: None,
        "prints": prints,
        "raises": raises,
        "exits": exits,
        "knows-the-public-cases": _by_heart(exercise),
    }
    if exercise.counts:  # for which a list of whole numbers will do
        del useless["list"], useless["integers"]
    careless = {
        "changes-its-argument": changes_its_argument,
        "float32": each(lambda array: array.astype(np.float32)),
    }
    return useless, careless


def _each(exercise, change):
    """The right arrays, each put through `change`."""

    def answer(*arguments):
        result = exercise.reference(*arguments)
        if isinstance(result, tuple):
            return tuple(change(array) for array in result)
        return change(result)

    return answer


def _by_heart(exercise):
    """Has learned the public answers, and returns zeros elsewhere."""

    def key(arguments):
        return tuple(np.asarray(value).tobytes() for value in arguments)

    public = {key(case.values()) for aspect in exercise.aspects for case in aspect.public}
    zeros = _each(exercise, np.zeros_like)

    def answer(*arguments):
        return (exercise.reference if key(arguments) in public else zeros)(*arguments)

    return answer
