"""What the machine does to an honest submission costs it nothing: full marks, or a person decides.

Every kind of fault is injected at random moments. The whole bank, each kind at 20 moments in 20
submissions, is the proof `faults`; each kind once is an ordinary test. The seed is printed.
"""

import contextlib
import errno
import os
import random
import shutil
import signal
import threading
import time

import nbformat
import pytest
from test_grading import ASSIGNMENT, FULL, ROOT, answer, nbgrader
from tiers import late

from instnorm_judge import provisioner, sandbox, whole_class, workers
from instnorm_judge import zygote as zygotes
from instnorm_judge.course import Course
from instnorm_judge.hand_ins import Submission
from instnorm_judge.inside import wire
from instnorm_judge.ledger import Ledger
from instnorm_judge.one_submission import grade

pytestmark = [pytest.mark.alone]
try:
    sandbox.require()
except sandbox.NoSandbox as refusal:
    pytestmark += [pytest.mark.skip(f"NOTHING ABOUT FAULTS IS TESTED HERE. {refusal}")]

LIMITS = "\nc.Execute.timeout = 6\nc.Execute.iopub_timeout = 3\n"


class Honest:
    """A course of one right submission, which can be graded again and again."""

    def __init__(self, folder):
        shutil.copytree(
            ROOT / f"solutions/{ASSIGNMENT}",
            folder / f"solutions/{ASSIGNMENT}",
            ignore=shutil.ignore_patterns("*.ipynb"),
        )
        config = (ROOT / "nbgrader_config.py").read_text(encoding="utf-8")
        (folder / "nbgrader_config.py").write_text(config + LIMITS, encoding="utf-8")
        result = nbgrader(folder, "generate_assignment")
        assert result.returncode == 0, result.stderr
        notebook = nbformat.read(folder / f"exercises/{ASSIGNMENT}/{ASSIGNMENT}.ipynb", 4)
        answer(notebook, {})
        content = nbformat.v4.writes_json(notebook).encode()
        with contextlib.chdir(folder):
            course = Course.here()
            with course.gradebook() as gradebook:
                self.plan = whole_class.plan(course, Ledger(course, ASSIGNMENT, gradebook))
        self.handed_in = Submission("ada", {f"{ASSIGNMENT}.ipynb": content}, None)
        assert self.verdict(self.grade()) == "full"  # imports, and fills what is kept
        start = time.monotonic()
        assert self.verdict(self.grade()) == "full"
        self.seconds = time.monotonic() - start

    def grade(self):
        return grade(self.plan, self.handed_in)

    @staticmethod
    def verdict(graded):
        """ "full", "a person", or what was taken away."""
        marks = {name: mark for (_, name), mark in graded.grades.items() if name in FULL}
        by_hand = {name for name, (_, by_hand) in marks.items() if by_hand}
        points = {name: points for name, (points, _) in marks.items()}
        if points == FULL and not by_hand:
            return "full"
        if graded.failure or (marks and all(points[k] == FULL[k] or k in by_hand for k in FULL)):
            assert graded.failure or graded.remarks, "in words"
            return "a person"
        return f"lowered to {points}: {graded.remarks} {graded.log}"


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    return Honest(tmp_path_factory.mktemp("honest"))


# --- Faults: each gets (monkeypatch, the moment from 0 to 1, the seconds of a quiet run) ----------


def later(seconds, action):
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()


def kernel_killed(patch, moment, seconds):
    """As by Linux, when memory runs out."""
    launch, struck = provisioner.SandboxProvisioner.launch_kernel, []

    async def launched(self, cmd, **kwargs):
        about = await launch(self, cmd, **kwargs)
        if not struck:
            struck.append(self.pid)
            later(moment * seconds, lambda: strike(self))
        return about

    def strike(it):
        with contextlib.suppress(OSError, TypeError):
            signal.pidfd_send_signal(it.kernel, signal.SIGKILL)

    patch.setattr(provisioner.SandboxProvisioner, "launch_kernel", launched)


def kernel_killed_each_time(patch, moment, seconds):
    launch = provisioner.SandboxProvisioner.launch_kernel

    async def launched(self, cmd, **kwargs):
        about = await launch(self, cmd, **kwargs)
        descriptor = os.dup(self.kernel)

        def strike():
            with contextlib.suppress(OSError):  # it may have come to its end before
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            os.close(descriptor)

        later(0.05 + 0.3 * moment * seconds, strike)
        return about

    patch.setattr(provisioner.SandboxProvisioner, "launch_kernel", launched)


def sandbox_killed(patch, moment, seconds):
    """With the process that all kernels are forked from."""
    start, struck = zygotes.Zygote.start, []

    def started(self, folder):
        if not struck:
            struck.append(True)
            later(moment * seconds, self.process.kill)
        return start(self, folder)

    patch.setattr(zygotes.Zygote, "start", started)


def once(patch, owner, name, moment, of, fault):
    """Let the call of a method that comes after `moment * of` others do something else."""
    ordinary, calls = getattr(owner, name), []
    at = int(moment * of)

    def sometimes(*arguments, **options):
        calls.append(None)
        if len(calls) == at + 1:
            return fault(ordinary, *arguments, **options)
        return ordinary(*arguments, **options)

    patch.setattr(owner, name, sometimes)


SENT, RECEIVED = 20, 70  # messages of a run, about


def message_to_the_kernel_lost(patch, moment, _):
    def lost(_, self, stream, message, *rest, **options):
        return message if isinstance(message, dict) else self.msg(message)

    once(patch, provisioner.BoundedSession, "send", moment, SENT, lost)


def message_from_the_kernel_lost(patch, moment, _):
    def lost(*_, **__):
        nothing = {"header": {}, "parent_header": {}, "metadata": {}, "content": {}}
        return {**nothing, "msg_id": "", "msg_type": "lost", "buffers": []}

    once(patch, provisioner.BoundedSession, "deserialize", moment, RECEIVED, lost)


def raising(error):
    def fault(*_, **__):
        raise error

    return fault


def no_memory_for_a_message(patch, moment, _):
    once(patch, provisioner.BoundedSession, "deserialize", moment, RECEIVED, raising(MemoryError()))


def no_memory_for_a_value(patch, moment, _):
    error = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    once(patch, wire, "decode", moment, 60, raising(error))


def no_more_files(patch, moment, _):
    error = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    once(patch, provisioner.BoundedSession, "send", moment, SENT, raising(error))


def no_process_to_be_had(patch, moment, _):
    error = BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    once(patch, zygotes.Zygote, "start", 0, 1, raising(error))


def stopped_for_a_while(patch, moment, seconds):
    """Longer than a cell has time: the machine was asleep."""
    launch, struck = provisioner.SandboxProvisioner.launch_kernel, []

    async def launched(self, cmd, **kwargs):
        about = await launch(self, cmd, **kwargs)
        if not struck:
            struck.append(True)
            descriptor = os.dup(self.kernel)

            def send(number):
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(descriptor, number)

            later(moment * seconds, lambda: send(signal.SIGSTOP))
            later(moment * seconds + 3, lambda: send(signal.SIGCONT))
        return about

    patch.setattr(provisioner.SandboxProvisioner, "launch_kernel", launched)


FAULTS = {
    each.__name__: each
    for each in (
        kernel_killed,
        kernel_killed_each_time,
        sandbox_killed,
        message_to_the_kernel_lost,
        message_from_the_kernel_lost,
        no_memory_for_a_message,
        no_memory_for_a_value,
        no_more_files,
        no_process_to_be_had,
        stopped_for_a_while,
    )
}


def moments(name, count):
    """As many as wanted, spread over the whole run; others each time, and said."""
    seed = int(os.environ.get("FAULT_SEED", random.randrange(10**6)))
    print(f"{name}: FAULT_SEED={seed}")
    rng = random.Random(f"{seed}{name}")
    return [(k + rng.random()) / count for k in range(count)]


def verdicts(honest, name, count):
    found = []
    for moment in moments(name, count):
        with pytest.MonkeyPatch.context() as patch:
            FAULTS[name](patch, moment, honest.seconds)
            found.append((round(moment, 3), honest.verdict(honest.grade())))
    return found


# Of each way in one: a process, a message, memory, files. The others cost up to 10 s each.
ALWAYS = {"sandbox_killed", "no_memory_for_a_message", "no_more_files", "no_process_to_be_had"}


@pytest.mark.parametrize("name", late(FAULTS, ALWAYS))
def test_no_fault_of_the_machine_costs_a_point(name, honest):
    """Takes some seconds each."""
    found = verdicts(honest, name, 1)
    assert [each for each in found if each[1] not in ("full", "a person")] == []
    if name == "kernel_killed_each_time":
        assert found[0][1] == "a person"


@pytest.mark.proof
@pytest.mark.parametrize("name", FAULTS)
def test_twenty_moments_of_each_fault(name, honest):
    found = verdicts(honest, name, 20)
    print(name, {each: sum(v == each for _, v in found) for each in ("full", "a person")})
    assert [each for each in found if each[1] not in ("full", "a person")] == []


def test_a_worker_that_dies_costs_nobody_a_point(honest):
    """Killed while it grades: once, and each time."""
    with workers.on_this_machine(1)(honest.plan) as team:
        team.give(honest.handed_in)
        team.finished(honest.seconds / 2)
        for process in team.team.values():
            process.process.kill()
        found = []
        while team.pending:
            found += team.finished(1)
    assert [honest.verdict(each) for each in found] == ["full"]
    with workers.on_this_machine(1)(honest.plan) as team:
        team.give(honest.handed_in)
        found = []
        while team.pending:
            found += team.finished(0.3)
            for process in team.team.values():
                process.process.kill()
    assert [honest.verdict(each) for each in found] in (["a person"], ["full"])


def test_what_a_student_does_to_the_kernel_is_not_the_machines_fault(honest):
    """The other side: no one gets away with ending it."""
    content = honest.handed_in.notebooks[f"{ASSIGNMENT}.ipynb"]
    for source in ("import os; os._exit(9)", "import os; os.abort()"):
        notebook = nbformat.reads(content.decode(), 4)
        notebook.cells.insert(0, nbformat.v4.new_code_cell(source))
        handed_in = Submission(
            "ben", {f"{ASSIGNMENT}.ipynb": nbformat.v4.writes_json(notebook).encode()}, None
        )
        graded = grade(honest.plan, handed_in)
        points = {name: told for (_, name), told in graded.grades.items() if name in FULL}
        assert points == dict.fromkeys(FULL, (0.0, False))
