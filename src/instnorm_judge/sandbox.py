"""The walls around student code: a bubblewrap command line, and what each part of it is for.

A process in the sandbox sees an interpreter and its libraries, read-only; a few MiB of scratch
memory; one folder with two sockets; and nothing else of this machine. It has no network, no
environment and no other processes to look at, fewer system calls (`syscalls`), and limited time.

bubblewrap makes these walls once, around a process that never runs student code. Each kernel is
forked from it behind walls of its own, which it has no right to undo (`inside/zygote.py`).

Where bubblewrap is missing, or can't be used, `require` refuses and names the remedy.
"""

import functools
import importlib.util
import itertools
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from . import syscalls

INSIDE = Path(__file__).parent / "inside"
HOME = "/home/student"

MIB = 2**20
LIMITS = {
    # One process's address space: a memory bomb ends in MemoryError. torch needs about 2 GiB.
    "RLIMIT_AS": 4096 * MIB,
    # Processes and threads: a fork bomb ends in BlockingIOError. A kernel has about a dozen.
    "RLIMIT_NPROC": 64,
    # Seconds of CPU time: what is left running is ended even if nobody watches.
    "RLIMIT_CPU": 600,
    "RLIMIT_FSIZE": 32 * MIB,
    "RLIMIT_NOFILE": 256,
    "RLIMIT_CORE": 0,
    # Things that the Linux kernel keeps for a process, outside its memory.
    "RLIMIT_SIGPENDING": 256,
    "RLIMIT_MSGQUEUE": 0,
    "RLIMIT_MEMLOCK": 8 * MIB,
}
SCRATCH = 64 * MIB  # of each of the three folders that can be written to; all are memory
FILES = 20_000  # in each of them: an empty one takes a kilobyte of memory, outside that quota
SOCKETS = 128  # of all processes together: up to 400 KiB of memory wait in each to be read
MEMORY = 4096 * MIB  # of all processes together; see `processes.Watch`

# Nothing is handed on from the environment of whoever grades: it may hold passwords.
ENVIRONMENT = {
    "PATH": "/usr/bin",
    "HOME": HOME,
    "TMPDIR": HOME,
    "USER": "student",
    "LANG": "C.UTF-8",
    "IPYTHONDIR": f"{HOME}/.ipython",
    "MPLCONFIGDIR": f"{HOME}/.matplotlib",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    # Submissions are graded side by side, and threads count as processes.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # There is no network, and pip would try for eight seconds.
    "PIP_NO_INDEX": "1",
    "PIP_RETRIES": "0",
}

REMEDY = """\
{reason}

Student code is graded inside a sandbox, and without one it could read and change everything that
you can. On Linux, install bubblewrap (`apt-get install bubblewrap`, or `dnf install bubblewrap`).
Elsewhere, grade in a Linux virtual machine or container with bubblewrap in it.

To grade work that you trust as you trust your own, set INSTNORM_UNSANDBOXED=1, or run
`instnorm-judge autograde ASSIGNMENT --unsandboxed`.
"""


class NoSandbox(SystemExit):
    """Student code can't be confined on this machine, so nothing is graded.

    A SystemExit, since nbgrader would go on to the next student after any other exception.
    """


def require():
    """Return if the sandbox works; raise NoSandbox, with the remedy, if it doesn't."""
    reason = _broken()
    if reason:
        raise NoSandbox(REMEDY.format(reason=reason))


@functools.cache
def _broken():
    if not sys.platform.startswith("linux"):
        return f"There is no sandbox for {sys.platform}."
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed."
    if syscalls.filter_program() is None:
        return f"There is no sandbox for machines of type {platform.machine()}."
    try:
        trial = subprocess.run(
            command(Path("/usr")),
            env={},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not start: {error}."
    if trial.stdout.strip() == "inside":
        return None
    complaint = (trial.stderr.strip().splitlines() or ["no reason given"])[-1]
    return (
        f"bubblewrap can't make a sandbox here ({complaint}). Are unprivileged user namespaces "
        "switched off? See kernel.unprivileged_userns_clone, user.max_user_namespaces and "
        "kernel.apparmor_restrict_unprivileged_userns in `sysctl -a`."
    )


def command(kernels, channel=None, modules=()):
    """The command that starts a sandbox, from which kernels are forked (`inside/zygote.py`).

    `kernels` is the folder in which each kernel will have one with its connection file, its sockets
    and the public cases; names inside are the same. `channel` is the descriptor of a socket to ask
    for kernels (None: only to try), and `modules` are imported before any of them starts.
    """
    arguments = {
        "home": HOME,
        "scratch": _scratch(),
        "room": SCRATCH,
        "files": FILES,
        "limits": LIMITS,
        "uid": nobody(),
        "filter": syscalls.filter_program().hex(),
        "paths": ["/lab"],
        "modules": sorted(modules),
        **({} if channel is None else {"channel": channel}),
    }
    return [
        *_walls(kernels),
        *(part for item in ENVIRONMENT.items() for part in ("--setenv", *item)),
        *("--", sys.executable, "-I", "-B", "/judge/zygote.py", json.dumps(arguments)),
    ]


def unconfined_command(folder):
    """The same kernel without walls, for trusted work."""
    arguments = {
        "folder": str(folder),
        "home": str(folder),
        "limits": {},
        "uid": None,
        "paths": [str(_lab().parent)],
    }
    return [sys.executable, "-B", str(INSIDE / "kernel.py"), json.dumps(arguments)]


def _walls(folder):
    scratch = ("--perms", "1777", "--size", str(SCRATCH), "--tmpfs")
    return [
        "bwrap",
        # Root can be dropped for good only by becoming another user, which a user namespace of
        # bubblewrap's making does not allow: see `give_up_rights`. Everybody else needs one.
        *(
            ("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
            if os.geteuid() == 0
            else ("--unshare-user", "--disable-userns", "--uid", "65534", "--gid", "65534")
        ),
        # To make namespaces within these, for each kernel; kernels give it up.
        *("--cap-add", "CAP_SYS_ADMIN"),
        # No processes to signal or trace but its own; whatever is left behind ends with the first.
        *("--unshare-pid", "--as-pid-1"),
        "--unshare-net",
        "--unshare-ipc",
        *("--unshare-uts", "--hostname", "sandbox"),
        "--unshare-cgroup-try",
        # No terminal to push keystrokes into.
        "--new-session",
        # Grading that is killed leaves nothing behind.
        "--die-with-parent",
        "--clearenv",
        *("--proc", "/proc"),
        # Shared memory mapped from /dev/zero would be counted for no process.
        *("--dev", "/dev", *scratch, "/dev/shm", "--dev-bind", "/dev/null", "/dev/zero"),
        *("--remount-ro", "/dev"),
        *(*scratch, "/tmp"),
        *(*scratch, HOME),
        *_interpreter(),
        *("--ro-bind", str(INSIDE), "/judge"),
        *(*_parents("/lab/x"), "--ro-bind", str(_lab()), "/lab/instnorm_lab"),
        *(*_parents(folder), "--ro-bind", str(folder), str(folder)),
        *("--chdir", HOME),
        *(() if "/tmp" in _scratch() else ("--remount-ro", "/tmp")),
        # The root itself is memory without a quota, unless nobody can write there.
        *("--remount-ro", "/"),
    ]


def _scratch():
    """Folders that each kernel gets anew, to write to.

    Not /tmp where the interpreter itself lies there: it would be covered, and the kernel could
    import nothing more. Python makes its temporary files in HOME (TMPDIR).
    """
    places = (sys.prefix, sys.base_prefix, sys.executable)
    in_tmp = any(Path(place).is_relative_to("/tmp") for place in places)
    return ["/dev/shm", HOME] if in_tmp else ["/dev/shm", "/tmp", HOME]


@functools.cache
def _interpreter():
    """Bind the running interpreter, its libraries and those of the system; hide our own."""
    shown = [Path("/usr/lib"), Path("/etc/ld.so.cache")]
    shown += [
        path for name in ("lib", "lib32", "lib64", "usr/lib64") for path in [Path("/") / name]
    ]
    for prefix in {sys.base_prefix, sys.prefix}:
        shown += [Path(prefix) / name for name in ("lib", "lib64", "pyvenv.cfg")]
    # A virtual environment's interpreter is a chain of links, all of which are needed.
    link = Path(sys.executable)
    while True:
        shown.append(link)
        if not link.is_symlink():
            break
        link = Path(os.path.normpath(link.parent / os.readlink(link)))
    parts, bound = [], []
    for path in sorted(set(shown)):
        if not path.exists() or any(path.is_relative_to(other) for other in bound):
            continue
        parts += _parents(path)
        if path.is_symlink():
            parts += ["--symlink", os.readlink(path), str(path)]
        else:
            parts += ["--ro-bind", str(path), str(path)]
            bound.append(path)
    for name in ("instnorm", "instnorm_checks", "instnorm_judge", "instnorm_site"):
        for home in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
            if (Path(home) / name).is_dir():
                parts += ["--tmpfs", f"{home}/{name}", "--remount-ro", f"{home}/{name}"]
    return tuple(parts)


def _parents(path):
    """Make the folders that a path lies in; of itself bubblewrap makes them for the owner only."""
    for folder in reversed(Path(path).parents[:-1]):
        yield from ("--perms", "0755", "--dir", str(folder))


def _lab():
    return Path(importlib.util.find_spec("instnorm_lab").origin).parent


_count = itertools.count()


def nobody():
    """An account number that nothing else on this machine has, another one for each kernel.

    None where we are not root, and nobody in the sandbox anyway.
    """
    if os.geteuid() != 0:
        return None
    return 2**30 + (os.getpid() * 1000 + next(_count) % 1000) % 2**30
