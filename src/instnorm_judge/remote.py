"""The student's notebook, seen from the trusted side: names that can be looked up and called.

A call sends copies of its arguments and gets values back; see `inside.wire` for what can travel.
What goes wrong in the call is raised here as it was raised there. What goes wrong with the kernel
is another matter: then the test cell can't go on, and `Lost` says why.
"""

import builtins
import contextlib
import errno
import time
import traceback
import uuid
from collections import deque
from queue import Empty

import numpy as np
import zmq
from jupyter_core.utils import run_sync

from instnorm_checks.engine.calling import Proxy

from .inside import wire
from .processes import Contention, short_of_memory
from .provisioner import MAX_PART, Fate

# Of an OSError: no memory, no files, no room, no process to be had.
LACKS = {errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EAGAIN}
DEAF = "The kernel takes no messages any more."
HUNG_UP = (
    "Your code ended the connection on which it is heard, or sent a message that is larger than "
    f"{MAX_PART // 2**20} MiB."
)
GRACE = 2  # seconds for a kernel to answer after it has been interrupted
MAX_IDLE_MESSAGES = 10_000  # that one call may bring and that are not the answer
MANY = 100  # of them: what a call prints comes with its answer, so there are few
TOGETHER = 2**20  # bytes of arguments of calls that travel together


class Stopped(KeyboardInterrupt):
    """The call took too long and was interrupted; the kernel is alive.

    A KeyboardInterrupt, because that is what ends an endless loop where the function runs in the
    same process: the checks let it through, and nothing else.
    """


class Lost(KeyboardInterrupt):
    """The kernel has ended, no longer answers, or answers nonsense."""


class Fault(KeyboardInterrupt):
    """Something went wrong that is not the student's doing: it has to be tried again."""


class Notebook:
    """The kernel's namespace, through the comm that `inside/kernel.py` answers."""

    def __init__(self, client, manager, timeout):
        self.client, self.manager = client, manager
        self.timeout = timeout  # seconds for all calls of one test cell
        self.deadline = None
        self.contention = Contention(manager.provisioner.pid)
        self.forgiving = True  # whether what ran out of time on a busy machine is tried again
        self.comm = uuid.uuid4().hex
        self.number = 0
        self.coming = deque()  # sets of arguments that the test will call with next
        self.known = deque()  # the answers to the first of them, for the function ...
        self.asked = None  # of this name
        self._send("comm_open", {"target_name": "instnorm.call", "data": {}}, [])

    def start_test(self, coming=()):
        """Start the time limit of a test cell, which will call a function with `coming` in turn.

        So the calls travel together: a question and its answer take longer than most calls. Where
        the test calls otherwise, each call is made when it is asked for.
        """
        self.coming, self.known = deque(coming), deque()
        self.deadline = time.monotonic() + self.timeout
        self.contention = Contention(self.manager.provisioner.pid)

    def look(self, name):
        """What the notebook calls `name`: a function to call, or a value; KeyError if nothing."""
        reply, buffers = self._ask({"look": name}, [])
        if reply.get("callable") is True:
            return Function(self, name)
        if "value" in reply:
            return self._decoded(reply["value"], buffers)
        self._raise(reply)
        raise KeyError(name)

    def call(self, name, arguments):
        """Call a function of the notebook; changes to arrays among `arguments` are made to them."""
        reply, buffers = self._answered(name, arguments)
        changed = self._decoded(reply.get("changed"), buffers)
        for k, array in enumerate(arguments):
            if isinstance(changed, dict) and str(k) in changed:
                _overwrite(array, changed[str(k)])
        return self._result(reply, buffers)

    def _answered(self, name, arguments):
        """The reply to a call and its buffers, and those to calls that come after it on the way."""
        foreseen = bool(self.coming) and _alike(self.coming[0], arguments)
        if not foreseen or (self.known and self.asked != name):
            self.coming.clear()
            self.known.clear()
            self.coming.append(arguments)
        if not self.known:
            self.known.extend(self._called(name))
            self.asked = name
        self.coming.popleft()
        return self.known.popleft()

    def _called(self, name):
        """(reply, buffers) of as many calls as fit in a message; of one, whatever its size."""
        values, buffers, size = [], [], 0
        for arguments in self.coming:
            size += sum(each.nbytes for each in arguments if isinstance(each, np.ndarray))
            if values and size > TOGETHER:
                break
            values.append(self._encoded(arguments, buffers))
        reply, buffers = self._ask({"call": name, "values": values}, buffers)
        self._raise(reply)
        replies = reply.get("replies")
        if (
            type(replies) is not list
            or not 1 <= len(replies) <= len(values)
            or not all(type(each) is dict for each in replies)
        ):
            raise Lost("The kernel sent something unreadable: other answers than were asked for.")
        return [(each, buffers) for each in replies]

    def _encoded(self, values, buffers):
        try:
            return wire.encode(list(values), buffers)
        except wire.WireError as error:
            raise Lost(f"The test can't send its arguments: {error}.") from None

    def _result(self, reply, buffers):
        if "printed" in reply:
            print(self._checked(wire.text, reply["printed"]), end="")
        self._raise(reply)
        return self._decoded(reply.get("result"), buffers)

    # --- Messages ---------------------------------------------------------------------------------

    def _ask(self, data, buffers):
        self.number += 1
        data = {"data": {"number": self.number, **data}}
        with _blaming_the_machine():
            self._send("comm_msg", data, [bytes(each) for each in buffers])
            return run_sync(self._answer)()

    def _send(self, kind, content, buffers):
        session = self.client.session
        message = session.msg(kind, {"comm_id": self.comm, **content})
        try:
            session.send(self.client.shell_channel.socket, message, buffers=buffers)
        except zmq.Again:
            self._dead(DEAF)

    async def _answer(self):
        """The reply to the last question. An endless loop is interrupted, and then ended."""
        deadline, interrupted = self.deadline, False
        for idle in range(MAX_IDLE_MESSAGES):
            message = await self._message(deadline)
            if message is None and not interrupted:
                interrupted, deadline = True, time.monotonic() + GRACE
                await self.manager.interrupt_kernel()
            elif message is None and idle > MANY:
                break  # so many that the answer stands behind them
            elif message is None and await answers(self.client, GRACE):
                raise Fault("A message got lost.")
            elif message is None:
                self._check_time()
                raise Lost("Your code could not be interrupted.")
            elif (data := self._meant(message)) is not None:
                if interrupted:
                    self._check_time()
                    raise Stopped
                return data, message.get("buffers", [])
        raise Lost("Your code sent messages without end.")

    async def _message(self, deadline):
        """The next message; None when there is none until the deadline."""
        while (patience := min(0.5, deadline - time.monotonic())) > 0:
            try:
                return await self.client.iopub_channel.get_msg(timeout=patience)
            except Empty:
                if not await self.manager.is_alive():
                    self._dead("The Python process ended while a function was called.")
                if self.client.hung_up:
                    self._dead(HUNG_UP)
            except Exception as error:
                if is_of_the_machine(error):
                    raise
                # Any exception at all: no parser expects what a hostile kernel may send.
                raise Lost(
                    f"The kernel sent something unreadable ({type(error).__name__})."
                ) from None
        return None

    def _check_time(self):
        """Raise Fault if time has run out because others had the processors."""
        if self.forgiving and self.contention:
            raise Fault("This machine was too busy.")

    def _dead(self, reason):
        """Raise Lost, or Fault if somebody else ended the kernel."""
        if self.manager.provisioner.fate() is Fate.FROM_OUTSIDE:
            raise Fault("The Python process was killed from outside.")
        raise Lost(reason) from None

    def _meant(self, message):
        """The data of a message if it answers the last question."""
        try:
            if message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == self.comm:
                data = message["content"]["data"]
                return data if data["number"] == self.number else None
        except (KeyError, TypeError, AttributeError):
            pass
        return None

    def _decoded(self, node, buffers):
        return self._checked(wire.decode, node, buffers)

    def _checked(self, read, *what):
        try:
            with _blaming_the_machine():
                return read(*what)
        except wire.WireError as error:
            raise Lost(f"The kernel sent something unreadable: {error}.") from None

    def _raise(self, reply):
        """Raise what was raised over there, with the lines that led to it."""
        if "raised" not in reply:
            return
        try:
            told = reply["raised"]
            module, name = told["type"]
            error = wire.exception(*map(wire.text, (module, name, told["message"], told["kin"])))
            error.frames = [
                traceback.FrameSummary(
                    wire.text(file),
                    int(line),
                    wire.text(where),
                    lookup_line=False,
                    line=wire.text(text),
                )
                for file, line, where, text in wire.sequence(told["frames"])
            ]
        except Exception as unreadable:
            raise Lost(
                f"The kernel sent something unreadable ({type(unreadable).__name__})."
            ) from None
        if isinstance(error, MemoryError) and short_of_memory():
            raise Fault("This machine had no memory left.")
        raise error


async def answers(client, seconds):
    """Whether a kernel answers a question: then it is not busy, and a message got lost before."""
    deadline, asked = time.monotonic() + seconds, client.kernel_info()
    while (left := deadline - time.monotonic()) > 0:
        try:
            reply = await client.shell_channel.get_msg(timeout=left)
            if reply["parent_header"].get("msg_id") == asked:
                return True
        except Exception:  # nothing came, or nonsense
            return False
    return False


@contextlib.contextmanager
def _blaming_the_machine():
    try:
        yield
    except Exception as error:
        if is_of_the_machine(error):
            raise Fault(f"The machine had no room for a message ({error!r}).") from None
        raise


def is_of_the_machine(error):
    """Whether an exception on this side says that the machine lacks something."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in LACKS)


class Function(Proxy):
    """A function of the notebook, to be called with values by position."""

    def __init__(self, notebook, name):
        self._notebook, self.__name__ = notebook, name

    def __call__(self, *arguments):
        return self._notebook.call(self.__name__, arguments)


def _alike(some, others):
    """Whether two sets of arguments are the same, bit for bit."""
    return len(some) == len(others) and all(map(_same, some, others))


def _same(one, other):
    if not (isinstance(one, np.ndarray) and isinstance(other, np.ndarray)):
        return one is other
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


def _overwrite(array, changed):
    """Make an array show that it was changed, even where the change does not fit into it."""
    if not isinstance(array, np.ndarray):
        return
    fits = isinstance(changed, np.ndarray) and changed.shape == array.shape
    if fits and np.can_cast(changed.dtype, array.dtype, "same_kind"):
        array[...] = changed
    else:
        array[...] = ~array if array.dtype == bool else array + 1


class Names(dict):
    """Globals of a test cell: its own, then Python's, then the notebook's."""

    def __init__(self, notebook):
        super().__init__(__builtins__=builtins)
        self.notebook = notebook
        self.asks = True  # whether to look in the notebook

    def __missing__(self, name):
        # What the student calls `print` or `isinstance` is not what the test means by it.
        if hasattr(builtins, name) or not self.asks:
            raise KeyError(name)
        return self.notebook.look(name)
