"""Test cells, run in this process: the student's code is on the other side of a comm.

A test cell comes from the gradebook, so it is the instructor's own code, and may import the checks.
Names that it does not define itself are looked up in the student's notebook (`remote.Names`).
"""

import ast
import builtins
import io
import logging
import os
import tempfile
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from nbformat.notebooknode import from_dict

from instnorm_checks import MIME, InternalError

from . import inert
from .remote import Fault, Lost, Stopped, is_of_the_machine

LOG = logging.getLogger(__name__)
MAX_TEXT = 100_000  # characters of a report


def run(source, names, log=LOG):
    """Run a test cell; its outputs, as a notebook has them. Raises `Lost` if the kernel is lost.

    An exception becomes an output without its traceback: that would show the test. Where the
    checks themselves fail, the output says so in the place of a mark, and `log` gets it all.
    OSError: there is no place to run it in.
    """
    with _elsewhere():  # an error here is not the test's
        return _run(source, names, log)


def _run(source, names, log):
    printed, outputs = io.StringIO(), []
    try:
        with redirect_stdout(printed), redirect_stderr(io.StringIO()):
            value = _value(source, names)
        if value is not None:
            outputs.append(_result(value))
    except Stopped:
        outputs.append(
            error(
                "CellTimeoutError",
                "This cell took too long and was stopped. Is there a loop that never ends?",
            )
        )
    except (Lost, Fault):
        raise
    except InternalError as fault:
        log.error("%s", fault, exc_info=fault)
        print(_excuse(fault), file=printed)
        outputs.append(_fault(fault))
    except BaseException as failure:
        if is_of_the_machine(failure):
            raise Fault(f"The machine had no room for a test ({failure}).") from None
        outputs.append(error(type(failure).__name__, f"{type(failure).__name__}: {failure}"))
    if printed.getvalue():
        text = inert.text(_writable(printed.getvalue()[:MAX_TEXT]))
        outputs.insert(0, new_output("stream", name="stdout", text=text))
    return outputs


def new_output(kind, data=None, **what):
    """An output of a cell; `nbformat.v4.new_output` checks each, for a millisecond."""
    if data is not None:
        what |= {"data": data, "metadata": {}}
    return from_dict({"output_type": kind, **what})


def error(name, message):
    """An error output that says one thing."""
    message = _writable(message)
    return new_output("error", ename=name, evalue=message, traceback=[message])


def _writable(text):
    """Text without lone surrogates, which can't be written to a file."""
    return text.encode("utf-8", "replace").decode()


def _excuse(fault):
    return (
        f"{fault.exercise}: the check itself failed, which is not your answer's fault. It gives no "
        "points and takes none; a person will look at this exercise."
    )


def _fault(fault):
    """What stands in the place of a mark where there can be none."""
    data = {MIME: {"exercise": fault.exercise, "internal_error": fault.reason}}
    return new_output("execute_result", {"text/plain": "no mark", **data}, execution_count=None)


def _value(source, names):
    """Execute a cell; the value of its last line if that is an expression, as Jupyter shows it."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<test>", "exec"), names)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), "<test>", "eval"), names)


def _result(value):
    bundle = getattr(value, "_repr_mimebundle_", None)
    data = bundle() if bundle else {"text/plain": builtins.repr(value)}
    # A report quotes what students wrote: it is shown as text, and nothing else is shown.
    data = {kind: data[kind] for kind in ("text/plain", MIME) if kind in data}
    return new_output("execute_result", data, execution_count=None)


@contextmanager
def _elsewhere():
    """An empty working directory: what a test opens by mistake is not a student's file."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="judge-") as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
