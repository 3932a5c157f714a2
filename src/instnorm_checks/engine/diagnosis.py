"""Examine an answer: which aspects hold, and what explains those that do not.

A class is examined on the same cases, one answer after the other. The cases of an exercise, drawn
from a seed, are therefore kept, with what the reference and the misconceptions make of them: that
is the same for everybody.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np

from .calling import Outcome, call, call_ours
from .compare import agree, has_digits
from .exercise import Arguments, Aspect, Exercise, Misconception
from .faults import InternalError, told
from .pace import speed_of
from .plain import few_digits, plain_names

# How many aspects are kept, each with one seed: enough for all exercises with three seeds each. And
# how many bytes are kept of a call, ten times what any case needs that is not timed.
ASPECTS_KEPT, BYTES_KEPT = 512, 2**18


@dataclass(frozen=True, eq=False)
class Case:
    """Arguments to try functions on. They never change, nor do results of our own functions."""

    aspect: Aspect
    arguments: Arguments
    hidden: bool
    returns: tuple[str, ...]
    _outcomes: dict[Callable, Outcome] = field(default_factory=dict, repr=False)

    def outcome_of(self, ours, what, raises=()):
        """What a function of ours makes of it, called once and then remembered.

        Raises InternalError, which says that it was `what`, if that raises anything but what the
        aspect or `raises` allows.
        """
        if ours in self._outcomes:
            return self._outcomes[ours]
        what = f"{what}, in a {'hidden' if self.hidden else 'public'} case of {self.aspect.name!r},"
        raises = (*_types(self.aspect.raises), *_types(raises))
        outcome = call_ours(what, ours, self.arguments, self.returns, raises, self.hidden)
        if _size(self.arguments.values()) + _size(outcome.parts) <= BYTES_KEPT:
            _freeze(outcome.parts)
            self._outcomes[ours] = outcome
        return outcome


@dataclass(frozen=True)
class Trial:
    """One call of the student's function, next to what the reference gives."""

    case: Case
    outcome: Outcome
    expected: Outcome
    speed: float | None = None  # of a right answer, where the aspect sets a pace

    @property
    def aspect(self):
        return self.case.aspect

    @property
    def arguments(self):
        return self.case.arguments

    @property
    def hidden(self):
        return self.case.hidden

    @cached_property
    def passed(self):
        right = self.speed is not None or same(self.aspect, self.outcome, self.expected)
        return right and not self.is_slow

    @property
    def is_wrong(self):
        return not (self.passed or self.is_slow)

    @property
    def is_slow(self):
        return self.speed is not None and self.speed < self.aspect.pace.times


@dataclass(frozen=True)
class Examination:
    exercise: Exercise
    trials: tuple[Trial, ...]
    seed: int | None  # of the hidden cases; None when there were none
    named: dict[str, Misconception]  # what explains a missed aspect, by the aspect's name
    broken: tuple[str, ...]  # properties that do not hold, where nothing explains

    def missed(self, aspect):
        return [trial for trial in self.trials if trial.aspect is aspect and not trial.passed]

    def earned(self, aspect):
        return 0.0 if self.missed(aspect) else float(aspect.points)

    @property
    def points(self):
        return float(sum(self.earned(aspect) for aspect in self.exercise.aspects))


def examine(exercise: Exercise, function: Callable, seed: int | None = None) -> Examination:
    """Try `function` on the public cases and, given a seed, on hidden ones too.

    Raises InternalError where something of ours fails: the reference, a case, a clock, a
    misconception. Nobody gains or loses a point by that.
    """
    try:
        return _examine(exercise, function, seed)
    except InternalError as fault:
        seeded = "" if seed is None else f" (seed {seed})"
        raise InternalError(f"{fault.reason}{seeded}", exercise.id) from fault.__cause__
    except Exception as error:
        reason = f"the harness raised {told(error, secret=seed is not None)}"
        raise InternalError(reason, exercise.id) from error


def _examine(exercise, function, seed):
    trials = tuple(_try(exercise, function, case) for case in cases(exercise, seed))
    missed = [trial for trial in trials if not trial.passed]
    named = _explain(exercise, trials)
    puzzling = [trial for trial in missed if trial.aspect.name not in named]
    broken = _broken_properties(exercise, function, puzzling)
    return Examination(exercise, trials, seed, named, broken)


def _try(exercise, function, case):
    expected = _expected(exercise, case)
    outcome = call(function, case.arguments, exercise.returns, exercise.counts)
    speed, pace = None, case.aspect.pace
    if pace and same(case.aspect, outcome, expected):
        ours = exercise.reference
        speed = speed_of(function, pace, case.arguments, exercise.returns, ours)
    return Trial(case, outcome, expected, speed)


def _expected(exercise, case):
    """What the reference makes of a case: arrays of numbers, or a refusal."""
    outcome = case.outcome_of(exercise.reference, "the reference")
    for part in outcome.parts:
        # A NaN that is expected would make a right answer of NaN.
        if isinstance(part, str) or not np.isfinite(part).all():
            raise InternalError(
                f"the reference gave no finite array in a case of {case.aspect.name!r}"
            )
    return outcome


def same(aspect, outcome, expected):
    """Whether an outcome is equal to one of ours in everything that the aspect judges.

    A subclass of an exception counts as that exception.
    """
    if outcome.failure or expected.failure:
        return bool(outcome.failure and expected.failure) and _counts_as(outcome, expected, aspect)
    for k in aspect.judges:
        part, ours = outcome.parts[k], expected.parts[k]
        if not agree(part, ours, aspect.tolerance):
            return False
        if aspect.strict and not (part.dtype == ours.dtype and has_digits(part, ours)):
            return False
    return not aspect.strict or _changed_alike(outcome.changed, expected.changed)


def _changed_alike(some, others):
    """Whether neither changed an argument, or both the same one.

    What is written over with the same numbers does not show: one of two may differ.
    """
    return bool(set(some) & set(others)) or not (some or others)


def _counts_as(outcome, expected, aspect):
    ours = expected.failure.type
    declared = next((kind for kind in _types(aspect.raises) if issubclass(ours, kind)), ours)
    return issubclass(outcome.failure.type, declared)


def _types(raises):
    return raises if isinstance(raises, tuple) else (raises,)


def cases(exercise, seed):
    """The cases of an exercise: the public ones and, given a seed, hidden ones too."""
    for k, aspect in enumerate(exercise.aspects):
        # What is timed is too large to be kept, and drawn anew.
        yield from (_drawn.__wrapped__ if aspect.pace else _drawn)(exercise, k, seed)


@lru_cache(maxsize=ASPECTS_KEPT)
def _drawn(exercise, k, seed):
    """The cases of one aspect."""
    aspect = exercise.aspects[k]
    public = tuple(Case(aspect, each, False, exercise.returns) for each in aspect.public)
    if seed is None:
        return public
    # A stream of its own for each aspect: adding a case to one leaves the others alone.
    stream = zlib.crc32(f"{exercise.id}/{aspect.name}".encode())
    try:
        hidden = tuple(aspect.hidden(np.random.default_rng([seed, stream])))
    except Exception as error:
        raise InternalError(
            f"the hidden cases of {aspect.name!r} raised {told(error, secret=True)}"
        ) from error
    if not hidden:
        raise InternalError(f"{aspect.name!r} has no hidden cases")
    for arguments in hidden:
        _freeze(arguments.values())
    return public + tuple(Case(aspect, each, True, exercise.returns) for each in hidden)


def _size(values):
    return sum(value.nbytes for value in values if isinstance(value, np.ndarray))


def _freeze(values):
    for value in values:
        if isinstance(value, np.ndarray):
            value.flags.writeable = False


def _explain(exercise, trials):
    """For each missed aspect, what explains it, if anything does.

    A misconception is named only with evidence: it reproduces every wrong outcome of the aspects
    that it is named for, these are at least half of the missed points, and it contradicts no case
    that was passed. One that explains several aspects at once is preferred to several that explain
    one each. A wrong name is worse than none.
    """
    missed = {}
    for trial in trials:
        if not trial.passed:
            missed.setdefault(trial.aspect.name, []).append(trial)
    # Cases that are timed are large. What explains the others explains them, without running there.
    large = [a for a, each in missed.items() if each[0].aspect.pace and each[0].is_wrong]
    small = {a: each for a, each in missed.items() if a not in large}
    passed = [t for t in trials if t.passed and not (t.aspect.pace or t.aspect.apart)]
    enough = _worth(exercise, small) / 2
    found = [
        (wrong, reached)
        for wrong, reached in (
            *plain_names(exercise, trials),
            *_reproduced(exercise, small, passed),
        )
        if reached and _worth(exercise, reached) >= enough
    ] or few_digits(exercise, trials)
    named = {}
    while found:
        # Plain wrong answers first, then what explains most, then what loses no more than was lost.
        wrong, reached = max(
            found,
            key=lambda each: (
                2 * each[0].plain + (each[0].implementation is None),
                len(each[1]),
                set(each[0].loses) == set(missed),
            ),
        )
        named.update(dict.fromkeys((*reached, *large), wrong))
        large = ()
        found = [
            (other, rest)
            for other, reached in found
            if (rest := [aspect for aspect in reached if aspect not in named])
        ]
    return named


def _reproduced(exercise, missed, passed):
    """(misconception, aspects that it accounts for) for those that contradict no case."""
    for wrong in exercise.misconceptions:
        for way in (wrong.implementation, *wrong.also):
            reached = _reach(exercise, wrong, way, missed)
            if reached and not any(_contradicts(wrong, way, trial) for trial in passed):
                yield wrong, reached


def _worth(exercise, aspects):
    return sum(exercise.aspect(name).points for name in aspects)


def _reach(exercise, wrong, way, missed):
    """The missed aspects (name -> trials) that `wrong` accounts for."""
    if wrong.speeds:
        return [a for a, trials in missed.items() if all(_is_as_slow(wrong, t) for t in trials)]
    lost = set(missed)
    missed = {a: trials for a, trials in missed.items() if not any(t.is_slow for t in trials)}
    if wrong.resembles:
        if not lost <= set(wrong.loses):
            return []
        return [a for a, trials in missed.items() if all(_resembles(wrong, t) for t in trials)]
    reached, evidence = [], False
    for aspect, trials in missed.items():
        outcomes = [_pretended(wrong, way, trial) for trial in trials]
        if all(same(t.aspect, t.outcome, o) for t, o in zip(trials, outcomes, strict=True)):
            reached.append(aspect)
            # Two crashes are no evidence by themselves.
            evidence = evidence or any(outcome.failure is None for outcome in outcomes)
    return reached if evidence else []


def _contradicts(wrong, way, trial):
    """Whether a misconception fails a case that was passed. Rounding noise may fail any."""
    if wrong.speeds or wrong.resembles:
        return False
    return not same(trial.aspect, _pretended(wrong, way, trial), trial.expected)


def _pretended(wrong, way, trial):
    """What a misconception makes of the case of a trial."""
    what = f"the misconception {wrong.name!r}"
    return trial.case.outcome_of(way, what, wrong.raises)


def _is_as_slow(wrong, trial):
    low, high = wrong.speeds
    # A speed of 0 is that of an answer which was right once, and then no more.
    return trial.is_slow and trial.speed > 0 and low <= trial.speed < high


def _resembles(wrong, trial):
    if trial.outcome.failure or trial.expected.failure:
        return False
    return all(
        isinstance(trial.outcome.parts[k], np.ndarray)
        and trial.outcome.parts[k].shape == trial.expected.parts[k].shape
        and wrong.resembles(trial.outcome.parts[k], trial.expected.parts[k])
        for k in trial.aspect.judges
    )


class _CannotTell(Exception):
    """The function crashed, or gave arrays of another shape."""


def _broken_properties(exercise, function, missed):
    """Identities that the answer breaks, tried on the largest case that it got wrong."""
    missed = [t for t in missed if not (t.expected.failure or t.aspect.pace)]
    if not missed:
        return ()
    trial = max(missed, key=lambda t: (not t.hidden, sum(map(np.size, t.arguments.values()))))

    def run(**replaced):
        arguments = {**trial.arguments, **replaced}
        outcome = call(function, arguments, exercise.returns, exercise.counts)
        what = f"the reference, in a property of a case of {trial.aspect.name!r},"
        expected = call_ours(
            what, exercise.reference, arguments, exercise.returns, secret=trial.hidden
        )
        if [np.shape(part) for part in outcome.parts] != [part.shape for part in expected.parts]:
            raise _CannotTell
        return outcome.parts

    def holds(identity):
        try:
            return identity.holds(run, trial.arguments)
        except _CannotTell:
            return True

    return tuple(identity.says for identity in exercise.properties if not holds(identity))
