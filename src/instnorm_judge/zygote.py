"""Kernels, forked in a sandbox that has imported everything before: see `inside/zygote.py`."""

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import weakref
from pathlib import Path

from . import sandbox

SECONDS = 60  # for the imports of a sandbox, and for an answer
UNKNOWN = -256  # the exit status of a kernel whose parent has ended too, and can't tell it


class Zygote:
    """A sandbox in which no student code runs, and from which kernels are forked."""

    def __init__(self, modules):
        self.modules = modules
        # Private to this process; the folder in it is shown to the sandbox.
        home = Path(tempfile.mkdtemp(prefix="judge-"))
        self.kernels = home / "kernels"
        self.kernels.mkdir(mode=0o755)
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.settimeout(SECONDS)
        with theirs:
            self.process = subprocess.Popen(
                sandbox.command(self.kernels, theirs.fileno(), modules),
                env={},
                pass_fds=(theirs.fileno(),),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.ready = False
        self.close = weakref.finalize(self, _close, self.channel, self.process, home)

    @property
    def usable(self):
        return self.close.alive and self.process.poll() is None

    def start(self, folder):
        """A Kernel for the connection file in `folder`. Raises RuntimeError if there is none."""
        try:
            self.ready = self.ready or self.channel.recv(100) == b"ready"
            request = {"folder": str(folder), "uid": sandbox.nobody()}
            self.channel.send(json.dumps(request).encode())
            told, descriptors, _, _ = socket.recv_fds(self.channel, 1000, 2)
        except OSError as error:
            told, descriptors = str(error).encode(), []
        if len(descriptors) != 2:
            self.close()
            raise RuntimeError(f"the sandbox did not start a kernel: {told.decode()}")
        return Kernel(*descriptors)


class Kernel:
    """A kernel's process, to be used like one of `subprocess`."""

    returncode = None

    def __init__(self, descriptor, ending):
        self.descriptor = descriptor  # a pidfd: the number alone may come to mean another process
        self.ending = ending  # a pipe, from which its parent tells how it ended
        text = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii")
        self.pid = int(re.search(r"^Pid:\s*(-?\d+)", text, re.MULTILINE).group(1))

    def poll(self):
        """None while it runs, then as in `subprocess`; UNKNOWN if its parent has died as well."""
        if self.returncode is None and select.select([self.descriptor], [], [], 0)[0]:
            told = os.read(self.ending, 20) if select.select([self.ending], [], [], 1)[0] else b""
            self.returncode = os.waitstatus_to_exitcode(int(told)) if told else UNKNOWN
            os.close(self.ending)
        return self.returncode

    def send_signal(self, signum):
        signal.pidfd_send_signal(self.descriptor, signum)


def _close(channel, process, home):
    channel.close()
    process.kill()
    process.wait()
    shutil.rmtree(home, ignore_errors=True)


_here = threading.local()  # bubblewrap ends with the thread that started it


def zygote(modules):
    """This thread's zygote, with `modules` imported. It is made where there is none yet."""
    before = getattr(_here, "zygote", None)
    if before is not None:
        if before.usable and modules <= before.modules:
            return before
        before.close()
        modules = modules | before.modules
    _here.zygote = Zygote(modules)
    return _here.zygote
