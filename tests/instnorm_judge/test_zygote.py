"""Kernels that are forked from one process: none of them can tell that there are others."""

import asyncio
import json
import os

import pytest

from instnorm_judge import sandbox
from instnorm_judge.provisioner import SandboxManager
from instnorm_judge.zygote import zygote

try:
    sandbox.require()
except sandbox.NoSandbox as refusal:
    pytestmark = pytest.mark.skip(f"NOTHING ABOUT THE SANDBOX IS TESTED HERE. {refusal}")

# What the first student leaves wherever one can write, and in what is in memory already.
LEAVE = """
import os, socket, numpy, subprocess, sys
for place in ("/tmp", "/dev/shm", os.path.expanduser("~")):
    if os.access(place, os.W_OK):  # /tmp is closed where this checkout lies in it
        open(f"{place}/left", "w").write("an answer")
numpy.mean = numpy.left = "an answer"
os.environ["LEFT"] = "an answer"
left = socket.socket(socket.AF_UNIX)
left.bind("\\0left")
left.listen()
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
"""
# What the next one finds.
FIND = """
import json, os, signal, socket, numpy
def listen():
    try:
        socket.socket(socket.AF_UNIX).connect("\\0left")
    except OSError as refused:
        return type(refused).__name__
def unmount():
    import ctypes
    return ctypes.CDLL(None).umount2(b"/tmp", 2)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "files": [f for place in ("/tmp", "/dev/shm", os.path.expanduser("~"))
              if os.access(place, os.W_OK) for _, _, files in os.walk(place) for f in files],
    "processes": [name for name in os.listdir("/proc") if name.isdigit()],
    "environment": "LEFT" in os.environ,
    "numpy": callable(numpy.mean) and not hasattr(numpy, "left"),
    "socket": listen(),
    "unmount": unmount(),
    "status": {key: status[key].strip() for key in ("CapPrm", "CapEff", "NoNewPrivs", "Seccomp")},
    "kernels": os.listdir(os.path.dirname(os.path.dirname(os.environ["INSTNORM_PUBLIC_CASES"]))),
}))
try:
    os.kill(-1, signal.SIGKILL)  # everybody
except ProcessLookupError:
    pass
"""


class Student:
    """A kernel, and somebody who types."""

    async def __aenter__(self):
        self.manager = SandboxManager(confined=True)
        await self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        await self.client.wait_for_ready(timeout=60)
        return self

    async def __aexit__(self, *_):
        self.client.stop_channels()
        await self.manager.shutdown_kernel(now=True)

    async def types(self, code):
        """What a cell prints."""
        asked, printed = self.client.execute(code), ""
        while True:
            message = await self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != asked:
                continue
            content = message["content"]
            assert message["msg_type"] != "error", content["traceback"]
            printed += content.get("text", "")
            if content.get("execution_state") == "idle":
                return printed


@pytest.fixture(scope="module")
def found():
    """What the second student finds, while the first is still at work and after they have met."""

    async def meet():
        async with Student() as first:
            await first.types(LEAVE)
            async with Student() as second:
                found = json.loads(await second.types(FIND))
                found["own folder"] = second.manager.folder.name
            found["first"] = await first.types("print('still here', numpy.left)")
        async with Student() as third:
            found["third"] = await third.types("print('here too')")
        found["same zygote"] = first.manager.zygote is second.manager.zygote is third.manager.zygote
        return found

    return asyncio.run(meet())


def test_nothing_that_was_left_is_found(found):
    assert "left" not in found["files"]
    assert found["processes"] == ["1"]
    assert found["numpy"]
    assert not found["environment"]
    assert found["socket"] == "ConnectionRefusedError"
    assert found["kernels"] == [found["own folder"]]


def test_no_right_is_left_to_a_kernel(found):
    nothing = "0" * 16
    wanted = {"CapPrm": nothing, "CapEff": nothing, "NoNewPrivs": "1", "Seccomp": "2"}
    assert found["status"] == wanted
    assert found["unmount"] == -1


def test_a_student_who_kills_everything_kills_nobody_else(found):
    assert found["same zygote"]
    assert "still here an answer" in found["first"]
    assert "here too" in found["third"]


def test_a_zygote_that_has_ended_is_replaced():
    before = zygote(set())
    os.kill(before.process.pid, 9)
    before.process.wait()
    after = zygote(set())
    assert after is not before
    assert not before.kernels.exists()


def test_a_kernel_that_can_not_be_started_says_why(tmp_path):
    with pytest.raises(RuntimeError, match="No such file"):
        zygote(set()).start(tmp_path / "nowhere")
