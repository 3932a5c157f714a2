"""Who grades: processes of this machine, or those of a Dask cluster. The marks are the same.

Workers grade submissions (`one_submission.grade`) and know nothing of each other. Each kind is a
context manager that is given submissions, at any time, and hands back what came of them.
"""

import contextlib
import gc
import multiprocessing.connection
import os
import signal
import tempfile
import threading
import time
from collections import deque

from .one_submission import GradedSubmission, grade

ATTEMPTS = 3  # for a submission whose worker dies


class Workers:
    """What is common to all kinds; a `kind(plan)` makes one."""

    def __init__(self, plan):
        self.plan = plan
        self.waiting = deque()  # (submission, attempt)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nothing to end."""

    def give(self, submission):
        self.waiting.append((submission, 1))

    @property
    def pending(self):
        """How many submissions have been given and not come back."""
        return len(self.waiting)

    def finished(self, timeout=None):
        """GradedSubmissions, as soon as there are any, or what there is after so many seconds."""
        raise NotImplementedError

    def grade(self, submissions):
        """All GradedSubmissions, as they come."""
        for each in submissions:
            self.give(each)
        while self.pending:
            yield from self.finished()

    def _lost(self, submission, attempt, what):
        """Try a submission again whose worker has died; give it up after the last attempt."""
        if attempt < ATTEMPTS:
            self.waiting.append((submission, attempt + 1))
            return []
        failure = f"the worker was lost {ATTEMPTS} times ({what})"
        return [GradedSubmission(submission.student, failure=failure)]


class InThisProcess(Workers):
    """One submission after the other."""

    def finished(self, timeout=None):
        return [grade(self.plan, self.waiting.popleft()[0])] if self.waiting else []


in_this_process = InThisProcess


# --- Processes of this machine --------------------------------------------------------------------


def on_this_machine(workers=None):
    """So many processes of this machine, or one for each core."""
    return lambda plan: OnThisMachine(plan, workers or os.cpu_count() or 1)


class OnThisMachine(Workers):
    """A submission whose worker dies is given to a new one; in the end it is given up.

    Forked from one process that has imported what grading takes. distributed.LocalCluster, measured
    beside it until two workers had that, took 291 MiB in place of 177, and 7.6 s of processor time
    in place of 4.4.
    """

    def __init__(self, plan, wanted):
        super().__init__(plan)
        self.wanted = wanted
        self.team = {}  # connection -> process
        self.folder = tempfile.TemporaryDirectory(prefix="grading-")

    def __exit__(self, *_):
        for process in self.team.values():
            process.end()
        self.folder.cleanup()

    @property
    def pending(self):
        return len(self.waiting) + sum(each.task is not None for each in self.team.values())

    def finished(self, timeout=None):
        self._hand_round()
        found = []
        if not self.team:
            time.sleep(timeout or 0)
        for connection in multiprocessing.connection.wait(self.team, timeout) if self.team else ():
            process = self.team[connection]
            task, graded = process.task, process.result()
            if graded is None:
                self.team.pop(connection).end()
                if task is not None:
                    found += self._lost(*task, "it ended while grading")
            else:
                found.append(graded)
        self._hand_round()
        return found

    def _hand_round(self):
        idle = [process for process in self.team.values() if process.task is None]
        while self.waiting and (idle or len(self.team) < self.wanted):
            if not idle:
                idle.append(_Process(self.plan, self.folder.name))
                self.team[idle[0].connection] = idle[0]
            idle.pop().begin(self.waiting.popleft())


class _Process:
    """A process that grades one submission after the other."""

    # Forked from a process that has imported what grading needs, and done nothing else.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["instnorm_judge.one_submission"])

    def __init__(self, plan, folder):
        self.task = None  # (submission, attempt)
        self.connection, theirs = self.context.Pipe()
        with theirs:
            about = plan, folder, theirs
            self.process = self.context.Process(target=_work, args=about, daemon=True)
            self.process.start()

    def begin(self, task):
        self.task = task
        with contextlib.suppress(OSError):  # it has died: `result` will tell
            self.connection.send(task[0])

    def result(self):
        """What came of the submission; None if the process has died."""
        self.task = None
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return None

    def end(self):
        with contextlib.suppress(OSError):
            self.connection.send(None)
        self.connection.close()
        self.process.join(0 if self.task else 5)
        self.process.kill()


def _work(plan, folder, connection):
    """A worker's life. What it leaves behind is in `folder`, which somebody else removes."""
    tempfile.tempdir = folder
    follow_whoever_started_this()
    with contextlib.suppress(EOFError, OSError):
        while (submission := connection.recv()) is not None:
            connection.send(grade(plan, submission))


def follow_whoever_started_this():
    """End when that process ends, and not by Ctrl-C, which reaches all processes of a terminal.

    A handler, since what is ignored stays ignored in the processes that this one starts.
    """
    signal.signal(signal.SIGINT, lambda *_: None)
    parent = multiprocessing.parent_process()

    def follow():
        parent.join()
        os._exit(1)

    # Who waits for the next task at a queue would wait for ever.
    threading.Thread(target=follow, daemon=True).start()


# --- A cluster ------------------------------------------------------------------------------------


def on_dask(scheduler):
    """The workers of the Dask cluster at `scheduler`.

    Dask trusts everyone who can connect: keep the cluster's ports closed to others, or use TLS.
    """
    return lambda plan: OnDask(plan, scheduler)


class OnDask(Workers):
    """A few submissions for each worker are on their way at a time, each with the plan.

    So nothing is kept on the cluster, and nothing is lost when workers die together or the
    scheduler is started anew: what was on its way is sent again.
    """

    SECONDS = 8  # to reach the scheduler, and for the first worker to be there
    PATIENCE = 300  # seconds for a scheduler or a worker to come back

    def __init__(self, plan, scheduler):
        super().__init__(plan)
        self.address, self.client = scheduler, None
        self.sent = {}  # future -> (submission, attempt)

    def __enter__(self):
        self._connect(self.SECONDS)
        return self

    def __exit__(self, *_):
        self._disconnect()

    @property
    def pending(self):
        return len(self.waiting) + len(self.sent)

    def _connect(self, seconds):
        import dask
        from distributed import Client

        dask.config.set({"distributed.admin.event-loop": "tornado"})
        deadline = time.monotonic() + seconds
        try:
            self.client = Client(self.address, timeout=seconds)
        except (OSError, ValueError) as problem:
            # A client that was half made closes itself when it is collected: not at the very end.
            with _quietly():
                gc.collect()
            reason = str(problem).splitlines()[0] if isinstance(problem, ValueError) else ""
            raise SystemExit(
                f"No scheduler answers at {self.address}{f' ({reason})' if reason else ''}. "
                "Is it running, and can this machine reach it?"
            ) from None
        while not self.client.nthreads():
            if time.monotonic() > deadline:
                self._disconnect()
                raise SystemExit(
                    f"The scheduler at {self.address} has no workers. On each machine that is to "
                    f"help, run: dask worker {self.address}"
                )
            time.sleep(0.1)

    def _disconnect(self):
        if self.client is not None:
            self.sent.clear()
            with _quietly():
                self.client.close(timeout=2)
            self.client = None

    def finished(self, timeout=None):
        from concurrent.futures import CancelledError

        from distributed import wait
        from distributed.comm import CommClosedError

        end = time.monotonic() + (self.PATIENCE if timeout is None else timeout)
        try:
            while self.pending:
                self._send()
                left = end - time.monotonic()
                with contextlib.suppress(TimeoutError):
                    wait(list(self.sent), max(0.01, min(left, 1.0)), "FIRST_COMPLETED")
                if any(each.cancelled() for each in self.sent):
                    raise CancelledError
                if found := [each for each in self.sent if each.done()]:
                    return [graded for each in found for graded in self._result(each)]
                if left < 0 and timeout is not None:
                    break
                if left < 0 and not self.client.nthreads():
                    raise SystemExit(
                        f"The cluster at {self.address} has had no workers for {self.PATIENCE} s. "
                        "What was graded is kept; run this again to go on."
                    )
        except (CancelledError, CommClosedError, OSError):
            # The scheduler has gone, and with it all that it knew.
            self.waiting.extendleft(self.sent.values())
            self._disconnect()
            self._reconnect()
        return []

    def _send(self):
        """Two for each worker: one in hand and one to go on with."""
        room = 2 * max(1, sum(self.client.nthreads().values())) - len(self.sent)
        while self.waiting and room > 0:
            submission, attempt = self.waiting.popleft()
            future = self.client.submit(grade, self.plan, submission, pure=False)
            self.sent[future] = submission, attempt
            room -= 1

    def _result(self, future):
        submission, attempt = self.sent.pop(future)
        try:
            return [future.result()]
        except Exception as problem:  # whatever the cluster makes of a worker's death
            return self._lost(submission, attempt, type(problem).__name__)

    def _reconnect(self):
        deadline = time.monotonic() + self.PATIENCE
        while True:
            try:
                return self._connect(self.SECONDS)
            except SystemExit:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)


@contextlib.contextmanager
def _quietly():
    """Without what Dask logs of connections that are gone."""
    import logging

    logger = logging.getLogger("distributed")
    before, logger.disabled = logger.disabled, True
    try:
        with contextlib.suppress(Exception):
            yield
    finally:
        logger.disabled = before
