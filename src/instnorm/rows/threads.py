"""Sharing work among threads: helpers that are started when first needed, and survive a fork.

The work releases Python's lock (compiled kernels do). Numba has threads of its own, but its
layers abort when two callers come at once, or in a forked process; these do neither.
"""

import os
import threading
from queue import SimpleQueue

# Less than so many numbers are not worth a second thread: it needs some 50 microseconds to wake up.
WORTHWHILE = 1 << 17
_lock = threading.Lock()
_tasks = None  # what helpers wait for; None while there are none


def count():
    """How many threads may work: the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share(work, blocks, size):
    """Call work(block) for each block in range(blocks), by all threads; `size` numbers in all.

    Returns when all is done. An error in one thread, Ctrl-C among them, keeps the others from
    starting new blocks, and is raised here when none is at work any more.
    """
    helpers = min(count(), blocks) - 1
    if helpers < 1 or size < WORTHWHILE or (tasks := _helpers()) is None:
        for block in range(blocks):
            work(block)
        return
    team = _Team(work, blocks, helpers)
    for number in range(helpers):
        tasks.put(lambda number=number: team.help(number))
    team.lead()


class _Team:
    """The threads that share one piece of work.

    Ctrl-C may come between any two steps of the leader. So each step can be taken again: a helper's
    number is claimed by whoever comes first, and who has ended is remembered, not counted.
    """

    def __init__(self, work, blocks, helpers):
        self.work, self.left, self.helpers = work, iter(range(blocks)), range(helpers)
        self.taken, self.error = threading.Lock(), None
        self.claims, self.ended, self.news = {}, set(), SimpleQueue()

    def run(self):
        try:
            while self.error is None:
                with self.taken:
                    block = next(self.left, None)
                if block is None:
                    return
                self.work(block)
        except BaseException as error:
            self.error = error

    def help(self, number):
        if self.claims.setdefault(number, "helper") == "helper":
            self.run()
            self.ended.add(number)
            self.news.put(None)

    def lead(self):
        """Work, then wait for the helpers that have begun: they write to the caller's arrays."""
        self.run()
        waiting = True
        while waiting:
            try:
                begun = {n for n in self.helpers if self.claims.setdefault(n, "leader") == "helper"}
                while not begun <= self.ended:
                    self.news.get()
                waiting = False
            except BaseException as error:  # Ctrl-C, perhaps again: the arrays are still in use
                self.error = error
        if self.error is not None:
            raise self.error


def _helpers():
    """The queue of tasks, with threads that serve it; None where no thread can be started."""
    global _tasks
    with _lock:
        if _tasks is None:
            tasks = SimpleQueue()
            started = 0
            try:
                while started < count() - 1:
                    _start(tasks)
                    started += 1
            except RuntimeError:  # a limit, or a platform without threads
                pass
            _tasks = tasks if started else None
        return _tasks


def _start(tasks):
    threading.Thread(target=_serve, args=(tasks,), name="instnorm", daemon=True).start()


def _serve(tasks):
    while True:
        tasks.get()()


def _forget():
    """In a forked process: the queue has been copied, the threads have not."""
    global _tasks, _lock
    _tasks, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
