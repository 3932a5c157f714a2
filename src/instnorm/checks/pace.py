"""How fast an answer is: never in seconds, always next to the naive version.

A class has fast machines and slow ones, and on each something else may be going on. So the two
functions take turns, on the same arguments and by the same clock, and each turn gives one ratio.
What disturbs a whole turn leaves its ratio alone; what disturbs half of one spoils that ratio, and
not the median of ROUNDS. Who is found slow is tried again, for a machine can be busy for as long.

The clock runs while the function itself does, not during the copying around it. It is the one of
the processor, which other programs hardly move.
"""

import statistics

import numpy as np

from .calling import call
from .compare import agree

ROUNDS = 3
TRIES = 6
# One value in so many is compared in each turn: enough to see that it was computed.
SAMPLE = 101
# An answer this many times slower than it should be is not timed again: that could take minutes.
HOPELESS = 12


def speed_of(function, outcome, pace, arguments, returns):
    """How many times as fast as `pace.naive` the function is, given the `outcome` of a first call.

    The turns end as soon as their median is certain to be fast enough, or too slow.
    """
    naive = call(pace.naive, arguments, returns)
    first = naive.busy / outcome.busy
    if first < pace.times / HOPELESS:
        return first
    speed = 0.0
    for _ in range(TRIES):
        speed = max(speed, _race(function, pace, arguments, returns))
        if speed >= pace.times:
            break
    return speed


def _race(function, pace, arguments, returns):
    """Answers are compared in each turn, and the arguments are new, so that none can be kept."""
    ratios = []
    while max(fast := sum(r >= pace.times for r in ratios), len(ratios) - fast) <= ROUNDS // 2:
        turned = {name: _turned(value, len(ratios) + 1) for name, value in arguments.items()}
        naive, ours = (call(f, turned, returns) for f in (pace.naive, function))
        if ours.failure or not all(map(_agree_in_a_sample, ours.parts, naive.parts)):
            return 0.0  # right once, and not again
        ratios.append(naive.busy / ours.busy)
    return statistics.median(ratios)


def _turned(value, places):
    return np.roll(value, places, axis=-1) if isinstance(value, np.ndarray) else value


def _agree_in_a_sample(theirs, expected):
    return isinstance(theirs, np.ndarray) and agree(
        theirs.ravel()[::SAMPLE], expected.ravel()[::SAMPLE]
    )
