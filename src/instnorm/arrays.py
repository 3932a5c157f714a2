"""The arrays that functions take: NumPy's or CuPy's. Results are of the same kind."""

from typing import Any, Protocol, TypeVar

__all__ = ["AnyArray", "Array"]


class AnyArray(Protocol):
    """What NumPy's and CuPy's arrays have in common, as far as it is needed to tell them apart."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> Any: ...


Array = TypeVar("Array", bound=AnyArray)
