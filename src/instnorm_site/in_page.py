"""The Python side of an exercise on its page: it runs in a worker of the reader's browser.

What goes in and comes out is JSON. All text that comes of the reader's code is text: the page
never reads it as HTML. Nothing in here depends on the browser, so the tests run it in CPython too.
"""

import ast
import contextlib
import io
import json
import linecache
import traceback
import warnings
from dataclasses import asdict

import numpy as np

from instnorm_checks import exercise, public_case
from instnorm_checks.engine.calling import call
from instnorm_checks.engine.compare import agree
from instnorm_checks.engine.diagnosis import examine
from instnorm_checks.engine.report import report_on

ANSWER = "your answer"
LINE = "your line"
LONGEST = 20_000  # characters of printed text that go to the page
SIDE, PLANES = 64, 6  # the most that is drawn as pictures: pixels a side, and planes


class CannotRun(Exception):
    """The reader's code stops before there is a function to check; the message says where."""


def handle(request):
    """Answer one request, JSON to JSON. What goes wrong in here is a "fault", never a mark."""
    try:
        given = json.loads(request)
        answer = {"check": check, "try": try_line}[given.pop("do")](**given)
    except CannotRun as error:
        answer = {"kind": "trouble", "text": str(error)}
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        trace = "".join(traceback.format_exception(error))
        answer = {"kind": "fault", "text": trace[-LONGEST:]}
    return json.dumps(answer, allow_nan=False)


# --- checking -----------------------------------------------------------------------------------


def check(exercise_id, before, earlier, source, after):
    """Check an answer on the public cases.

    Parameters
    ----------
    exercise_id : str
    before, after : list of str
        Cells of the notebook that come before the answer, and between it and its check.
    earlier : list of str
        The reader's answers to the exercises before this one: an answer may call them.
    source : str
        The answer.

    Returns
    -------
    dict
        ``kind`` is "report"; see `_report` for the rest.

    Raises
    ------
    CannotRun
        If the answer can't be run to its end, or defines no such function.
    """
    asked = here(exercise(exercise_id))
    namespace, printed = run_answer(asked, before, earlier, source, after)
    examination = examine(asked, namespace[asked.function_name])
    return {**_report(examination), "printed": printed}


def here(asked):
    """The exercise as far as a browser can judge it: its clock is too coarse to time anything."""
    return asked.untimed


def run_answer(asked, before, earlier, source, after):
    """A namespace in which the answer has been run, and what it printed."""
    namespace = {"__name__": "__main__"}
    for cell in before:
        _run_what_there_is(cell, namespace)
    for cell in earlier:
        with contextlib.suppress(Exception, SystemExit), _captured():
            exec(compile(cell, "an earlier answer", "exec"), namespace)
    namespace.pop(asked.function_name, None)
    with _captured() as printed:
        _run(source, ANSWER, namespace)
    if not callable(namespace.get(asked.function_name)):
        raise CannotRun(
            f"There is no function {asked.function_name} here. The check looks for a function of "
            f"that name: def {asked.signature}: ..."
        )
    for cell in after:
        exec(compile(cell, "the notebook", "exec"), namespace)
    return namespace, printed.getvalue()[:LONGEST]


def _run_what_there_is(cell, namespace):
    """Run a cell of the notebook, but for imports of packages that are not in the browser.

    Those are for drawing and for photographs. No answer needs them.
    """
    for statement in ast.parse(cell).body:
        with contextlib.suppress(ImportError):
            exec(compile(ast.Module([statement], []), "the notebook", "exec"), namespace)


def _run(source, name, namespace):
    """Run the reader's code; the value of the last line, if that is an expression."""
    # So that tracebacks, here and in the checks, can show its lines.
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    try:
        tree = ast.parse(source, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), namespace)
        if last is not None:
            return eval(compile(ast.Expression(last.value), name, "eval"), namespace)
    except (KeyboardInterrupt, MemoryError):
        raise
    except SyntaxError as error:
        if error.lineno is None:
            raise CannotRun(f"Python can't read this: {error.msg}") from None
        if error.filename != name:
            raise CannotRun(_raised(error, name)) from None
        line = (error.text or "").rstrip("\n")
        column = min(len(line), max(0, (error.offset or 1) - 1))
        pointer = " " * column + "^"
        raise CannotRun(
            f"Python can't read line {error.lineno}: {error.msg}\n\n{line}\n{pointer}"
        ) from None
    except BaseException as error:
        raise CannotRun(_raised(error, name)) from None
    return None


def _raised(error, name):
    """What an exception says, with the reader's own lines that led to it."""
    own = [each for each in traceback.extract_tb(error.__traceback__) if each.filename == name]
    lines = "".join(f"\n  line {each.lineno}: {(each.line or '').strip()}" for each in own[-5:])
    try:
        message = str(error)[:500]
    except Exception:
        message = ""
    return f"{type(error).__name__}{': ' if message else ''}{message}{lines}"


@contextlib.contextmanager
def _captured():
    """What is printed, warnings included: they are shown, as in a notebook, and stop nothing."""
    text = io.StringIO()
    with (
        contextlib.redirect_stdout(text),
        contextlib.redirect_stderr(text),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("default")
        yield text


def _report(examination):
    """An examination as JSON: the points, the mistakes by name, and the blocks of the report."""
    report = report_on(examination)
    return {
        "kind": "report",
        "points": examination.points,
        "of": examination.exercise.points,
        "names": list(dict.fromkeys(each.name for each in examination.named.values())),
        "blocks": [{"is": type(block).__name__, **asdict(block)} for block in report.blocks],
        "text": report.text[:LONGEST],
    }


# --- trying -------------------------------------------------------------------------------------


def try_line(exercise_id, before, earlier, source, after, line, case=None):
    """Run the answer and then one line of the reader's, and show what comes of it.

    `case` is [aspect, k] where the line is the function on that public case, unchanged. Then what
    the reference gives is shown beside it.
    """
    asked = exercise(exercise_id)
    namespace, _ = run_answer(asked, before, earlier, source, after)
    namespace.setdefault("np", np)
    namespace["public_case"] = public_case
    with _captured() as printed:
        value = _run(line, LINE, namespace)
    answer = {
        "kind": "tried",
        "printed": printed.getvalue()[:LONGEST],
        "value": "" if value is None else _shown(value),
        "pictures": [],
    }
    if case:
        expected = call(asked.reference, public_case(exercise_id, *case), asked.returns)
        theirs = value if isinstance(value, tuple | list) else (value,)
        if len(theirs) == len(expected.parts):
            answer["pictures"] = [
                {"name": name, **picture}
                for name, yours, right in zip(asked.returns, theirs, expected.parts, strict=True)
                if (picture := _side_by_side(yours, right))
            ]
    return answer


def _shown(value):
    with np.printoptions(precision=5, suppress=True, threshold=200, edgeitems=2, linewidth=68):
        try:
            return repr(value)[:LONGEST]
        except Exception as error:
            return f"(its repr raises {type(error).__name__})"


def _side_by_side(yours, right):
    """Planes of two arrays, and how far they are apart; None if there is nothing to draw."""
    arrays = isinstance(yours, np.ndarray) and isinstance(right, np.ndarray)
    if not (arrays and yours.dtype.kind in "fiub" and right.dtype.kind in "fiub"):
        return None
    if yours.shape != right.shape:
        return {"note": f"yours has shape {yours.shape}, expected is {right.shape}"}
    planes = _planes(right)
    if planes is None:
        return None
    yours, right = _planes(np.asarray(yours, float)), planes
    apart = np.abs(yours - right)
    return {
        "shape": list(planes.shape),
        "yours": _listed(yours),
        "expected": _listed(right),
        "apart": float(apart.max()) if np.isfinite(apart).all() else None,
        "agrees": bool(agree(yours, right)),
    }


def _planes(array):
    """An array as a few planes (P, H, W) to draw, or None if it is too large or too small."""
    array = np.asarray(array, float)
    if array.ndim == 0 or array.size < 2:
        return None
    planes = array.reshape((-1, *array.shape[-2:]) if array.ndim > 1 else (1, 1, -1))
    count, height, width = planes.shape
    return planes if count <= PLANES and max(height, width) <= SIDE else None


def _listed(planes):
    """Numbers as JSON knows them: what is not finite is null."""
    return [value if np.isfinite(value) else None for value in planes.ravel().tolist()]
