"""Call a student's function by value, whatever it does.

The function receives fresh copies and nothing else; what it returns is copied at once. So it makes
no difference to the rest of the checks whether it runs here or behind a proxy in another process.
"""

import contextlib
import io
import sysconfig
import traceback
import warnings
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import instnorm

from .faults import InternalError, told

# Where code lives that is not the student's.
LIBRARIES = (
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
    str(Path(__file__).parents[1]),
    str(Path(instnorm.__file__).parent),
)

# What is taken for an array of whole numbers, where one is asked for.
ACCEPTED = bool | int | float | list | tuple | np.generic | np.ndarray


class Proxy:
    """Base of what stands for a function in another process.

    It raises what was raised there, with the lines that led to it (`traceback.FrameSummary`) as the
    exception's `frames`.
    """


@dataclass(frozen=True)
class Failure:
    """An exception raised by the call."""

    type: type[BaseException]
    message: str
    where: str  # "line 3: return gamma * xhat", or "" when the call itself was refused
    trace: str  # the student's own lines that led there, "" when `where` says it all

    @property
    def name(self):
        return self.type.__name__


@dataclass(frozen=True)
class Outcome:
    """What came of one call."""

    parts: tuple[np.ndarray | str, ...]  # for each result an array, or a sentence on why not
    failure: Failure | None = None
    changed: tuple[str, ...] = ()  # names of arguments that the function modified
    printed: str = ""


def call(function, arguments, returns, counts=()):
    """Call `function` with copies of `arguments`; `returns` names the arrays to come back.

    Those that `counts` names are whole numbers, for which lists, ints and bools do as well.

    Everything a student's code can raise is an outcome, SystemExit included. KeyboardInterrupt
    alone goes through: it is how a time-out, or the student's own stop button, ends an endless
    loop. Warnings and what is written to stderr are dropped, since they say nothing about the
    result.

    Raises InternalError if it is not the student's code that failed, but a proxy for it.
    """
    attempt = _attempt(function, arguments)
    changed = _changed(attempt.given, arguments)
    if attempt.error is None:
        parts = _parts(attempt.result, returns, attempt.printed, counts)
        return Outcome(parts, None, changed, attempt.printed)
    # A proxy for a function in another process raises what was raised there, and says where in
    # `frames`. What it raises without is a fault of its own.
    if isinstance(function, Proxy) and not hasattr(attempt.error, "frames"):
        raise InternalError(
            f"the call of your function, in another process, raised {told(attempt.error)}"
        ) from attempt.error
    return Outcome((), _failure(attempt.error), changed, attempt.printed)


def call_ours(what, function, arguments, returns, raises=(), secret=False):
    """Call a function that is not a student's: the reference, or a misconception.

    What it raises is an outcome where `raises` allows it, and otherwise an InternalError, which
    says that `what` raised it; without its message if that is `secret`.
    """
    attempt = _attempt(function, arguments)
    changed = _changed(attempt.given, arguments)
    if attempt.error is None:
        parts = _parts(attempt.result, returns, attempt.printed, ())
        return Outcome(parts, None, changed, attempt.printed)
    if not isinstance(attempt.error, raises):
        raise InternalError(f"{what} raised {told(attempt.error, secret)}") from attempt.error
    return Outcome((), _failure(attempt.error), changed, attempt.printed)


@dataclass(frozen=True)
class _Attempt:
    given: dict
    result: object
    error: BaseException | None
    printed: str


def _attempt(function, arguments):
    given = {
        name: value.copy() if isinstance(value, np.ndarray) else value
        for name, value in arguments.items()
    }
    printed, result, error = io.StringIO(), None, None
    with (
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        redirect_stdout(printed),
        redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        try:
            result = function(*given.values())
        except KeyboardInterrupt:
            raise
        except BaseException as raised:
            error = raised
    return _Attempt(given, result, error, printed.getvalue())


def _changed(given, arguments):
    return tuple(
        name
        for name, value in arguments.items()
        if isinstance(value, np.ndarray) and not np.array_equal(given[name], value, equal_nan=True)
    )


def _parts(result, returns, printed, counts):
    if len(returns) == 1:
        return (_by_value(returns[0], "your function returned", result, printed, counts),)
    if isinstance(result, tuple | list) and len(result) == len(returns):
        return tuple(
            _by_value(name, f"for {name} your function returned", part, "", counts)
            if part is not None
            else f"your {name} is None, and so not judged yet."
            for name, part in zip(returns, result, strict=True)
        )
    several = isinstance(result, tuple | list)
    sentence = (
        f"your function must hand back {len(returns)} arrays, as in `return "
        f"{', '.join(returns)}`; it returned "
        f"{f'{len(result)} things' if several else _describe(result)}."
    )
    return (sentence,) * len(returns)


def _by_value(name, returned, result, printed, counts):
    """A copy of an array of floats; for anything else, a sentence.

    Whole numbers, True and False, and lists of them, are as good as floats where that is asked.
    """
    if name in counts and isinstance(result, ACCEPTED):
        with contextlib.suppress(ValueError):  # a ragged list
            array = np.atleast_1d(np.array(result, subok=False))
            if array.dtype.kind in "biu" or not isinstance(result, np.ndarray):
                return array.astype(np.float64)
    if result is None and printed:
        return f"{returned} None. It printed something: print shows a value, return hands it back."
    if result is None:
        return f"{returned} None. Is a return line missing?"
    if not isinstance(result, np.ndarray):
        return f"{returned} {_describe(result)}, where a NumPy array is needed."
    if result.dtype.kind != "f":
        return f"{returned} an array of {result.dtype}, where floating-point numbers are needed."
    return np.array(result, subok=False)


def _describe(value):
    if value is None:
        return "None"
    if isinstance(value, bool | int | float | complex | np.generic):
        return f"a single number ({type(value).__name__})"
    if isinstance(value, np.ndarray):
        return "one array"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__}"
    return f"an object of type {type(value).__module__}.{type(value).__qualname__}"


def _failure(error):
    # The first frame is `_attempt` itself.
    frames = getattr(error, "frames", traceback.extract_tb(error.__traceback__)[1:])
    own = [frame for frame in frames if not frame.filename.startswith(LIBRARIES)] or frames
    lines = [f"line {frame.lineno}: {(frame.line or '').strip()}" for frame in own[-6:]]
    trace = [f"  in {frame.name}, {line}" for frame, line in zip(own[-6:], lines, strict=True)]
    return Failure(
        type(error),
        _message(error),
        lines[-1] if lines else "",
        "\n".join(trace) if len(trace) > 1 else "",
    )


def _message(error):
    """The first line of an exception's message; its own code may misbehave too."""
    try:
        return str(error).partition("\n")[0].strip()[:200]
    except Exception:
        return ""
