"""The Python side of an exercise on its page: it runs in a worker of the reader's browser.

What goes in and comes out is JSON. All text that comes of the reader's code is text: the page
never reads it as HTML. Nothing in here depends on the browser, so the tests run it in CPython too.
"""

import ast
import contextlib
import io
import json
import linecache
import logging
import sys
import traceback
import types
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np

from instnorm_checks import exercise, public_case
from instnorm_checks.engine.calling import call
from instnorm_checks.engine.compare import agree
from instnorm_checks.engine.diagnosis import examine
from instnorm_checks.engine.report import report_on

ANSWER = "your answer"
LINE = "your line"
CELL = "this cell"
LONGEST = 20_000  # characters of printed text that go to the page
SIDE, PLANES = 64, 6  # the most that is drawn as pictures: pixels a side, and planes


class CannotRun(Exception):
    """The reader's code stops before there is a function to check; the message says where."""


def handle(request):
    """Answer one request, JSON to JSON. An error of ours is a "fault", and gives no mark."""
    try:
        given = json.loads(request)
        answer = {"check": check, "try": try_line, "cell": run_cell}[given.pop("do")](**given)
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
    """Run a cell of the notebook, without imports of packages that the browser does not have.

    They draw figures and load photographs. No answer needs them.
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
    """Capture what is printed, and warnings, which are shown as in a notebook."""
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


# --- chapters -----------------------------------------------------------------------------------

_chapter = {}  # the names of the chapter that is being run: one page has one Python


def run_cell(source, fresh=False):
    """Run a cell of a chapter, after the cells that ran before it.

    Returns
    -------
    dict
        ``kind`` "ran"; ``outputs``, each with one of ``text``, ``svg`` and ``kept`` (true: the page
        has it already, as a figure to touch); ``lacks``, packages that the browser has not.
    """
    if fresh:
        _chapter.clear()
        _chapter["__name__"] = "__main__"
    shown = _stand_in_for_ipython()
    if sys.platform == "emscripten":
        _stand_in_for_what_is_not_there()
    shown.clear()
    lacks = set()
    with _captured() as printed:
        shown.append(printed)
        value = _run_chapter(source, lacks)
        _show_value(value, shown)
    return {"kind": "ran", "outputs": _merged(shown), "lacks": sorted(lacks)}


def _run_chapter(source, lacks):
    """Run a cell, without those of its imports that no browser can have."""
    linecache.cache[CELL] = (len(source), None, source.splitlines(keepends=True), CELL)
    tree = ast.parse(source, CELL)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    try:
        for statement in tree.body:
            try:
                exec(compile(ast.Module([statement], []), CELL, "exec"), _chapter)
            except ModuleNotFoundError as error:
                if not isinstance(statement, ast.Import | ast.ImportFrom):
                    raise
                lacks.add(error.name)
        if last is not None:
            return eval(compile(ast.Expression(last.value), CELL, "eval"), _chapter)
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        raise CannotRun(_raised(error, CELL)) from None
    return None


def _show_value(value, shown):
    if value is None:
        return
    bundle = getattr(value, "_repr_mimebundle_", None)
    if bundle is not None:
        value = bundle()
        shown.append({"text": value.get("text/plain", "")})
    elif isinstance(value, _Html):
        shown.append({"kept": True})
    else:
        shown.append({"text": repr(value)[:LONGEST]})


def _merged(shown):
    """Outputs in their order: what was printed is one text, before the figures of its cell."""
    outputs = []
    for each in shown:
        if isinstance(each, io.StringIO):
            each = {"text": each.getvalue()[:LONGEST]}
            if not each["text"]:
                continue
        outputs.append(each)
    return outputs


class _Html:
    """Stands for IPython's HTML: a figure to touch, which the page has already."""

    def __init__(self, data=None):
        self.data = data


_outputs = []  # of the cell that runs


def _stand_in_for_ipython():
    """Have something where chapters look for IPython's display; returns the list it fills."""
    if "IPython" not in sys.modules:

        def display(value, raw=False, **_):
            if raw and value.get("text/html", "").lstrip().startswith("<svg"):
                _outputs.append({"svg": value["text/html"]})
            else:
                _show_value(value, _outputs)

        package, module = types.ModuleType("IPython"), types.ModuleType("IPython.display")
        module.display, module.HTML = display, _Html
        package.display = module
        package.get_ipython = lambda: None  # matplotlib asks
        sys.modules |= {"IPython": package, "IPython.display": module}
    return _outputs


def _stand_in_for_what_is_not_there():
    """Stand in for scikit-image, whose photographs are there without it, and for explorables.

    The page shows the explorables already. Here only their models are computed.
    """
    if "skimage" in sys.modules:
        return
    skimage, data = types.ModuleType("skimage"), types.ModuleType("skimage.data")
    folder = Path(np.__file__).parents[1] / "skimage" / "data"

    def picture(name):
        def read():
            from PIL import Image

            (path,) = folder.glob(f"{name}.*")
            return np.asarray(Image.open(path))

        return read

    data.__getattr__ = picture  # as in skimage.data.coffee()
    skimage.data = data
    sys.modules |= {"skimage": skimage, "skimage.data": data}

    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # it builds its cache

    from instnorm_lab import explorables

    explorables._module = lambda name: Path(f"{name}.js")
