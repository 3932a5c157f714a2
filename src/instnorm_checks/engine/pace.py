"""How fast an answer is: never in seconds, always next to the naive version.

It is shown to whoever checks an answer, and no points hang on it: see `exercise.Pace`. So this runs
where the answer runs, and whom it deceives is its author.

A class has fast machines and slow ones, and on each something else may be going on. So the two
functions take turns, on the same arguments and by the same clock. What disturbs a turn makes it
longer, never shorter, so the shortest of each counts. How many turns that takes, the turns tell: on
a quiet machine the first few agree, on a busy one it takes a while until each function had several
that were left alone, or until time is up. How fast the answer seems has no say in it, or chance
would have many tries.

The clock is one of the processor, which other programs hardly move. It counts the thread that calls
and no other, and while it runs a linear algebra library may use no other: its threads burn time
while they wait for work, and on a busy machine they wait for long.
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
# Bytes. An array of so many comes fresh from the system, as a large one does in most programs, and
# of smaller ones so much is kept for later. Left alone, glibc's malloc judges by what was freed
# before: the same function takes half as long again in one process as in another, and blocks of one
# size cost nothing to have while those of another cost more than the arithmetic.
ROOM = 16 << 20
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
# An answer that one turn shows to be so many times slower than it should be gets no other: that
# could take minutes.
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
    except ImportError:  # a browser, which has one thread
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
