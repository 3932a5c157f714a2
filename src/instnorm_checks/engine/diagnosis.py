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

from .calling import Outcome, call
from .compare import agree
from .exercise import Arguments, Aspect, Exercise, Misconception
from .pace import speed_of

# How many aspects are kept, each with one seed: those of all exercises, with three. And the bytes
# of what is kept of a call; our cases need a tenth, but for those that are timed.
ASPECTS_KEPT, BYTES_KEPT = 512, 2**18


@dataclass(frozen=True, eq=False)
class Case:
    """Arguments to try functions on. Nobody may change them, nor what came of our own functions."""

    aspect: Aspect
    arguments: Arguments
    hidden: bool
    returns: tuple[str, ...]
    _outcomes: dict[Callable, Outcome] = field(default_factory=dict, repr=False)

    def outcome_of(self, ours):
        """What the reference or a misconception makes of it, called once and then remembered."""
        if ours in self._outcomes:
            return self._outcomes[ours]
        outcome = call(ours, self.arguments, self.returns)
        # A want of memory says nothing about the next time.
        lasting = not (outcome.failure and issubclass(outcome.failure.type, MemoryError))
        if lasting and _size(self.arguments.values()) + _size(outcome.parts) <= BYTES_KEPT:
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
    """Try `function` on the public cases and, given a seed, on hidden ones too."""
    trials = tuple(_try(exercise, function, case) for case in _cases(exercise, seed))
    missed = [trial for trial in trials if not trial.passed]
    named = _explain(exercise, missed)
    puzzling = [trial for trial in missed if trial.aspect.name not in named]
    broken = _broken_properties(exercise, function, puzzling)
    return Examination(exercise, trials, seed, named, broken)


def _try(exercise, function, case):
    outcome = call(function, case.arguments, exercise.returns)
    expected = case.outcome_of(exercise.reference)
    speed, pace = None, case.aspect.pace
    if pace and same(case.aspect, outcome, expected):
        speed = speed_of(function, outcome, pace, case.arguments, exercise.returns)
    return Trial(case, outcome, expected, speed)


def same(aspect, outcome, other):
    """Whether two outcomes are equal in everything that the aspect judges."""
    if outcome.failure or other.failure:
        return bool(outcome.failure and other.failure) and (
            outcome.failure.type is other.failure.type
        )
    for k in aspect.judges:
        if not agree(outcome.parts[k], other.parts[k]):
            return False
        if aspect.strict and outcome.parts[k].dtype != other.parts[k].dtype:
            return False
    return not aspect.strict or outcome.changed == other.changed


def _cases(exercise, seed):
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
    hidden = tuple(aspect.hidden(np.random.default_rng([seed, stream])))
    for arguments in hidden:
        _freeze(arguments.values())
    return public + tuple(Case(aspect, each, True, exercise.returns) for each in hidden)


def _size(values):
    return sum(value.nbytes for value in values if isinstance(value, np.ndarray))


def _freeze(values):
    for value in values:
        if isinstance(value, np.ndarray):
            value.flags.writeable = False


def _explain(exercise, missed):
    """For each missed aspect the misconception that reproduces all its wrong outcomes, if any.

    A misconception that explains several aspects at once is preferred to several that explain one
    each.
    """
    unexplained = {}
    for trial in missed:
        unexplained.setdefault(trial.aspect.name, []).append(trial)
    lost = frozenset(unexplained)
    named = {}
    # Cases that are timed are large. What explains the others explains them, without running there.
    large = [a for a, trials in unexplained.items() if trials[0].aspect.pace and trials[0].is_wrong]
    for aspect in large:
        del unexplained[aspect]
    while unexplained:
        reach = {
            wrong.name: _reach(exercise, wrong, unexplained, lost)
            for wrong in exercise.misconceptions
        }
        best = max(reach, key=lambda name: len(reach[name]))
        if not reach[best]:
            break
        for aspect in reach[best]:
            named[aspect] = exercise.misconception(best)
            del unexplained[aspect]
        named.update(dict.fromkeys(large, exercise.misconception(best)))
        large = ()
    return named


def _reach(exercise, wrong, missed, lost):
    """The missed aspects (name -> trials) that `wrong` accounts for."""
    if wrong.speeds:
        return [a for a, trials in missed.items() if all(_is_as_slow(wrong, t) for t in trials)]
    missed = {a: trials for a, trials in missed.items() if not any(t.is_slow for t in trials)}
    if wrong.resembles:
        if not lost <= set(wrong.loses):
            return []
        return [a for a, trials in missed.items() if all(_resembles(wrong, t) for t in trials)]
    reached, evidence = [], False
    for aspect, trials in missed.items():
        outcomes = [trial.case.outcome_of(wrong.implementation) for trial in trials]
        if all(same(t.aspect, t.outcome, o) for t, o in zip(trials, outcomes, strict=True)):
            reached.append(aspect)
            # That both crash is no evidence by itself.
            evidence = evidence or any(outcome.failure is None for outcome in outcomes)
    return reached if evidence else []


def _is_as_slow(wrong, trial):
    low, high = wrong.speeds
    return trial.is_slow and low <= trial.speed < high


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
        outcome = call(function, arguments, exercise.returns)
        expected = call(exercise.reference, arguments, exercise.returns)
        if [np.shape(part) for part in outcome.parts] != [part.shape for part in expected.parts]:
            raise _CannotTell
        return outcome.parts

    def holds(identity):
        try:
            return identity.holds(run, trial.arguments)
        except _CannotTell:
            return True

    return tuple(identity.says for identity in exercise.properties if not holds(identity))
