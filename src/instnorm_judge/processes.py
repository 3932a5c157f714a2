"""What a kernel and everything that it has started use of this machine, as Linux counts it.

Counted from outside, where student code can't change it. Elsewhere than on Linux only trusted work
is graded, and nothing is counted.
"""

import contextlib
import fcntl
import math
import os
import signal
import tempfile
import threading
import time
from pathlib import Path

PROCESSOR_CLOCK = 2  # CPUCLOCK_SCHED of the Linux kernel's posix-timers.h


def process_tree(pid):
    """Numbers of a process and of all that descend from it."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):  # it has just ended
            for task in os.listdir(f"/proc/{each}/task"):
                found += map(int, _words(f"/proc/{each}/task/{task}/children"))
    return found


def memory(pids):
    """Bytes of memory that processes occupy; what they share counts for each of them."""
    pages = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            pages += int(_words(f"/proc/{pid}/statm")[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def exact_memory(pids):
    """The same, with what they share counted once. This takes a while."""
    kilobytes = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            words = _words(f"/proc/{pid}/smaps_rollup")
            kilobytes += int(words[words.index("Pss:") + 1])
    return kilobytes * 1024


def _words(path):
    return Path(path).read_text(encoding="ascii").split()


def waited(pid):
    """Seconds that the first thread of a process was ready to run and others had the processors."""
    try:
        return int(_words(f"/proc/{pid}/schedstat")[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


class Contention:
    """Whether, since this was made, a process got less of this machine than it asked for."""

    SHARE = 0.15  # of the time in which it had to wait for others

    def __init__(self, pid):
        self.pids = pid, os.getpid()
        self.start = time.monotonic()
        self.before = [waited(each) for each in self.pids]

    def __bool__(self):
        seconds = time.monotonic() - self.start
        lost = [waited(pid) - before for pid, before in zip(self.pids, self.before, strict=True)]
        return max(lost) > self.SHARE * seconds


def short_of_memory():
    """Whether this machine has so little memory left that a program may be refused some."""
    try:
        about = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        kilobytes = {name: int(value.split()[0]) for name, value in about.items()}
        strict = _words("/proc/sys/vm/overcommit_memory") == ["2"]
    except (OSError, ValueError):
        return False
    left = kilobytes["CommitLimit"] - kilobytes["Committed_AS"] if strict else 2**62
    return min(kilobytes["MemAvailable"], left) < 256 * 1024


def sockets(pid):
    """How many sockets a process and all that share its network have, those in transit included."""
    try:
        with open(f"/proc/{pid}/net/unix", "rb") as lines:
            return sum(1 for _ in lines) - 1
    except OSError:
        return 0


class Watch(threading.Thread):
    """Ends a kernel that takes too much time or memory, whatever else this process is doing.

    Each process of a sandbox has a limit of its own (`sandbox.LIMITS`), but a sandbox may have
    many processes. A message that never ends would fill the memory of this process, and while it
    reads endless messages it looks at no clock.
    """

    INTERVAL = 0.2  # seconds
    MEMORY, TIME, SOCKETS = "memory", "time", "sockets"

    def __init__(self, pid, descriptor, memory, sockets):
        """`descriptor`: a pidfd of the process `pid`. `memory`: bytes, for it and for us."""
        super().__init__(daemon=True, name=f"watch-{pid}")
        self.pid, self.descriptor = pid, descriptor
        self.memory, self.sockets = memory, sockets
        self.until = {}  # what it is given time for -> when that is up
        self.struck = None  # why it has ended the kernel
        self.processor_time = 0.0  # of the kernel itself, when it was last seen
        self.over = threading.Event()
        self.start()

    def run(self):
        at_first = memory([os.getpid()])
        while not self.over.wait(self.INTERVAL):
            with contextlib.suppress(OSError):
                self.processor_time = time.clock_gettime(~self.pid << 3 | PROCESSOR_CLOCK)
            self.struck = self._struck(memory([os.getpid()]) - at_first)
            if self.struck:
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(self.descriptor, signal.SIGKILL)
                return

    def _struck(self, ours):
        if time.monotonic() > min(list(self.until.values()), default=math.inf):
            return self.TIME
        if sockets(self.pid) > self.sockets:
            return self.SOCKETS
        theirs = process_tree(self.pid)
        too_much = memory(theirs) > self.memory and exact_memory(theirs) > self.memory
        return self.MEMORY if too_much or ours > self.memory else None

    def stop(self):
        """The kernel has ended; the descriptor may be closed after this."""
        self.over.set()
        self.join()


class Turns:
    """Submissions are graded on this machine side by side, or one of them alone.

    `beside` takes a lock that is shared, `alone` takes it exclusively. While one waits to be alone,
    no others start; those that have started go on to their end.
    """

    def __init__(self, folder=None):
        folder = Path(folder or tempfile.gettempdir()) / f"instnorm-judge-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid() or folder.is_symlink():
            raise OSError(f"{folder} is not ours")
        self.door, self.room = folder / "door", folder / "room"

    @contextlib.contextmanager
    def beside(self):
        with _locked(self.room, fcntl.LOCK_SH, door=self.door):
            yield

    @contextlib.contextmanager
    def alone(self):
        with _locked(self.room, fcntl.LOCK_EX, door=self.door):
            yield


@contextlib.contextmanager
def _locked(room, how, door):
    with room.open("a") as inside:
        with door.open("a") as waiting:
            fcntl.flock(waiting, fcntl.LOCK_EX)
            fcntl.flock(inside, how)
        yield
