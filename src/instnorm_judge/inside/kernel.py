"""A Jupyter kernel that can be called. In the sandbox, `zygote.py` forks it.

    python -B kernel.py '{"folder": ..., "home": ..., "limits": {...}, "uid": ...}'

starts it by itself and without walls, for trusted work.

An ordinary ipykernel runs the student's cells. What it has in addition: functions that are defined
in the notebook can be called from outside, by value, in comm messages (`Functions`).

From the first cell on, student code can patch, bypass and falsify everything here. The trusted side
takes that into account.
"""

import contextlib
import json
import os
import sys
import time

STREAM_LIMIT = 200_000  # characters of each cell, on stdout and stderr each
# When calls that were asked for together are answered, though some are left: after so long, with
# so many characters and bytes, with so many arrays.
SECONDS, LENGTH, BUFFERS = 0.1, 1_000_000, 50
# What IPython and ipykernel import only when a kernel starts, or shows something.
IMPORTED_LATE = (
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "encodings.idna",
    "encodings.latin_1",
    "faulthandler",
    "pydoc",
    "tornado.platform.asyncio",
    "tornado.queues",
)


def give_up_rights(limits, uid):
    """Set limits that can't be raised again and, where we start as root, become someone else."""
    import resource

    for name, value in limits.items():
        resource.setrlimit(getattr(resource, name), (value, value))
    try:
        # Should the machine run out of memory, this process goes first.
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
    except OSError:
        pass
    if uid is not None:
        # Root stays root inside a user namespace, as far as file owners and the limit on
        # processes are concerned. An account that nobody else has owns nothing and counts.
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def main(arguments):
    give_up_rights(arguments["limits"], arguments["uid"])
    os.chdir(arguments["home"])
    # The stub in front of anything of the same name, then what the notebooks may use.
    sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), *arguments["paths"]]
    prepare()
    serve(arguments["folder"])


def prepare():
    """Do once what takes long the first time, and is the same for every kernel."""
    import importlib
    import types

    # Nobody debugs here, and to import what that takes is half of a kernel's start.
    debugger = types.ModuleType("ipykernel.debugger")
    debugger._is_debugpy_available, debugger.Debugger = False, type("Debugger", (), {})
    sys.modules[debugger.__name__] = debugger
    for name in ("ipykernel.kernelapp", "ipykernel.ipkernel", "numpy.random", "wire"):
        importlib.import_module(name)
    for name in IMPORTED_LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    # A first cell: the patterns that take it apart have to be compiled.
    from IPython.core.inputtransformer2 import TransformerManager

    TransformerManager().transform_cell("x = 1\n")
    # A first error: its lines are read, taken apart and coloured by what has to be made first.
    from IPython.core.ultratb import AutoFormattedTB

    try:
        raise ValueError
    except ValueError:
        AutoFormattedTB(mode="Context", theme_name="linux").structured_traceback(*sys.exc_info())


def serve(folder):
    import threading

    import ipykernel.iostream
    import ipykernel.kernelapp
    import zmq
    from ipykernel.ipkernel import IPythonKernel
    from ipykernel.kernelapp import IPKernelApp

    class Stream(ipykernel.iostream.OutStream):
        """Stops at a limit, and says so; the trusted side would cut the text silently."""

        cell = spent = None
        waits = False  # whether there is something to send

        def flush(self):
            # The kernel calls this for every message, and it takes two turns of another thread.
            if self.waits:
                self.waits = False
                super().flush()

        def write(self, string):
            self.waits = True
            cell = getattr(self, "parent_header", {}).get("msg_id")
            if cell != self.cell:
                self.cell, self.spent = cell, 0
            room = STREAM_LIMIT - self.spent
            if room <= 0:
                return len(string)
            self.spent += len(string)
            if len(string) > room:
                string = string[:room] + "\n... and more, which is not shown.\n"
            return super().write(string)

    ipykernel.iostream.OutStream = Stream

    class Pipe(ipykernel.iostream.IOPubThread):
        """What forked processes print comes through a local socket: there is no network here."""

        address = f"ipc://{os.path.join(os.getcwd(), '.printed')}"

        def _setup_pipe_in(self):
            self._pipe_uuid = os.urandom(16)
            pipe = self.socket.context.socket(zmq.PULL)
            pipe.linger = 0
            pipe.bind(self.address)
            self._pipe_in = ipykernel.iostream.ZMQStream(pipe, self.io_loop)
            self._pipe_in.on_recv(self._handle_pipe_msg)

        def _setup_pipe_out(self):
            context = zmq.Context()  # a new one after a fork
            pipe = context.socket(zmq.PUSH)
            pipe.linger = 3000
            pipe.connect(self.address)
            return context, pipe

    ipykernel.kernelapp.IOPubThread = Pipe

    class NoThread:
        """In place of one that hands messages on, which takes as long as to answer them."""

        parent_thread = threading.current_thread()

        def __bool__(self):
            return False

    class Kernel(IPythonKernel):
        """Sends no "busy" and "idle" with each call: that would take a third of the time."""

        # One message after the other, in this thread.
        _supports_kernel_subshells = False
        shell_channel_thread = NoThread()

        def _publish_status(self, status, channel, parent=None):
            about = parent or self.get_parent(channel)
            if about.get("header", {}).get("msg_type") != "comm_msg":
                super()._publish_status(status, channel, parent)

    class App(IPKernelApp):
        """Connects to sockets that the trusted side has made, in a folder that is read-only here.

        A kernel usually makes them itself, in a folder that it can write to, and so could fill the
        host's disk, or put a link to some other socket of the host in their place.
        """

        def _bind_socket(self, s, port):
            return port  # control and stdin are not used

        def init_sockets(self):
            super().init_sockets()
            self.shell_channel_thread = NoThread()
            self.shell_socket.connect(f"ipc://{self.ip}-{self.shell_port}")

        def init_iopub(self, context):
            super().init_iopub(context)
            self.iopub_thread.socket.connect(f"ipc://{self.ip}-{self.iopub_port}")

        def init_heartbeat(self):
            """None: a process that has ended is noticed as such."""

        def write_connection_file(self, **kwargs):
            """Written by the other side."""

    os.environ["INSTNORM_PUBLIC_CASES"] = os.path.join(folder, "public-cases.json")
    app = App.instance(
        kernel_class=Kernel,
        connection_file=os.path.join(folder, "connection.json"),
        capture_fd_output=False,
        log_level=50,
        quiet=True,
    )
    app.initialize(["--HistoryManager.enabled=False"])
    Functions(app.kernel)
    app.start()


class Functions:
    """Answers calls of the notebook's functions."""

    def __init__(self, kernel):
        import wire

        self.wire, self.kernel = wire, kernel
        self.names = kernel.shell.user_ns
        kernel.comm_manager.register_target("instnorm.call", self.opened)

    def opened(self, comm, _):
        @comm.on_msg
        def answer(message):
            data, buffers = message["content"]["data"], message["buffers"]
            reply, out = {}, []
            try:
                kind = next(k for k in ("look", "call") if k in data)
                reply = getattr(self, kind)(data, buffers, out)
            except (self.wire.WireError, KeyboardInterrupt, MemoryError) as error:
                reply, out = {"raised": self.told(error)}, []
            comm.send({"number": data["number"], **reply}, buffers=out)

    def look(self, data, buffers, out):
        name = data["look"]
        if name not in self.names:
            return {"missing": True}
        value = self.names[name]
        if callable(value):
            return {"callable": True}
        return {"value": self.wire.encode(value, out)}

    def call(self, data, buffers, out):
        """Call a function with one set of arguments after the other, until that is enough.

        At least the first is answered. Others are left when it has taken a while, so that an
        interruption hits the call that it is meant for, or when the reply becomes large.
        """
        replies, until, length = [], time.monotonic() + SECONDS, 0
        for values in data["values"]:
            before = len(out)
            try:
                reply = self.call_once(data["call"], values, buffers, out)
            except (self.wire.WireError, MemoryError) as error:
                del out[before:]
                reply = {"raised": self.told(error)}
            replies.append(reply)
            length += len(repr(reply)) + sum(map(len, out[before:]))
            if time.monotonic() > until or length > LENGTH or len(out) > BUFFERS:
                break
        return {"replies": replies}

    def call_once(self, name, values, buffers, out):
        import numpy as np

        arguments = self.wire.decode(values, buffers)
        before = [value.copy() if isinstance(value, np.ndarray) else None for value in arguments]
        reply = self.run(lambda: self.names[name](*arguments), out)
        changed = {
            k: now
            for k, (then, now) in enumerate(zip(before, arguments, strict=True))
            if then is not None and not _equal(then, now)
        }
        reply["changed"] = self.wire.encode(changed, out)
        return reply

    def run(self, function, out):
        """What a function returns, prints or raises, for the reply."""
        import io
        import warnings
        from contextlib import redirect_stderr, redirect_stdout

        import numpy as np

        printed, reply, before = io.StringIO(), {}, len(out)
        try:
            with (
                warnings.catch_warnings(),
                np.errstate(all="ignore"),
                redirect_stdout(printed),
                redirect_stderr(io.StringIO()),
            ):
                warnings.simplefilter("ignore")
                result = function()
                reply["result"] = self.wire.encode(result, out)
        except BaseException as error:
            del out[before:]
            reply = {"raised": self.told(error)}
        reply["printed"] = printed.getvalue()[: self.wire.MAX_TEXT]
        return reply

    def told(self, error):
        """An exception by value: its type, its message, and the lines that led to it."""
        import traceback

        try:
            message = str(error)
        except BaseException:
            message = ""
        # The first two frames are `run` and what it was given.
        frames = traceback.extract_tb(error.__traceback__)[2:][-50:]
        names = self.wire.foreign(error)["foreign"]
        kin = next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins")
        return {
            "type": names,
            "kin": kin,
            "message": message[: self.wire.MAX_TEXT],
            "frames": [
                [f.filename[-200:], f.lineno or 0, f.name[:120], (f.line or "")[:200]]
                for f in frames
            ],
        }


def _equal(then, now):
    """Whether the same bits are in them; NaN is like itself."""
    alike = then.shape == now.shape and then.dtype == now.dtype and now.flags.c_contiguous
    return alike and bool((then.reshape(-1).view("u1") == now.reshape(-1).view("u1")).all())


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
