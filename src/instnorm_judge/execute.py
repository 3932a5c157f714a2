"""Execute a submission: student cells in the sandbox, test cells here.

What comes back from the sandbox is untrusted text. It is copied, kind by kind and up to a limit,
into outputs of our own making; other messages are ignored.
"""

import contextlib
import os
import re
import time

import zmq
from nbclient.client import CellExecutionComplete
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbgrader import preprocessors
from nbgrader.utils import is_grade, is_solution
from traitlets import Bool, Integer, default

from instnorm_checks import CASES, EXERCISES, InternalError, grading_seed
from instnorm_checks.engine import diagnosis

from . import cgroups, inert, remote, sandbox, trusted
from .hand_ins import Chooser
from .inside import wire
from .processes import Contention, Turns, short_of_memory
from .provisioner import Fate, SandboxManager
from .rebuild import FLAGS
from .trusted import new_output

START_ATTEMPTS = 3
GRACE = 5  # seconds, beyond all others, before a kernel is ended from outside
MAX_OUTPUTS = 50  # of one cell
STUBBORN = "This cell ran out of time and could not be interrupted."
ENDED = {
    Fate.MEMORY: "Your code took more than {} GiB of memory.",
    Fate.SOCKETS: "Your code opened too many sockets.",
    Fate.TIME: STUBBORN,
}
NOT_YOURS = "This was not your doing, and waits for a person."
SLOW = ("matplotlib.pyplot", "torch")  # to import, so that it is done once for many notebooks


class Retry(Exception):
    """The machine is to blame, not the student: try again, in a fresh kernel and by itself."""


class Execute(preprocessors.Execute):
    """nbgrader's Execute, in the sandbox; it goes on when the kernel dies or no longer answers.

    The cell that caused this and all cells after it get an error in place of their outputs, so that
    they score zero; what ran before keeps its marks. nbgrader itself gives up on the submission.
    """

    unsandboxed = Bool(
        help="Run student code without walls, as your own user. For work that you trust."
    ).tag(config=True)
    max_output = Integer(500_000, help="characters of output kept of one cell").tag(config=True)
    all_output = Integer(2_000_000, help="characters of output kept of a notebook").tag(config=True)
    memory = Integer(sandbox.MEMORY, help="bytes for all processes of a submission together").tag(
        config=True
    )
    total = Integer(600, help="seconds for a notebook; `timeout` is for each cell").tag(config=True)
    attempts = Integer(3, help="how often, where the machine is to blame").tag(config=True)

    @default("unsandboxed")
    def _unsandboxed_default(self):
        return os.environ.get("INSTNORM_UNSANDBOXED", "") not in ("", "0")

    def preprocess(self, nb, resources, km=None):
        if not self.unsandboxed:
            sandbox.require()
        if unreadable := nb.metadata.get(FLAGS, {}).get("unreadable"):
            return _not_run(nb, unreadable), resources
        self.graded = _last_that_counts(nb)
        turns, reason = Turns(), None
        for _ in range(self.attempts):
            self.lost = self.names = None
            self.kept = 0
            # A submission graded by itself that runs out of time can't blame the others.
            self.alone = reason is not None
            try:
                with turns.alone() if self.alone else turns.beside():
                    return super().preprocess(nb, resources, km)
            except Retry as problem:
                reason = str(problem)
            except Exception as problem:
                # Nothing that a student does gets here: see `preprocess_cell`.
                self.log.debug("While running a notebook", exc_info=True)
                reason = f"The notebook could not be run ({type(problem).__name__}: {problem})."
            self.log.warning("%s Trying again with a fresh kernel.", reason)
            self._discard()
        self.lost = f"{reason} So it was {self.attempts} times. {NOT_YOURS}"
        nb.metadata[FLAGS] = {**nb.metadata.get(FLAGS, {}), "not_graded": self.lost}
        return _not_run(nb, self.lost), resources

    def _discard(self):
        """End what is left of a kernel."""
        with contextlib.suppress(Exception):
            if self.km is not None and self.km.has_kernel:
                remote.run_sync(self.km.shutdown_kernel)(now=True)

    # --- The kernel -------------------------------------------------------------------------------

    def create_kernel_manager(self):
        self.km = SandboxManager(
            config=self.config,
            confined=not self.unsandboxed,
            memory=self.memory,
            modules=_imported(self.nb),
            public_cases=_public_cases(self.nb),
        )
        return self.km

    async def async_start_new_kernel_client(self):
        """Start a kernel and connect to it, a few times if need be."""
        for attempt in range(START_ATTEMPTS):
            try:
                return await super().async_start_new_kernel_client()
            except (RuntimeError, OSError) as problem:
                if attempt == START_ATTEMPTS - 1:
                    raise
                self.log.warning("The kernel did not start (%s). Trying again.", problem)
                self.km = self.create_kernel_manager()
                await self.km.start_kernel()
        return None

    def _end(self, reason):
        """The kernel can't be used any more; whatever it is doing ends now.

        Raises Retry if that is not the student's doing.
        """
        fate = self._fate(hung_up=reason == remote.HUNG_UP)
        remote.run_sync(self.km.shutdown_kernel)(now=True)
        if fate is Fate.FROM_OUTSIDE:
            raise Retry("The Python process was killed from outside.")
        if fate is Fate.TIME and self.contention and not self.alone:
            raise Retry("This machine was too busy.")
        self.lost = ENDED.get(fate, reason).format(f"{self.memory / 2**30:g}")
        self.log.warning(self.lost)

    def _fate(self, hung_up):
        """What has become of the kernel. Raises Retry if this machine may have hung up."""
        fate, until = self.km.provisioner.fate(), time.monotonic() + GRACE
        # Of a kernel that is killed, the connections end a moment before it does.
        while hung_up and fate is Fate.ALIVE and time.monotonic() < until:
            if short_of_memory():
                raise Retry("This machine had no memory left.")
            time.sleep(0.1)
            fate = self.km.provisioner.fate()
        return fate

    # --- Cells ------------------------------------------------------------------------------------

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type != "code":
            return cell, resources
        cell.outputs, cell.execution_count = [], None
        if index > self.graded:
            # Nothing after the last test can change a mark.
            return cell, resources
        if self.lost is not None:
            reason = f"Not run, because of an earlier cell: {self.lost}"
            cell.outputs = [trusted.error("KernelLost", reason)]
            return cell, resources
        self.spent = self.silent = 0
        self.retry = None
        try:
            if self.names is None:
                self._meet()
            self.contention = Contention(self.km.provisioner.pid)
            if time.monotonic() > self.deadline:
                self._check_time(self.since_the_start)
                raise remote.Lost(f"This notebook took more than {self.total} seconds.")
            self._allow("cell", self.timeout + self.iopub_timeout + GRACE)
            if is_grade(cell) and not is_solution(cell):
                self._test(cell)
            else:
                self.execute_cell(cell, index, store_history=True)
                if self.retry:
                    raise Retry(self.retry)
                cell.execution_count = self.code_cells_executed
                if _ran_out_of_memory(cell) and short_of_memory():
                    raise Retry("This machine had no memory left.")
                if cell.metadata.get("nbgrader", {}).get("locked"):
                    self._given(cell)
        except DeadKernelError:
            self._lose(cell, "The Python process ended while this cell was running.")
        except CellTimeoutError:
            if self.kc.hung_up:
                self._lose(cell, remote.HUNG_UP)
                return cell, resources
            if self.retry:
                raise Retry(self.retry) from None
            if not self.silent or remote.run_sync(remote.answers)(self.kc, GRACE):
                raise Retry("A message got lost.") from None
            self._lose(cell, STUBBORN)
        except zmq.Again:
            self._lose(cell, remote.DEAF)
        except remote.Lost as reason:
            self._lose(cell, str(reason))
        except remote.Fault as reason:
            raise Retry(str(reason)) from None
        except (Retry, KeyboardInterrupt):
            raise
        except Exception as problem:
            if remote.is_of_the_machine(problem):
                raise Retry(f"This machine lacked something ({problem}).") from None
            # A hostile kernel may send anything, and nbclient's code does not expect that.
            self.log.debug("While reading the kernel's messages", exc_info=True)
            name = type(problem).__name__
            self._lose(cell, f"The kernel sent something unreadable ({name}).")
        return cell, resources

    def _check_time(self, contention):
        """Raise Retry if time has run out because others had the processors."""
        if contention and not self.alone:
            raise Retry("This machine was too busy.")

    def _allow(self, what, seconds):
        """End the kernel when `what` has had so many seconds, whatever this process is doing."""
        if (watch := self.km.provisioner.watch) is not None:
            watch.until[what] = time.monotonic() + seconds

    def _lose(self, cell, reason):
        self._end(reason)
        cell.outputs = [*cell.outputs[:MAX_OUTPUTS], trusted.error("KernelLost", self.lost)]

    async def _async_handle_timeout(self, timeout, cell=None):
        self.silent = timeout
        if self.contention and not self.alone:
            self.retry = "This machine was too busy."
        return await super()._async_handle_timeout(timeout, cell)

    async def _async_check_alive(self):
        if self.kc is None:  # asked by a task that outlives its cell
            raise DeadKernelError("the kernel has been discarded")
        await super()._async_check_alive()

    def _meet(self):
        """Ask the kernel what the grading needs to know, before any student code has run in it."""
        notebook = remote.Notebook(self.kc, self.km, self.timeout)
        notebook.forgiving = not self.alone
        self.names = remote.Names(notebook)
        self.since_the_start = Contention(self.km.provisioner.pid)
        self.deadline = time.monotonic() + self.total
        self._allow("notebook", self.total + GRACE)

    def _test(self, cell):
        self.names.notebook.start_test(_coming(cell))
        try:
            cell.outputs = trusted.run(cell.source, self.names, self.log)
        except OSError as problem:
            raise Retry(f"A test could not be run here ({problem}).") from problem

    def _given(self, cell):
        """Code that was handed out locked, such as imports: the tests may rely on it too.

        What such code does with the student's functions happens in the sandbox, not here.
        """
        self.names.asks = False
        trusted.run(cell.source, self.names)
        self.names.asks = True

    # --- Outputs ----------------------------------------------------------------------------------

    def process_message(self, msg, cell, cell_index):
        """Only what makes an output, by value; widgets and changes to other cells are ignored."""
        if msg["msg_type"] == "status" and msg["content"]["execution_state"] == "idle":
            raise CellExecutionComplete
        room = min(self.max_output - self.spent, self.all_output - self.kept)
        output = _copied(msg["msg_type"], msg["content"], room)
        if output is not None and len(cell.outputs) < MAX_OUTPUTS:
            self.spent += len(str(output))
            self.kept += len(str(output))
            if _continues(cell.outputs, output):
                cell.outputs[-1].text += output.text
            else:
                cell.outputs.append(output)

    def on_cell_executed(self, cell, execute_reply, **_):
        """An error that only the reply tells of, such as a time-out, is an output too."""
        told = execute_reply["content"]
        names = [output.get("ename") for output in cell.outputs]
        if told["status"] == "error" and told["ename"] not in names:
            cell.outputs.append(_copied("error", told, self.max_output))


class Exporter(Chooser):
    """Refuses before the first submission is touched if there is no sandbox."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        if not Execute(parent=self).unsandboxed:
            sandbox.require()
            if self.notes is None and (note := cgroups.note()):  # the judge has said so before
                self.log.info(note)


def _not_run(nb, reason):
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs = [trusted.error("NotRun", reason)]
    return nb


def _ran_out_of_memory(cell):
    return any(output.get("ename") == "MemoryError" for output in cell.outputs)


def _continues(outputs, output):
    return (
        output.output_type == "stream"
        and bool(outputs)
        and outputs[-1].output_type == "stream"
        and outputs[-1].name == output.name
    )


def _copied(kind, content, room):
    """An output of our own with what a message says, or None."""

    def text(value):
        return inert.text(value[:room]) if isinstance(value, str) else ""

    if room <= 0:
        return None
    if kind == "stream":
        name = "stderr" if content["name"] == "stderr" else "stdout"
        return new_output("stream", name=name, text=text(content["text"]))
    if kind == "error":
        lines = content["traceback"] if isinstance(content["traceback"], list) else []
        return new_output(
            "error",
            ename=text(content["ename"])[:200],
            evalue=text(content["evalue"])[:2000],
            traceback=[text(line)[:5000] for line in lines[:100]],
        )
    if kind in ("display_data", "execute_result"):
        # HTML, SVG and scripts are left out, so that opening the feedback never runs them.
        shown = content["data"]
        drawn = {kind: inert.image(kind, shown.get(kind)) for kind in inert.FORMATS}
        data = {kind: each for kind, each in drawn.items() if each and len(each) <= room}
        return new_output("display_data", {**data, "text/plain": text(shown.get("text/plain"))})
    return None


def _last_that_counts(nb):
    """Index of the last cell that is graded, by us or by a person; -1 if there is none."""
    about = [cell.metadata.get("nbgrader", {}) for cell in nb.cells]
    counts = [k for k, each in enumerate(about) if each.get("grade") or each.get("solution")]
    return max(counts, default=-1)


def _public_cases(nb):
    """The public cases of the notebook's exercises, in the wire format, for the sandbox's stub."""
    return {
        exercise.id: {
            aspect.name: [_encoded(case) for case in aspect.public] for aspect in exercise.aspects
        }
        for exercise in _exercises(nb)
    }


def _coming(cell):
    """Arguments of the calls that a test cell makes one after the other, as far as is known."""
    asked = EXERCISES.get(cell.metadata.nbgrader.grade_id)
    if asked is None:
        return []
    seed = None if os.environ.get(CASES) == "public" else grading_seed()
    try:
        cases = list(diagnosis.cases(asked.untimed, seed))
    except InternalError:
        return []  # the test will say so
    return [tuple(case.arguments.values()) for case in cases]


def _exercises(nb):
    ids = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in nb.cells]
    return [EXERCISES[name] for name in ids if name in EXERCISES]


def _imported(nb):
    """Those of SLOW that the notebook seems to import."""
    text = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "code")
    return {name for name in SLOW if re.search(rf"^\s*(import|from)\s+{name}\b", text, re.M)}


def _encoded(case):
    buffers = []
    node = wire.encode(dict(case), buffers)
    return node, [buffer.hex() for buffer in buffers]
