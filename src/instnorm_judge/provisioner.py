"""Kernels in the sandbox, as jupyter_client sees them: a provisioner, a manager and a client.

The trusted side makes the two sockets and the kernel connects to them (see `inside/kernel.py`), so
all that a sandbox needs from the host is a read-only folder.
"""

import asyncio
import contextlib
import enum
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.metadata import EntryPoint
from pathlib import Path
from queue import Empty

import zmq
from jupyter_client import AsyncKernelClient, AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.provisioning import KernelProvisionerBase, KernelProvisionerFactory
from jupyter_client.session import Session
from traitlets import Bool, Dict, DottedObjectName, Integer, Set, Type, default

from . import cgroups, sandbox
from .inside import wire
from .processes import Watch
from .zygote import UNKNOWN, zygote

PROVISIONER = "instnorm-sandbox"

# What a hostile kernel can make this process hold: bytes of one part of a message, of a part that
# is parsed, parts of one message, and messages that wait to be read.
MAX_PART = wire.MAX_BYTES + 2**20
MAX_TEXT = 8 * 2**20
MAX_PARTS = 200
MAX_WAITING = 16
PATIENCE = 5  # seconds for a kernel to take a message


class Fate(enum.Enum):
    """What becomes of kernels."""

    ALIVE = "alive"
    BY_ITSELF = "it came to an end by what the student's code did"
    FROM_OUTSIDE = "somebody else killed it, perhaps Linux for want of memory"
    MEMORY, TIME, SOCKETS = Watch.MEMORY, Watch.TIME, Watch.SOCKETS


class SandboxProvisioner(KernelProvisionerBase):
    """Has a kernel forked in the sandbox, and ends it with SIGKILL."""

    process = None
    pid = kernel = None  # of the kernel: its number, and a descriptor, which stays its own
    watch = None
    group = None  # of cgroups, where there are any

    @property
    def has_process(self):
        return self.process is not None

    async def pre_launch(self, **kwargs):
        return {"cmd": [], "cwd": None, "env": {}}

    async def launch_kernel(self, cmd, **kwargs):
        manager = self.parent
        manager.write_connection_file()
        # The sandbox may run under another account: it may read, and that is all.
        os.chmod(manager.connection_file, 0o644)
        if manager.confined:
            self.process = manager.zygote.start(manager.folder)
            self.pid, self.kernel = self.process.pid, self.process.descriptor
            self.group = cgroups.group(self.pid, manager.memory)
            self.watch = Watch(self.pid, self.kernel, manager.memory, sandbox.SOCKETS)
        else:
            self.process = _start(sandbox.unconfined_command(manager.folder))
            self.pid = self.process.pid
        return manager.get_connection_info()

    async def poll(self):
        return self.process.poll() if self.process else 0

    async def wait(self):
        if self.process is None:
            return 0
        while self.process.poll() is None:
            await asyncio.sleep(0.005)
        code, self.process = self.process.returncode, None
        return code

    def fate(self):
        """What has become of the kernel, as far as it was not ended by `kill`: see `Fate`."""
        if self.watch is not None and self.watch.struck:
            return Fate(self.watch.struck)
        code = self.process.poll() if self.process else None
        if code is None:
            return Fate.ALIVE
        if self.group is not None and self.group.out_of_memory:
            return Fate.MEMORY
        # Within its walls a kernel can't be killed: it is the first process there.
        if code in (-signal.SIGKILL, UNKNOWN):
            limit = sandbox.LIMITS["RLIMIT_CPU"]
            used = self.watch.processor_time if self.watch is not None else 0
            return Fate.BY_ITSELF if used > limit - 2 else Fate.FROM_OUTSIDE
        return Fate.BY_ITSELF

    async def send_signal(self, signum):
        if self.kernel is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.kernel, signum)
        elif self.process and not self.parent.confined:
            self.process.send_signal(signum)

    async def kill(self, restart=False):
        """End the first process in the kernel's namespace, and with it all the others."""
        await self.send_signal(signal.SIGKILL)

    async def terminate(self, restart=False):
        await self.kill()

    async def cleanup(self, restart=False):
        if self.watch is not None:
            self.watch.stop()
            self.watch = None
        if self.group is not None:
            self.group.remove()
            self.group = None
        if self.kernel is not None:
            os.close(self.kernel)
            self.kernel = None


def _start(command):
    return subprocess.Popen(
        command,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


class BoundedSession(Session):
    """Parses messages up to a size only: a text becomes many times as large when it is parsed.

    A larger message is replaced by one that says nothing. In an honest notebook it may have been a
    picture, of a size that the feedback has no room for anyway.
    """

    def deserialize(self, msg_list, content=True, copy=True):
        if len(msg_list) > MAX_PARTS or any(len(part) > MAX_TEXT for part in msg_list[:5]):
            nothing = {"header": {}, "parent_header": {}, "metadata": {}, "content": {}}
            return {**nothing, "msg_id": "", "msg_type": "too_large", "buffers": []}
        return super().deserialize(msg_list, content, copy)


class SandboxClient(AsyncKernelClient):
    """A client that makes the sockets, and that a hostile kernel can't flood."""

    line = None  # hears of the connection on which the kernel sends what it has to say

    def _create_connected_socket(self, channel, identity=None):
        kind = {"shell": zmq.DEALER, "iopub": zmq.SUB}[channel]
        socket = self.context.socket(kind)
        socket.linger = 0
        if identity:
            socket.identity = identity
        socket.maxmsgsize = MAX_PART
        socket.rcvhwm = MAX_WAITING
        socket.sndtimeo = 1000 * PATIENCE
        url = self._make_url(channel)
        socket.bind(url)
        os.chmod(url.removeprefix("ipc://"), 0o666)  # in a folder that only we can enter
        return socket

    @property
    def hung_up(self):
        """Whether that connection is over: by a message too large to be taken, or by its end.

        While the kernel lives, nobody but the code in it can do that.
        """
        return self.line is not None and bool(self.line.get(zmq.EVENTS) & zmq.POLLIN)

    def start_channels(self, **which):
        super().start_channels(shell=True, iopub=True, stdin=False, hb=False, control=False)
        self.line = self.iopub_channel.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)

    def stop_channels(self):
        if self.line is not None:
            self.iopub_channel.socket.disable_monitor()
            self.line.close(0)
            self.line = None
        for channel in (self.shell_channel, self.iopub_channel):
            channel.stop()

    async def _async_wait_for_ready(self, timeout=None):
        """Ask until both sockets have been heard: an answer on one, a state on the other."""
        deadline, asked = time.monotonic() + (timeout or 60), []
        while time.monotonic() < deadline:
            asked.append(self.kernel_info())
            try:
                while True:
                    # The first answer may come before we are heard to listen: soon ask again.
                    status = await self.iopub_channel.get_msg(timeout=0.1)
                    about = status["parent_header"].get("msg_id")
                    if about in asked and status["content"].get("execution_state") == "idle":
                        await self._async_recv_reply(about, timeout=1)
                        self._close_the_door()
                        return
            except (Empty, TimeoutError):
                if not await self.parent.is_alive():
                    raise RuntimeError("the kernel ended before it was ready") from None
        raise RuntimeError("the kernel was not ready in time")

    wait_for_ready = _async_wait_for_ready

    def _close_the_door(self):
        """Accept no further connections, of which a hostile kernel could open thousands.

        Those that exist stay open. No student code has run yet.
        """
        for channel in ("shell", "iopub"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._make_url(channel).removeprefix("ipc://"))


class SandboxManager(AsyncKernelManager):
    """A manager whose kernels run in the sandbox, whatever kernel the notebook names."""

    client_class = DottedObjectName(f"{__name__}.SandboxClient")
    client_factory = Type(SandboxClient)
    confined = Bool(True, help="False: no walls. For work that you trust.").tag(config=True)
    memory = Integer(sandbox.MEMORY, help="bytes for all processes of a kernel together")
    modules = Set(help="what the notebook imports, as far as it takes long")
    public_cases = Dict(help="what the stub's public_case hands out: exercise -> aspect -> cases")

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.zygote = zygote(self.modules) if self.confined else None
        within = self.zygote.kernels if self.confined else None
        self.folder = Path(tempfile.mkdtemp(prefix="kernel-", dir=within))
        if self.confined:
            self.folder.chmod(0o755)  # in a folder that only we can enter
        (self.folder / "public-cases.json").write_text(json.dumps(self.public_cases))
        self.transport, self.ip = "ipc", str(self.folder / "socket")
        self.connection_file = str(self.folder / "connection.json")
        self.shell_port, self.iopub_port, self.control_port = 1, 2, 3
        self.stdin_port, self.hb_port = 4, 5

    @default("session")
    def _session_default(self):
        return BoundedSession(parent=self)

    @property
    def kernel_spec(self):
        return KernelSpec(
            argv=[],
            language="python",
            metadata={"kernel_provisioner": {"provisioner_name": PROVISIONER}},
        )

    def _connect_control_socket(self):
        """None: there is no polite way to end a kernel in the sandbox."""

    async def _async_wait(self, pollinterval=0.005):
        """Every 0.1 s is too seldom where a kernel is ended for each submission."""
        await super()._async_wait(pollinterval)

    async def _async_cleanup_resources(self, restart=False):
        await super()._async_cleanup_resources(restart)
        shutil.rmtree(self.folder, ignore_errors=True)

    cleanup_resources = _async_cleanup_resources


KernelProvisionerFactory.instance().provisioners[PROVISIONER] = EntryPoint(
    PROVISIONER, f"{__name__}:SandboxProvisioner", KernelProvisionerFactory.GROUP_NAME
)
