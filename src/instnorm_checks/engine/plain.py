"""Wrong answers that any exercise can get, recognised whatever the exercise asks.

All zeros, all NaN, one number everywhere, an argument handed back, the answer to an earlier call:
the explanation of these has nothing to do with the exercise, and a misconception that happens to
give the same numbers would be the wrong one.
"""

from dataclasses import dataclass

import numpy as np

from .compare import agree
from .exercise import Misconception

# Name -> what is said, with `what` for the array and `which` for what it was found to be.
SAYS = {
    "all-zeros": (
        "All values of your {what} are 0, whatever the arguments. Did you store the result? An "
        "array made with np.zeros stays as it is until something is written into it."
    ),
    "all-nan": (
        "All values of your {what} are NaN, whatever the arguments. NaN comes from 0 / 0 or from "
        "infinity minus infinity, and everything computed with it is NaN too. Print the parts of "
        "your formula one by one: where does the first NaN stand?"
    ),
    "one-number": (
        "All values of your {what} are one and the same number, in every case. Does a mean or a "
        "sum run over everything, where a value is wanted for each place?"
    ),
    "its-argument": (
        "Your {what} is the argument {which}, just as it came. Did you store the result, and "
        "return it?"
    ),
    "an-earlier-answer": (
        "Your {what} is that of an earlier call, for other arguments. Does your function keep "
        "results from one call to the next, or use a variable of another cell in place of its "
        "arguments?"
    ),
}


@dataclass(frozen=True, eq=False)
class _Call:
    """One returned array of one trial."""

    trial: object
    part: np.ndarray
    expected: np.ndarray

    @property
    def right(self):
        return agree(self.part, self.expected)


def plain_names(exercise, trials):
    """(Misconception, aspects that it explains) for each plain wrong answer that this is."""
    found = []
    for k, name in enumerate(exercise.returns):
        calls = [
            _Call(trial, trial.outcome.parts[k], trial.expected.parts[k])
            for trial in trials
            if not (trial.expected.failure or trial.outcome.failure or trial.aspect.pace)
            and isinstance(trial.outcome.parts[k], np.ndarray)
        ]
        what = "output" if len(exercise.returns) == 1 else name
        for kind, which, is_so in _kinds(calls):
            reached = _explained(exercise, trials, k, calls, is_so)
            if reached:
                says = SAYS[kind].format(what=what, which=which)
                wrong = Misconception(kind, says, None, reached)
                found.append((wrong, list(reached)))
    return found


def _kinds(calls):
    """(name, which, whether a call is of that kind; None: it can't be told)."""
    yield "all-zeros", "", lambda call: not call.part.any() if call.expected.any() else None
    yield "all-nan", "", lambda call: bool(np.isnan(call.part).all())
    yield "one-number", "", _is_one_number
    for name, value in calls[0].trial.arguments.items() if calls else ():
        if isinstance(value, np.ndarray):
            yield "its-argument", name, lambda call, name=name: _is_argument(call, name)
    yield "an-earlier-answer", "", lambda call: _is_an_earlier_answer(call, calls)


def _is_one_number(call):
    if call.part.size < 4 or np.ptp(call.expected) == 0:
        return None
    return bool(np.isfinite(call.part).all() and np.ptp(call.part) == 0)


def _is_argument(call, name):
    value = call.trial.arguments[name]
    if np.array_equal(call.expected, value):
        return None
    return call.part.shape == value.shape and np.array_equal(call.part, value, equal_nan=True)


def _is_an_earlier_answer(call, calls):
    """None where no earlier call had arguments of the same shapes with other values in them.

    Values that are only scaled or shifted do not count as others: for some exercises the answer is
    rightly the same.
    """
    if call.part.size < 4 or not np.isfinite(call.part).all() or np.ptp(call.part) == 0:
        return None  # too little to be sure of
    if not (call.part % 1).any():
        return None  # whole numbers agree too easily
    before = [
        other
        for other in calls[: calls.index(call)]
        if other.expected.shape == call.expected.shape
        and not agree(other.expected, call.expected)
        and _unlike(other.trial.arguments, call.trial.arguments)
    ]
    if not before:
        return None
    return any(agree(call.part, other.part) for other in before)


def _unlike(some, others):
    """Whether all arrays among the arguments differ, and by more than a scale and a shift."""
    for one, other in zip(some.values(), others.values(), strict=False):
        if isinstance(one, np.ndarray):
            if one.shape != other.shape or one.size < 3 or np.ptp(one) == 0 or np.ptp(other) == 0:
                if np.array_equal(one, other):
                    return False
            elif abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) > 0.999:
                return False
    return True


def _explained(exercise, trials, k, calls, is_so):
    """The missed aspects all of whose wrong outcomes are of a kind; none if another call is not."""
    kinds = {id(call.trial): is_so(call) for call in calls}
    wrong = {id(call.trial) for call in calls if not call.right}
    if any(so is False for so in kinds.values()):
        return ()
    reached = []
    for aspect in exercise.aspects:
        missed = [trial for trial in trials if trial.aspect is aspect and not trial.passed]
        if (
            missed
            and k in aspect.judges
            and all(id(trial) in wrong and kinds[id(trial)] for trial in missed)
        ):
            reached.append(aspect.name)
    return tuple(reached)
