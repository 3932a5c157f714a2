"""What a kernel and everything that it has started use of this machine, as Linux counts it.

Counted from outside, where student code can't change it. Elsewhere than on Linux only trusted work
is graded, and nothing is counted.
"""

import contextlib
import os
import signal
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


def processor_time(pid):
    """Seconds of processor time of a process and its descendants, those that ended included.

    Those whose parent does not wait for them are lost, unless it is told to keep them
    (`syscalls`). Where there is no such clock, seconds of an ordinary one.
    """
    if not os.path.exists("/proc/self/stat"):
        return time.perf_counter()
    seconds = 0.0
    for each in process_tree(pid):
        with contextlib.suppress(OSError, ValueError):  # its parent has just taken its time over
            seconds += _own_time(each)
    return seconds


def _own_time(pid):
    # The clock of another process (clock_getcpuclockid) counts nanoseconds, /proc ten milliseconds.
    own = time.clock_gettime(~pid << 3 | PROCESSOR_CLOCK)
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    ended = stat.rpartition(")")[2].split()[13:15]  # cutime and cstime
    return own + sum(map(int, ended)) / os.sysconf("SC_CLK_TCK")


def _words(path):
    return Path(path).read_text(encoding="ascii").split()


class Watch(threading.Thread):
    """Ends a kernel when it, or this process because of it, takes too much memory.

    Each process of a sandbox has a limit of its own (`sandbox.LIMITS`), but a sandbox may have
    many. And a message that never ends is kept here until its end.
    """

    INTERVAL = 0.2  # seconds

    def __init__(self, pid, descriptor, limit):
        """`descriptor`: a pidfd of the process `pid`. `limit`: bytes, for it and for us."""
        super().__init__(daemon=True, name=f"watch-{pid}")
        self.pid, self.descriptor, self.limit = pid, descriptor, limit
        self.struck = False  # whether it has ended the kernel
        self.over = threading.Event()
        self.start()

    def run(self):
        at_first = memory([os.getpid()])
        while not self.over.wait(self.INTERVAL):
            theirs, ours = process_tree(self.pid), memory([os.getpid()]) - at_first
            too_much = memory(theirs) > self.limit and exact_memory(theirs) > self.limit
            if too_much or ours > self.limit:
                self.struck = True
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(self.descriptor, signal.SIGKILL)
                return

    def stop(self):
        """The kernel has ended; the descriptor may be closed after this."""
        self.over.set()
        self.join()
