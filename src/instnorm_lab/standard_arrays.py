"""Arrays with the array API standard and nothing else, to find out what code relies on.

    function = standard_only(function)

makes a function of NumPy arrays out of one that was written for the standard
(https://data-apis.org/array-api/2023.12): it is called with the arrays of `array_api_strict`, whose
namespace has the standard's functions alone. What only NumPy can do raises an exception. That is
how code meets a GPU library, without a GPU.
"""

import functools
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import array_api_strict
import numpy as np

_Array = type(array_api_strict.asarray(0.0))


def standard_only(function):
    """`function`, called with standard arrays in place of NumPy's; its results are NumPy's again.

    Twice makes no difference. An array that the function changes is changed for the caller too.
    """
    function = getattr(function, "written_for_the_standard", function)

    @functools.wraps(function)
    def by_value(*arguments):
        given = [_for_the_standard(value) for value in arguments]
        with _out_of_reach_of_numpy():
            try:
                result = function(*given)
            except AttributeError as error:
                error.args = (_with_advice(error),)
                raise
        return _for_numpy(result)

    by_value.written_for_the_standard = function
    return by_value


def _for_the_standard(value):
    return array_api_strict.asarray(value, copy=False) if isinstance(value, np.ndarray) else value


def _for_numpy(value):
    if isinstance(value, tuple | list):
        return type(value)(map(_for_numpy, value))
    return np.from_dlpack(value).copy() if isinstance(value, _Array) else value


@contextmanager
def _out_of_reach_of_numpy():
    """Refuse conversion to NumPy, as arrays on a GPU do and those of `array_api_strict` do not."""

    def refuse(self, *_, **__):
        raise TypeError(
            "NumPy can't have this array, which may lie on a GPU: call functions of "
            "xp = x.__array_namespace__()"
        )

    with ExitStack() as stack:
        for way in ("__array__", "__buffer__"):
            if hasattr(_Array, way):
                stack.enter_context(patch.object(_Array, way, refuse))
        yield


def _with_advice(error):
    if isinstance(error.obj, _Array):
        if hasattr(array_api_strict, error.name):
            return f"the array API standard has no x.{error.name}; write xp.{error.name}(x, ...)"
        return f"the array API standard has no x.{error.name}; look for a function of xp"
    if error.obj is array_api_strict:
        return f"the array API standard has no xp.{error.name}"
    return str(error)
