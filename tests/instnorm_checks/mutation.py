"""Which slips do the checks let pass? Printed by `make exercises-report`, part of `make proof`.

    python tests/instnorm_checks/mutation.py [--seeds N] [exercise ...]

Each exercise's right answers are given one slip at a time (see slips.py). For each the program says
which aspects it loses in public cases, and in the hidden cases of each of 20 seeds. A slip that
loses none *survives*. It has to be equivalent to the right answer, and equivalent.toml says why; or
a case is missing. No slip may lose other aspects with one seed than with another.

The exit status is 1 where a survivor has no reason, a reason has no survivor, or a verdict depends
on the seed. How fast an answer is is not looked at.
"""

import argparse
import functools
import os
import signal
import sys
import time
import tomllib
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # see conftest.py

import numpy as np
from slips import ENOUGH, SINGLE, slips

from instnorm_checks import EXERCISES
from instnorm_checks.engine.calling import call
from instnorm_checks.engine.diagnosis import same

SEEDS = 20
LEAST = 40
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
# Seconds of processor time for one call: a slip may never come to its end.
PATIENCE = 5
# Where answers compare what they have computed, and in single precision rounding errors are seen.
DECIDE_BY_ROUNDING = {"identify-norm"}


@dataclass(frozen=True)
class Fate:
    """What becomes of one slip."""

    slip: object
    public: frozenset  # the aspects lost in public cases
    hidden: tuple  # those lost in all, for each seed

    @property
    def survives(self):
        return not any(self.hidden) and not self.public

    @property
    def depends_on_the_seed(self):
        return len(set(self.hidden)) > 1

    @property
    def only_hidden_cases_tell(self):
        """Full marks from `check`, and not from `grade`."""
        return not self.public and not self.survives


@functools.cache
def cases(exercise_id, aspect_name, seed):
    """Arguments and expected outcomes of an aspect: public cases where the seed is None."""
    exercise = EXERCISES[exercise_id]
    aspect = exercise.aspect(aspect_name)
    if seed is None:
        drawn = aspect.public
    else:
        stream = zlib.crc32(f"{exercise.id}/{aspect.name}".encode())
        drawn = tuple(aspect.hidden(np.random.default_rng([seed, stream])))
    return [(a, call(exercise.reference, a, exercise.returns)) for a in drawn]


def loses(exercise, function, aspect, seed):
    """Whether the function is wrong in some case."""
    for arguments, expected in cases(exercise.id, aspect.name, seed):
        with patience():
            try:
                outcome = call(function, arguments, exercise.returns, exercise.counts)
            except KeyboardInterrupt:
                return True
        if not same(aspect, outcome, expected):
            return True
    return False


@contextmanager
def patience():
    def stop(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def fate(exercise, slip, seeds=SEEDS):
    aspects = [aspect for aspect in exercise.aspects if not aspect.pace]
    public = {a.name for a in aspects if loses(exercise, slip.function, a, None)}
    hidden = tuple(
        frozenset(
            public
            | {
                a.name
                for a in aspects
                if a.name not in public and loses(exercise, slip.function, a, seed)
            }
        )
        for seed in range(1, seeds + 1)
    )
    return Fate(slip, frozenset(public), hidden)


def reasons(exercise_id):
    """Slip -> why it is no mistake, from equivalent.toml."""
    table = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")) if EQUIVALENT.exists() else {}
    return table.get(exercise_id, {})


def report(exercise_id, seeds=SEEDS):
    """One line for the exercise, and lines about what is wrong with it."""
    exercise, start = EXERCISES[exercise_id], time.perf_counter()
    fates = [fate(exercise, slip, seeds) for slip in slips(exercise)]
    known, unused = reasons(exercise_id), set(reasons(exercise_id))
    faults, equivalent = [], 0
    for each in fates:
        if each.slip.change == SINGLE and exercise_id in DECIDE_BY_ROUNDING:
            continue
        if each.survives:
            why = known.get(each.slip.name)
            unused.discard(each.slip.name)
            equivalent += bool(why)
            if not why:
                faults.append(f"survives  {each.slip.name}")
        elif each.depends_on_the_seed:
            counts = {}
            for lost in each.hidden:
                counts[", ".join(sorted(lost))] = counts.get(", ".join(sorted(lost)), 0) + 1
            shown = "; ".join(f"{n} × {lost or 'nothing'}" for lost, n in counts.items())
            faults.append(f"by seed   {each.slip.name}  loses {shown}")
    faults += [f"no slip   {name}" for name in sorted(unused)]
    if len(fates) < LEAST:
        faults.append(f"too few   {len(fates)} slips, and {LEAST} are wanted")
    line = (
        f"{exercise_id:24} {len(fates):4} slips, {sum(bool(f.public) for f in fates):4} lose marks "
        f"in public cases, {sum(f.only_hidden_cases_tell for f in fates):3} only in hidden ones; "
        f"{equivalent:3} are equivalent, {len(faults):3} faults"
    )
    print(line, flush=True)
    print(f"{time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
    for fault in faults:
        print(f"    {fault}", flush=True)
    return len(fates), len(faults)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("names", nargs="*", choices=[[], *EXERCISES])
    options = parser.parse_args(arguments)
    totals = [report(name, options.seeds) for name in options.names or EXERCISES]
    made, faults = map(sum, zip(*totals, strict=True))
    print(f"{made} slips in {len(totals)} exercises, {options.seeds} seeds: {faults} faults")
    return int(faults > 0)


assert ENOUGH > LEAST

if __name__ == "__main__":
    sys.exit(main())
