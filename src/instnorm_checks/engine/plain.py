"""Wrong answers that any exercise can get, recognised whatever the exercise asks.

All zeros, all NaN, one number everywhere, an argument handed back, the answer to an earlier call,
single precision: the explanation of these has nothing to do with the exercise, and a misconception
that happens to give the same numbers would be the wrong one.
"""

from dataclasses import dataclass

import numpy as np

from .calling import call_ours
from .compare import agree, agree_in_single, has_digits, is_single
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
    "single-precision": (
        "Your {what} is right, but to single precision: its values are float32 numbers, of some 7 "
        "digits, where float64 has 16. Somewhere on the way an array of float32 was made: by "
        "astype or dtype=, or as a PyTorch tensor without dtype=torch.float64."
    ),
    "few-digits": (
        "Your {what} is right to some 7 digits, where float64 has 16. Is something on the way made "
        "in float32: by astype or dtype=, or as a PyTorch tensor? A small number added where the "
        "formula has none, or a constant written with few digits, does the same."
    ),
}
# By how many times as much as the rounding of the arguments to float32 a result in single precision
# may differ from the right one.
ROUNDINGS = 50
# Next to the largest value: off by more is less than some 7 digits, off by less is nearly all.
SOME_DIGITS, ALL_DIGITS = 1e-6, 1e-11


@dataclass(frozen=True, eq=False)
class _Call:
    """One returned array of one trial."""

    trial: object
    part: np.ndarray
    expected: np.ndarray

    @property
    def right(self):
        aspect = self.trial.aspect
        if not agree(self.part, self.expected, aspect.tolerance):
            return False
        return not aspect.strict or not self.is_short

    @property
    def is_short(self):
        """Whether it is in single precision, where more is wanted."""
        if self.part.dtype == np.float32:
            return self.expected.dtype != np.float32
        return not has_digits(self.part, self.expected)


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
        for kind, which, is_so in _kinds(exercise, k, calls):
            whole = kind == "single-precision"
            reached = _explained(exercise, trials, k, calls, is_so, whole)
            if reached:
                says = SAYS[kind].format(what=what, which=which)
                wrong = Misconception(kind, says, None, reached)
                found.append((wrong, list(reached)))
    return found


def few_digits(exercise, trials):
    """(Misconception, aspects) for an answer that is right in every case, but for its last digits.

    Rounding that no second program reproduces: this is for what nothing else explains.
    """
    missed = {trial.aspect.name for trial in trials if not trial.passed}
    if not missed:
        return []
    arrays = set()
    for trial in trials:
        off = _off(exercise, trial)
        if off is None or not (off or trial.passed):
            return []
        arrays.update(() if trial.passed else off)
    what = "output" if len(exercise.returns) == 1 else exercise.returns[min(arrays)]
    reached = tuple(a.name for a in exercise.aspects if a.name in missed)
    says = SAYS["few-digits"].format(what=what)
    return [(Misconception("few-digits", says, None, reached), list(reached))]


def _off(exercise, trial):
    """Which of the judged arrays have few digits; None if any is wrong in another way."""
    if trial.expected.failure or trial.outcome.failure:
        return () if trial.passed else None
    if trial.aspect.pace:
        return ()
    found, rounded = [], None
    for k in trial.aspect.judges:
        part, ours = trial.outcome.parts[k], trial.expected.parts[k]
        if not isinstance(part, np.ndarray) or (part.shape, part.dtype) != (ours.shape, ours.dtype):
            return None
        if not (part.size and np.isfinite(part).all()):
            return None
        off, size = np.abs(part - ours).max(), np.abs(ours).max()
        if off <= ALL_DIGITS * size:
            continue
        if off > SOME_DIGITS * size:
            rounded = rounded or _in_float32(exercise, trial)
            if off > ROUNDINGS * np.abs(rounded.parts[k] - ours).max():
                return None
        found.append(k)
    return tuple(found)


def _in_float32(exercise, trial):
    """What the reference makes of arguments that are rounded to float32."""
    rounded = {name: _rounded(value) for name, value in trial.arguments.items()}
    what = f"the reference, in single precision in a case of {trial.aspect.name!r},"
    return call_ours(what, exercise.reference, rounded, exercise.returns, secret=trial.hidden)


def _kinds(exercise, k, calls):
    """(name, which, whether a call is of that kind; None: it can't be told)."""
    yield "all-zeros", "", lambda call: not call.part.any() if call.expected.any() else None
    yield "all-nan", "", lambda call: bool(np.isnan(call.part).all())
    yield "one-number", "", _is_one_number
    for name, value in calls[0].trial.arguments.items() if calls else ():
        if isinstance(value, np.ndarray):
            yield "its-argument", name, lambda call, name=name: _is_argument(call, name)
    yield "an-earlier-answer", "", lambda call: _is_an_earlier_answer(call, calls)
    if any(agree(call.part, call.expected) and call.is_short for call in calls):
        yield "single-precision", "", lambda call: _is_single(call, exercise, k)


def _is_one_number(call):
    if call.part.size < 4 or np.ptp(call.expected) == 0:
        return None
    return bool(np.isfinite(call.part).all() and np.ptp(call.part) == 0)


def _is_argument(call, name):
    value = call.trial.arguments[name]
    if np.array_equal(call.expected, value):
        return None
    return call.part.shape == value.shape and np.array_equal(call.part, value, equal_nan=True)


def _is_single(call, exercise, k):
    """None where a right answer holds float32 numbers too."""
    if not call.is_short and is_single(call.expected):
        return None
    if not is_single(call.part) or call.part.shape != call.expected.shape:
        return False
    if agree_in_single(call.part, call.expected):
        return True
    ours = _in_float32(exercise, call.trial)
    moved = np.abs(ours.parts[k] - call.expected).max()
    return bool(np.abs(call.part - call.expected).max() <= ROUNDINGS * moved)


def _rounded(value):
    is_double = isinstance(value, np.ndarray) and value.dtype == np.float64
    return value.astype(np.float32).astype(np.float64) if is_double else value


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


def _explained(exercise, trials, k, calls, is_so, whole):
    """The missed aspects all of whose wrong outcomes are of a kind; none if another call is not.

    If that makes floats of `whole` numbers, which should have been refused, it explains this too.
    """
    kinds = {id(call.trial): is_so(call) for call in calls}
    wrong = {id(call.trial) for call in calls if not call.right}
    if whole:
        unasked = [t for t in trials if t.expected.failure and not t.outcome.failure]
        taken = {id(t) for t in unasked if getattr(t.outcome.parts[k], "dtype", "") == np.float32}
        wrong |= taken
        kinds |= dict.fromkeys(taken, True)
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
