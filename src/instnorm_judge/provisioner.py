"""Kernels in the sandbox, as jupyter_client sees them: a provisioner, a manager and a client.

The trusted side makes the two sockets and the kernel connects to them (see `inside/kernel.py`), so
all that a sandbox is lent of the host is a read-only folder.
"""

import asyncio
import contextlib
import json
import os
import select
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
from traitlets import Bool, Dict, DottedObjectName, Type

from . import sandbox
from .inside import wire

PROVISIONER = "instnorm-sandbox"

# One message, and as many as may wait unread: what a hostile kernel can make this process hold.
MAX_MESSAGE = wire.MAX_BYTES + 2**20
MAX_WAITING = 16


class SandboxProvisioner(KernelProvisionerBase):
    """Starts a kernel with `sandbox.command` and ends it with SIGKILL."""

    process = None
    kernel = None  # a file descriptor of the kernel's process, which no other process can inherit

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
        folder = manager.folder
        if not manager.confined:
            self.process = _start(sandbox.unconfined_command(folder), dict(os.environ), ())
            self.kernel = os.pidfd_open(self.process.pid)
            return manager.get_connection_info()
        reader, writer = os.pipe()
        try:
            self.process = _start(sandbox.command(folder, writer), {}, (writer,))
            os.close(writer)
            writer = None
            child = _told_pid(reader)
        finally:
            os.close(reader)
            if writer is not None:
                os.close(writer)
        if child is None:
            self.process.kill()
            self.process.wait()
            raise RuntimeError("bubblewrap did not start the kernel")
        try:
            self.kernel = os.pidfd_open(child)
        except ProcessLookupError:
            self.kernel = None  # ended already; `poll` tells
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

    async def send_signal(self, signum):
        if self.kernel is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.kernel, signum)

    async def kill(self, restart=False):
        """End the first process of the sandbox, and with it everything in there."""
        await self.send_signal(signal.SIGKILL)
        if self.process:
            self.process.kill()

    async def terminate(self, restart=False):
        await self.kill()

    async def cleanup(self, restart=False):
        if self.kernel is not None:
            os.close(self.kernel)
            self.kernel = None


def _start(command, environment, descriptors):
    return subprocess.Popen(
        command,
        env=environment,
        pass_fds=descriptors,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _told_pid(reader, seconds=20):
    """The process that bubblewrap started, from its JSON; None if it tells nothing."""
    deadline, told = time.monotonic() + seconds, b""
    while time.monotonic() < deadline:
        if not select.select([reader], [], [], deadline - time.monotonic())[0]:
            break
        part = os.read(reader, 4096)
        told += part
        try:
            return json.loads(told)["child-pid"]
        except ValueError:
            if not part:
                break
    return None


class SandboxClient(AsyncKernelClient):
    """A client that makes the sockets, and that a hostile kernel can't flood."""

    def _create_connected_socket(self, channel, identity=None):
        kind = {"shell": zmq.DEALER, "iopub": zmq.SUB}[channel]
        socket = self.context.socket(kind)
        socket.linger = 0
        if identity:
            socket.identity = identity
        socket.maxmsgsize = MAX_MESSAGE
        socket.rcvhwm = MAX_WAITING
        url = self._make_url(channel)
        socket.bind(url)
        os.chmod(url.removeprefix("ipc://"), 0o666)  # in a folder that only we can enter
        return socket

    def start_channels(self, **which):
        super().start_channels(shell=True, iopub=True, stdin=False, hb=False, control=False)

    def stop_channels(self):
        for channel in (self.shell_channel, self.iopub_channel):
            channel.stop()

    async def _async_wait_for_ready(self, timeout=None):
        """Ask until both sockets have been heard: an answer on one, a state on the other."""
        deadline = time.monotonic() + (timeout or 60)
        while time.monotonic() < deadline:
            asked = self.kernel_info()
            try:
                while True:
                    status = await self.iopub_channel.get_msg(timeout=1)
                    if status["parent_header"].get("msg_id") == asked and (
                        status["content"].get("execution_state") == "idle"
                    ):
                        await self._async_recv_reply(asked, timeout=1)
                        return
            except (Empty, TimeoutError):
                if not await self.parent.is_alive():
                    raise RuntimeError("the kernel ended before it was ready") from None
        raise RuntimeError("the kernel was not ready in time")

    wait_for_ready = _async_wait_for_ready


class SandboxManager(AsyncKernelManager):
    """A manager whose kernels run in the sandbox, whatever kernel the notebook names."""

    client_class = DottedObjectName(f"{__name__}.SandboxClient")
    client_factory = Type(SandboxClient)
    confined = Bool(True, help="False: no walls. For work that you trust.").tag(config=True)
    public_cases = Dict(help="what the stub's public_case hands out: exercise -> aspect -> cases")

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # Private to this process; the folder in it is shown to the sandbox.
        self.home = Path(tempfile.mkdtemp(prefix="judge-"))
        self.folder = self.home / "kernel"
        self.folder.mkdir(mode=0o755)
        (self.folder / "public-cases.json").write_text(json.dumps(self.public_cases))
        self.transport, self.ip = "ipc", str(self.folder / "socket")
        self.connection_file = str(self.folder / "connection.json")
        self.shell_port, self.iopub_port, self.control_port = 1, 2, 3
        self.stdin_port, self.hb_port = 4, 5

    @property
    def kernel_spec(self):
        return KernelSpec(
            argv=[],
            language="python",
            metadata={"kernel_provisioner": {"provisioner_name": PROVISIONER}},
        )

    def _connect_control_socket(self):
        """None: there is no polite way to end a kernel in the sandbox."""

    async def _async_cleanup_resources(self, restart=False):
        await super()._async_cleanup_resources(restart)
        shutil.rmtree(self.home, ignore_errors=True)

    cleanup_resources = _async_cleanup_resources


KernelProvisionerFactory.instance().provisioners[PROVISIONER] = EntryPoint(
    PROVISIONER, f"{__name__}:SandboxProvisioner", KernelProvisionerFactory.GROUP_NAME
)
