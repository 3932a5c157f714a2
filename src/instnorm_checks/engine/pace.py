"""How fast an answer is: never in seconds, always as a ratio to the naive version.

It is shown to students who check an answer, and gives no points: see `exercise.Pace`. So it may run
where the answer runs. An answer that deceives the clock deceives only its author.

Some students have fast machines and some have slow ones, and other programs may be running. So the
two functions take turns, on the same arguments and by the same clock. Disturbances make a turn
longer, never shorter, so the shortest turn of each function counts. On a quiet machine the first
few turns agree, and that is enough; on a busy one it takes more turns until several of each
function were undisturbed, or time is up. Whether to go on must not depend on how fast the answer
seems: chance would then have many tries.

The clock counts processor time, which other programs hardly affect, and of the calling thread
alone. So a linear algebra library may use no other thread meanwhile. Such threads also use
processor time while they wait for work, and on a busy machine they wait for long.
"""

import contextlib
import sys
import time

import numpy as np

from .calling import call
from .compare import agree
from .faults import InternalError

# The turns end when so many of the shortest, of each function, are equal within so much...
AGREEING = 4
CLOSE = 1.15
# ... and here at the latest.
MOST = 31
SECONDS = 3
# Bytes: the two thresholds of glibc's malloc, fixed. By default it adapts them to what was freed
# before. The same function then takes half as long again in one process as in another, and blocks
# of one size cost nothing to allocate while those of another cost more than the arithmetic.
ROOM = 16 << 20
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
# An answer that is so many times slower than it should be in one turn gets no other turn, which
# could take minutes.
HOPELESS = 12


def steady_malloc():
    """Make new memory cost the same whatever the process did before, where malloc is glibc's."""
    if sys.platform != "linux":
        return
    import ctypes  # not available in a browser

    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for parameter in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            library.mallopt(parameter, ROOM)
        library.malloc_trim(ROOM)


def processor_seconds():
    """Seconds that this thread has computed; where no such clock is, the next best one."""
    for name in ("thread_time", "process_time", "perf_counter"):
        clock = getattr(time, name, None)
        if clock is not None:
            return clock()
    raise InternalError("this Python has no clock")


@contextlib.contextmanager
def one_thread():
    """Linear algebra and OpenMP use the calling thread alone, where that can be told to them."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:  # in a browser, which has one thread
        yield
        return
    with threadpool_limits(limits=1):
        yield


def speed_of(function, pace, arguments, returns, reference):
    """How many times as fast as `pace.naive` a right function is.

    It is 0 if the function was right once, and is not again, and None if the machine was too busy
    to tell.

    Raises InternalError where the naive version fails, or disagrees with the reference.
    """
    seconds, deadline = ([], []), time.monotonic() + SECONDS
    with one_thread():
        while len(seconds[0]) < MOST and not all(map(_settled, seconds)):
            changed = _changed(arguments)
            turns = [_turn(each, changed, returns) for each in (pace.naive, function)]
            (expected, _), (outcome, _) = turns
            if expected.failure:
                reason = f"{expected.failure.name}: {expected.failure.message}"
                raise InternalError(f"the naive version raised {reason}")
            if not _alike(outcome, expected):
                if not _alike(call(reference, changed, returns), expected):
                    raise InternalError("the naive version and the reference disagree")
                return 0.0
            for spent, (_, each) in zip(seconds, turns, strict=True):
                spent.append(each)
            speed = min(seconds[0]) / min(seconds[1])
            if speed < pace.times / HOPELESS:
                return speed
            if time.monotonic() > deadline:
                return speed if all(map(_settled, seconds)) else None
    return speed


def _turn(function, arguments, returns):
    """(what came of a call, how long it took)."""
    steady_malloc()
    processor_seconds()  # should it fail, then here: in the call it would be the student's failure
    spent = []

    def timed(*given):
        start = processor_seconds()
        try:
            return function(*given)
        finally:
            spent.append(max(processor_seconds() - start, 1e-6))

    return call(timed, arguments, returns), spent[0]


def _alike(some, others):
    return not some.failure and all(map(agree, some.parts, others.parts))


def _settled(seconds):
    shortest = sorted(seconds)[:AGREEING]
    return len(shortest) == AGREEING and shortest[-1] <= CLOSE * shortest[0]


def _changed(arguments):
    """Arguments that no call has seen before: the first is new in each plane."""
    (name, data), *others = arguments.items()
    return {name: data * np.random.default_rng().uniform(1.1, 2), **dict(others)}
