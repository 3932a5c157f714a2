"""cgroup v2, where it can be had: what a submission takes, counted and shared out by Linux itself.

A group counts what belongs to no process: shared mappings, the buffers of sockets, files in memory.
Its share of the processors is one share, however many processes are in it. And it has an end.

It can be had by root, and by whoever has been handed a group to divide up ("delegated"), as
`systemd-run --user --scope --property Delegate=yes` does it. Elsewhere `unavailable` says why, and
`processes.Watch` and the limits of `sandbox` do what can be done without.
"""

import contextlib
import errno
import functools
import itertools
import os
import signal
import time
from pathlib import Path

CONTROLLERS = ("cpu", "memory", "pids")
OURS = "instnorm-judge"  # the group of those who grade, beside those of the submissions
PROCESSES = 80  # of a submission: see RLIMIT_NPROC
WEIGHT = 100  # of a submission among the processors; that of those who grade is five times as much

INSTEAD = (
    "so memory is counted five times a second, files, sockets and processes have quotas, and a "
    "submission has the processors as one session."
)
HOW = "systemd-run --user --scope --property Delegate=yes instnorm-judge ..."


class Unavailable(Exception):
    """There are no groups to be had; the message says why."""


@functools.cache
def home():
    """The folder in which groups are made, ready for it. Raises Unavailable."""
    return prepared(Path("/proc"))


def note():
    """What an instructor should know at the start, in one line; "" if all is as it should be."""
    try:
        home()
    except Unavailable as reason:
        return f"No cgroups for submissions ({reason}), {INSTEAD}"
    return ""


def prepared(proc):
    """The same for a certain /proc."""
    current, top = _current(proc)
    if current.name == OURS and _enabled(current.parent):
        return current.parent  # by the process that has started this one
    try:
        try:
            _divide(current)
        except OSError:
            _move_over(proc, current)
            _divide(current)
            with contextlib.suppress(OSError):
                _write(current / OURS / "cpu.weight", 5 * WEIGHT)
        return current
    except (OSError, Unavailable) as problem:
        if os.geteuid() == 0 and current != top:
            with contextlib.suppress(OSError, Unavailable):
                _divide(top)
                (top / f"{OURS}-submissions").mkdir(exist_ok=True)
                _divide(top / f"{OURS}-submissions")
                return top / f"{OURS}-submissions"
        if isinstance(problem, Unavailable):
            raise
        raise Unavailable(f"{current} can't be divided up: {problem.strerror}; try {HOW}") from None


def _divide(group):
    """Let a group have groups in it that count and share out."""
    missing = set(CONTROLLERS) - set(_words(group / "cgroup.controllers"))
    if missing:
        raise Unavailable(f"{group} has no controllers for {', '.join(sorted(missing))}")
    if not _enabled(group):
        _write(group / "cgroup.subtree_control", " ".join(f"+{each}" for each in CONTROLLERS))


def _current(proc):
    """The folder of the group that this process is in, and that of all groups in sight."""
    try:
        mounts = [line.split() for line in (proc / "self/mountinfo").read_text().splitlines()]
        groups = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        raise Unavailable("this system has none") from None
    # "36 35 0:30 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw"
    places = [(each[4], each[3]) for each in mounts if each[each.index("-") + 1] == "cgroup2"]
    path = next((line[3:] for line in groups if line.startswith("0::")), None)
    if not places or path is None:
        raise Unavailable("version 2 of cgroups is not mounted here")
    place, root = places[0]
    inside = os.path.relpath(path, root)
    if inside.startswith(".."):
        raise Unavailable("the group of this process is out of sight")
    return Path(place) / inside, Path(place)


def _move_over(proc, group):
    """Make room: a group with groups in it has no processes of its own, but for the first of all.

    Raises OSError if there are processes of others, which are not ours to move.
    """
    (group / OURS).mkdir(exist_ok=True)
    for pid in map(int, _words(group / "cgroup.procs")):
        if pid != os.getpid() and os.getpid() not in _ancestors(proc, pid):
            raise OSError(errno.EBUSY, "there are other programs in it")
        _write(group / OURS / "cgroup.procs", pid)


def _ancestors(proc, pid):
    found = []
    while pid > 1:
        try:
            status = (proc / str(pid) / "stat").read_text()
        except OSError:
            break
        pid = int(status.rpartition(")")[2].split()[1])
        found.append(pid)
    return found


def _enabled(group):
    return set(CONTROLLERS) <= set(_words(group / "cgroup.subtree_control"))


_count = itertools.count()


class Group:
    """The group of one submission, below `home`. Raises OSError if it can't be made."""

    def __init__(self, home, pid, memory):
        """Put the process `pid` in a new group; `memory` is the most that it may have, in bytes."""
        self.folder = home / f"submission-{os.getpid()}-{next(_count)}"
        self.folder.mkdir()
        try:
            _write(self.folder / "memory.max", memory)
            # Nothing is saved by moving it elsewhere; and who is ended, is ended with all others.
            for name, value in (("memory.swap.max", 0), ("memory.oom.group", 1)):
                with contextlib.suppress(OSError):  # older kernels of Linux
                    _write(self.folder / name, value)
            _write(self.folder / "pids.max", PROCESSES)
            _write(self.folder / "cpu.weight", WEIGHT)
            _write(self.folder / "cgroup.procs", pid)
        except OSError:
            self.remove()
            raise

    @property
    def out_of_memory(self):
        """Whether it has reached the limit, and Linux has ended a process of it for that."""
        try:
            events = dict(line.split() for line in _lines(self.folder / "memory.events"))
        except (OSError, ValueError):
            return False
        # "oom_kill" alone would count those that are ended because the machine has no memory left.
        return int(events.get("oom", 0)) > 0

    def remove(self):
        """With whoever is still in it."""
        for _ in range(100):
            with contextlib.suppress(OSError):
                os.rmdir(self.folder)
                return
            with contextlib.suppress(OSError):
                for pid in map(int, _words(self.folder / "cgroup.procs")):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)


def group(pid, memory):
    """A Group for the kernel `pid`; None where there are none to be had."""
    try:
        return Group(home(), pid, memory)
    except Unavailable:
        return None


def _lines(path):
    return path.read_text(encoding="ascii").splitlines()


def _words(path):
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return []


def _write(path, value):
    path.write_text(str(value), encoding="ascii")
