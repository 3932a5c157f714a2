"""How fast an answer is: never in seconds, always next to the naive version.

A class has fast machines and slow ones, and on each something else may be going on. So the two
functions take turns, on the same arguments and by the same clock. What disturbs a turn makes it
longer, never shorter, so the shortest of each counts. How many turns that takes, the turns tell: on
a quiet machine the first few agree, on a busy one it takes a while until each function had several
that were left alone. How fast the answer seems has no say in it, or chance would have many tries.

Each turn has a *lane*, in which everything large lies ready before the clock runs: copies of the
arguments. With the clock running, a few values of the data change, which no function can have
known; the function is called; and a few values of what it returns are taken, to be compared. A
function in another process has its lane there, for to send large arrays costs more time than what
is timed.

The clock is one of the processor, which other programs hardly move. Here it counts the thread that
calls and no other: a linear algebra library's threads burn time while they wait for work.
"""

import sys

import numpy as np

from .calling import call
from .compare import agree

# The turns end when so many of the shortest, of each function, are equal within so much...
AGREEING = 4
CLOSE = 1.15
# ... and here at the latest.
MOST = 31
# One value in so many is compared in each turn: enough to see that it was computed.
SAMPLE = 101
# Bytes. An array of so many comes fresh from the system, as a large one does in most programs, and
# of smaller ones so much is kept for later. Left alone, glibc's malloc judges by what was freed
# before: the same function takes half as long again in one process as in another, and blocks of one
# size cost nothing to have while those of another cost more than the arithmetic.
ROOM = 16 << 20
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
# An answer that one turn shows to be so many times slower than it should be gets no other: that
# could take minutes. After the first call, for which its arguments may have had to travel, the
# square of this is needed to say so.
HOPELESS = 12


def steady_malloc():
    """Make new memory cost the same whatever the process did before, where malloc is glibc's."""
    if sys.platform != "linux":
        return
    import ctypes  # which a browser has not

    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for parameter in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            library.mallopt(parameter, ROOM)
        library.malloc_trim(ROOM)


class Lane:
    """Where a function of this process is called, again and again."""

    def __init__(self, function, arguments):
        self.function, self.arguments = function, arguments

    def ready(self):
        self.copies = [v.copy() if isinstance(v, np.ndarray) else v for v in self.arguments]
        steady_malloc()

    def __call__(self, place, first, step, column):
        """Call the function, with `column` at `place` of the last axis of its first argument.

        Returns one in `step` values of the result, from the one at `first`.
        """
        data = self.copies[0]
        data[..., place % data.shape[-1]] = column
        return self.function(*self.copies).reshape(-1)[first::step]


def speed_of(function, outcome, pace, arguments, returns):
    """How many times as fast as `pace.naive` the function is, given the `outcome` of a first call.

    It is 0 if the function was right once, and is not again.
    """
    naive = call(pace.naive, arguments, returns)
    first = naive.busy / outcome.busy
    if first < pace.times / HOPELESS**2:
        return first
    arguments = list(arguments.values())
    theirs = getattr(function, "lane", lambda given: Lane(function, given))(arguments)
    lanes = Lane(pace.naive, arguments), theirs
    seconds = [], []
    while len(seconds[0]) < MOST and not all(map(_settled, seconds)):
        change = _change(arguments[0])
        expected, outcome = (_turn(lane, change, returns) for lane in lanes)
        if outcome.failure or not all(map(_agree, outcome.parts, expected.parts)):
            return 0.0
        for spent, each in zip(seconds, (expected, outcome), strict=True):
            spent.append(each.busy)
        ours, theirs = map(min, seconds)
        speed = ours / theirs
        if speed < pace.times / HOPELESS:
            break
    return speed


def _turn(lane, change, returns):
    lane.ready()
    return call(lane, change, returns)


def _settled(seconds):
    shortest = sorted(seconds)[:AGREEING]
    return len(shortest) == AGREEING and shortest[-1] <= CLOSE * shortest[0]


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
