"""The threads that share work: helpers that are started when first needed, and survive a fork.

A helper waits actively for a while after each job (see `rows.parallel`), and then goes to sleep.
Python's lock is needed only to wake it up.
"""

import contextlib
import os
import threading
import time

import numpy as np

from .parallel import SLOT, processor, serve

BLOCK = 1 << 15  # numbers: fewer are not worth another thread
ACTIVELY = 1e-3  # seconds that a helper waits actively
LOOK = 2e-3  # seconds, after which a leader looks again how many may work, and where they are
_lock = threading.Lock()
_crew = None  # None while there are no helpers


def count():
    """How many threads may work: the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def allowed():
    """How many threads may work, or might a moment ago; one is asked each time whether it is."""
    helpers = 0 if _crew is None else _crew.allowed
    return 1 + helpers if helpers else count()


def blocks_for(size, most):
    """How many blocks `size` numbers are worth: some for each thread, and `most` at most."""
    threads = allowed()
    return max(1, min(most, 8 * threads, size // BLOCK)) if threads > 1 else 1


def share(kernel, blocks, *given):
    """Let all threads work on a job: kernel(slots, helpers, blocks, *given), see `rows.parallel`.

    Returns what the kernel returns when none is at work any more; Ctrl-C is seen then. Raises
    MemoryError if a block failed, which a negative number says: compiled loops can fail in no other
    way.
    """
    slots = helpers = 0
    if blocks > 1:
        crew = _helpers()
        slots, helpers = crew.address, crew.woken(blocks - 1)
    result = kernel(slots, helpers, blocks, *given)
    if result < 0:
        raise MemoryError("no room for what a thread has to remember of some rows")
    return result


class _Crew:
    """Helpers, and the slots through which they get their work."""

    def __init__(self, number):
        self.slots = np.zeros((number, SLOT), np.int64)
        self.address = self.slots.ctypes.data
        self.asleep = {}  # a lock, for each helper that waits for someone to release it
        self.threads = {}  # what the system calls a helper
        self.avoids = {}  # what processor it avoids
        self.number = self.looked = 0
        self.allowed = number
        # Not in a helper: a program may end before it has compiled, and its clock would measure
        # how long it waits for Python's lock.
        self.turns = _turns(self.address)
        try:
            while self.number < number:
                threading.Thread(
                    target=self.help, args=(self.number,), name="instnorm", daemon=True
                ).start()
                self.number += 1
        except RuntimeError:  # a limit, or a platform without threads
            pass

    def woken(self, number):
        """How many helpers may work, at most `number`; those that sleep are woken up."""
        now = time.monotonic()
        look = self.asleep or now - self.looked > LOOK
        if look:
            self.allowed, self.looked = count() - 1, now
        number = min(number, self.number, self.allowed)
        if not look:
            return number
        here = processor()
        for i in range(number):
            lock = self.asleep.pop(i, None) if self.asleep else None
            if lock is not None or self.slots[i, 1] == here:
                self.move(i, here)
            if lock is not None:
                lock.release()
        return number

    def move(self, i, here):
        """Keep a helper from the processor that the leader is on.

        The system likes to wake a thread where the one is that wakes it, and leaves it there for
        milliseconds. There it works only when the leader does not.
        """
        if here >= 0 and self.avoids.get(i) != here and i in self.threads:
            with contextlib.suppress(OSError):  # it is not allowed, or there is no other processor
                os.sched_setaffinity(self.threads[i], os.sched_getaffinity(0) - {here})
                self.avoids[i] = here

    def help(self, i):
        slot, lock = self.address + self.slots.strides[0] * i, threading.Lock()
        lock.acquire()
        self.threads[i] = threading.get_native_id()
        while True:
            serve(slot, i, self.turns)
            self.asleep[i] = lock
            serve(slot, i, self.turns // 20)  # a leader may have looked before, and given it a job
            lock.acquire()


def _turns(slot, some=1000):
    """How many turns of waiting actively take as long as a helper should."""
    serve(slot, 0, 1)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        serve(slot, 0, some)
        times.append(time.perf_counter() - start)
    return int(some * ACTIVELY / min(times))


def _helpers():
    global _crew
    if _crew is None:
        with _lock:
            _crew = _crew or _Crew(count() - 1)
    return _crew


def _forget():
    """In a forked process: the slots have been copied, the threads have not."""
    global _crew, _lock
    _crew, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
