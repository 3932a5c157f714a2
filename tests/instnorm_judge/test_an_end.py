"""A submission has an end, whatever it does to the one who reads its messages."""

import os
import resource
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from instnorm_judge import sandbox
from instnorm_judge.execute import GRACE, Execute
from instnorm_judge.rebuild import FLAGS

pytestmark = [pytest.mark.alone]
try:
    sandbox.require()
except sandbox.NoSandbox as refusal:
    pytestmark += [pytest.mark.skip(f"NOTHING ABOUT AN END IS TESTED HERE. {refusal}")]

TIMEOUT, IOPUB, TOTAL = 2, 1, 6
STOPPED = {"ename": "CellTimeoutError", "evalue": "", "traceback": ["stopped"]}
# What a cell may take: its time, that of its messages, and what is left to those who wait.
A_CELL = TIMEOUT + IOPUB + GRACE + 4

FLOOD = """
kernel = get_ipython().kernel
sock = getattr(kernel.shell_stream, "socket", kernel.shell_stream)
ident = kernel._parent_ident["shell"]
def flood():
    while True:
        kernel.session.send(sock, "execute_reply", {"status": "ok"}, parent={}, ident=ident)
"""
# Ends the connection that the other side writes to.
HANG_UP = """
import os, socket
def hang_up(*names):
    for each in os.listdir("/proc/self/fd"):
        try: it = socket.socket(fileno=os.dup(int(each)))
        except OSError: continue
        try: name = it.getpeername()
        except OSError: name = ""
        if isinstance(name, str) and name.endswith(names): it.shutdown(socket.SHUT_RDWR)
        it.close()
"""
ANSWER = "def f(x):\n    {}\n    return x"
SEVERAL_CALLS = "for _ in range(20):\n    try: f(1.0)\n    except Exception: pass"

ATTACKS = {
    "floods-with-replies": ([FLOOD, "flood()"], None),
    "floods-and-ignores": (
        [FLOOD, "while True:\n    try: flood()\n    except BaseException: pass"],
        None,
    ),
    "floods-in-a-call": ([FLOOD, ANSWER.format("flood()")], SEVERAL_CALLS),
    "floods-from-a-thread": (
        [
            FLOOD,
            "import threading\nthreading.Thread(target=flood).start()\nimport time\ntime.sleep(99)",
        ],
        None,
    ),
    "hangs-up": ([HANG_UP, "hang_up('socket-1')", "1", "2"], "f(1.0)"),
    "hangs-up-everything": ([HANG_UP, "hang_up('socket-1', 'socket-2')", "1", "2"], "f(1.0)"),
    "hangs-up-in-a-call": ([HANG_UP, ANSWER.format("hang_up('socket-1')")], SEVERAL_CALLS),
    "hangs-up-after-a-call": (
        [
            HANG_UP,
            ANSWER.format("__import__('threading').Timer(.3, hang_up, ['socket-1']).start()"),
        ],
        "import time\nf(1.0)\ntime.sleep(.6)\n" + SEVERAL_CALLS,
    ),
    "many-short-cells": (["import time\ntime.sleep(1.5)"] * 9, None),
}


def notebook_of(sources, test=None):
    cells = [new_code_cell(source) for source in sources]
    about = {"grade": True, "solution": False, "grade_id": "t"}
    last = new_code_cell(test or "1.0", metadata={"nbgrader": about})
    return new_notebook(cells=[*cells, last])


def executed(notebook, **limits):
    limits = {"timeout": TIMEOUT, "iopub_timeout": IOPUB, "total": TOTAL, **limits}
    resources = {"metadata": {"path": "."}, "nbgrader": {}}
    return Execute(error_on_timeout=STOPPED, **limits).preprocess(notebook, resources)[0]


# The others are variants, each of which waits for its limits: with them two minutes in all.
ALWAYS = {"hangs-up"}


@pytest.mark.parametrize(
    "name",
    [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.slow) for name in ATTACKS],
)
def test_it_ends_in_time(name):
    """Three times at most, where the machine seems to be busy; each within the limit."""
    executed(notebook_of(["1"]))  # so that no import is timed
    times = []

    class Timed(Execute):
        def _meet(self):
            times.append(time.monotonic())
            super()._meet()

    notebook = notebook_of(*ATTACKS[name])
    limits = {"timeout": TIMEOUT, "iopub_timeout": IOPUB, "total": TOTAL}
    Timed(error_on_timeout=STOPPED, **limits).preprocess(
        notebook, {"metadata": {"path": "."}, "nbgrader": {}}
    )
    took = time.monotonic() - times[-1]
    assert took < TOTAL + A_CELL
    lost = [o for cell in notebook.cells for o in cell.outputs if o.output_type == "error"]
    assert lost or notebook.metadata.get(FLAGS)
    # The attack itself has no mistake.
    assert not {"NameError", "AttributeError", "KeyError"} & {each.ename for each in lost}


@pytest.mark.slow  # some 6 s
def test_as_many_files_as_a_plain_shell_allows_are_enough():
    """`ulimit -n 1024`, and more connections than that asked for."""
    source = """
        import ipykernel, os, socket
        folder = os.path.dirname(ipykernel.get_connection_file())
        for _ in range(6):
            if os.fork() == 0:
                held = []
                for _ in range(240):
                    it = socket.socket(socket.AF_UNIX)
                    try: it.connect(f"{folder}/socket-1")
                    except OSError: pass
                    held.append(it)
                import time; time.sleep(2); os._exit(0)
        import time; time.sleep(1); print("still here")
    """
    program = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_an_end import executed, notebook_of
        cells = executed(notebook_of([{textwrap.dedent(source)!r}, "print('and on')"])).cells
        print([output.get("text", output.get("evalue")) for c in cells for output in c.outputs])
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)),
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    # Whether they count as too many sockets or go unnoticed: nobody else is harmed.
    assert "still here" in result.stdout or "too many sockets" in result.stdout
