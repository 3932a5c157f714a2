"""How fast an answer is: never in seconds, always next to the naive version.

A class has fast machines and slow ones, and on each something else may be going on. So the two
functions take turns, on the same arguments and by the same clock, and each turn gives one ratio.
What disturbs a whole turn leaves its ratio alone; what disturbs half of one spoils that ratio, and
not the median of ROUNDS. Who is found slow is tried again, for a machine can be busy for as long.

Each turn has a *lane*, in which everything large lies ready before the clock runs: copies of the
arguments. With the clock running, a few values of the data change, which no function can have
known; the function is called; and a few values of what it returns are taken, to be compared. A
function in another process has its lane there, for to send large arrays costs more time than what
is timed.

The clock is one of the processor, which other programs hardly move. Here it counts the thread that
calls and no other: a linear algebra library's threads burn time while they wait for work.
"""

import statistics

import numpy as np

from .calling import call
from .compare import agree

ROUNDS = 3
TRIES = 6
# One value in so many is compared in each turn: enough to see that it was computed.
SAMPLE = 101
# Bytes, just under the most that glibc's malloc ever keeps for later. It begins with far less, and
# keeps more once it has seen an array of such a size freed. Until then an answer would pay for
# memory that goes back to the system and returns: by the size of its blocks, nothing or more than
# its arithmetic takes.
ROOM = 31 << 20
# An answer this many times slower than it should be is not timed again: that could take minutes.
HOPELESS = 12


class Lane:
    """Where a function of this process is called, again and again."""

    def __init__(self, function, arguments):
        self.function, self.arguments = function, arguments

    def ready(self):
        self.copies = [v.copy() if isinstance(v, np.ndarray) else v for v in self.arguments]
        np.empty(ROOM, np.uint8)  # and freed at once

    def __call__(self, place, first, step, column):
        """Call the function, with `column` at `place` of the last axis of its first argument.

        Returns one in `step` values of the result, from the one at `first`.
        """
        data = self.copies[0]
        data[..., place % data.shape[-1]] = column
        return self.function(*self.copies).reshape(-1)[first::step]


def speed_of(function, outcome, pace, arguments, returns):
    """How many times as fast as `pace.naive` the function is, given the `outcome` of a first call.

    The turns end as soon as their median is certain to be fast enough, or too slow.
    """
    naive = call(pace.naive, arguments, returns)
    first = naive.busy / outcome.busy
    if first < pace.times / HOPELESS:
        return first
    arguments = list(arguments.values())
    theirs = getattr(function, "lane", lambda given: Lane(function, given))(arguments)
    ours = Lane(pace.naive, arguments)
    speed = 0.0
    for _ in range(TRIES):
        speed = max(speed, _race(theirs, ours, pace.times, returns))
        if speed >= pace.times:
            break
    return speed


def _race(theirs, ours, times, returns):
    """The median of some turns; 0 if an answer was right once, and is not again."""
    ratios = []
    while max(fast := sum(r >= times for r in ratios), len(ratios) - fast) <= ROUNDS // 2:
        change = _change(ours.arguments[0])
        outcomes = []
        for lane in (ours, theirs):
            lane.ready()
            outcomes.append(call(lane, change, returns))
        naive, answer = outcomes
        if answer.failure or not all(map(_agree, answer.parts, naive.parts)):
            return 0.0
        ratios.append(naive.busy / answer.busy)
    return statistics.median(ratios)


def _change(data):
    """What is different in a turn: nobody can know it before the turn begins.

    Only the first argument changes. A turn asks how fast an answer is; what its parameters do to
    the result is asked, and lost, elsewhere.
    """
    rng = np.random.default_rng()
    place = int(rng.integers(2**31))
    column = data[..., place % data.shape[-1]] * rng.uniform(1.1, 2)
    return {"place": place, "first": int(rng.integers(SAMPLE)), "step": SAMPLE, "column": column}


def _agree(theirs, expected):
    return isinstance(theirs, np.ndarray) and agree(theirs, expected)
