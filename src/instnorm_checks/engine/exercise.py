"""An exercise is data: what is asked, what a right answer does, and which wrong answers we know."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from .compare import TOLERANCE

# The arguments of one call, by name and in order: arrays, numbers, True and False, and words. The
# function is called with the values only, by position.
Arguments = Mapping[str, np.ndarray | float | str]

# Of a misconception that fails every aspect of its exercise.
ALL = ("all aspects",)


@dataclass(frozen=True)
class Pace:
    """How fast an answer should be: `times` as fast as `naive`, called with the same arguments.

    It is shown and gives no points: a clock is no ground for a mark where the machine is busy, or
    the function made to deceive it.

    Both functions return one array, each value of which depends on all columns of the arguments.
    """

    naive: Callable
    times: float


@dataclass(frozen=True)
class Aspect:
    """One property of a right answer, worth points when every one of its cases passes."""

    name: str
    points: float
    says: str  # what it demands, in a sentence
    public: tuple[Arguments, ...]
    hidden: Callable[[np.random.Generator], Sequence[Arguments]]
    judges: tuple[int, ...] = (0,)  # which of the returned arrays are compared
    # Also: the reference's dtype and digits, and no argument changed.
    strict: bool = False
    tolerance: float = TOLERANCE
    pace: Pace | None = None  # also: right answers are timed, where students check; 0 points
    # Its cases are special ones, which programs treat in a branch of their own. So a pass here says
    # nothing about what is wrong elsewhere.
    apart: bool = False
    # What the reference raises in some of the cases. There a right answer raises it too, or a
    # subclass of it. Anything else that the reference raises is a fault of ours.
    raises: type[Exception] | tuple[type[Exception], ...] = ()


@dataclass(frozen=True)
class Misconception:
    """A wrong answer with a name: a small function, and what to say to a student who wrote it."""

    name: str
    says: str
    implementation: Callable
    loses: tuple[str, ...]  # the aspects that it fails, or ALL
    # Where the wrong answer is rounding noise no second program reproduces it. Then this decides,
    # from (theirs, expected), but only if the student loses no other aspects than `loses`.
    resembles: Callable[[np.ndarray, np.ndarray], bool] | None = None
    # Where the answer is right and too slow: from how many times as fast as the naive version, to
    # how many, it is this idea that makes it so.
    speeds: tuple[float, float] | None = None
    # Other ways in which the same mistake is made.
    also: tuple[Callable, ...] = ()
    # Its answers are as plain as zeros or an argument handed back, and it says more about them than
    # `engine.plain` does.
    plain: bool = False
    # What the implementation raises in some cases, besides what the aspect allows.
    raises: type[Exception] | tuple[type[Exception], ...] = ()


@dataclass(frozen=True)
class Property:
    """An identity of the right answer, tried on answers that no misconception explains.

    `holds(run, arguments)` may call `run(name=other_value, ...)` to get the returned arrays with
    some of the arguments replaced.
    """

    says: str  # what to tell the student when it does not hold
    holds: Callable[[Callable, Arguments], bool]


@dataclass(frozen=True, eq=False)  # each is one of its kind, and the key to what is kept of it
class Exercise:
    id: str
    signature: str
    returns: tuple[str, ...]  # names of the returned arrays
    reference: Callable
    aspects: tuple[Aspect, ...]
    misconceptions: tuple[Misconception, ...] = field(repr=False)
    properties: tuple[Property, ...] = field(repr=False)
    # Names of the returned arrays that hold whole numbers, or 0 and 1. Lists and ints do there too.
    counts: tuple[str, ...] = ()
    # An attribute that the cell above the check gives to the function, by wrapping it.
    adapter: str = ""

    def __post_init__(self):
        every = tuple(aspect.name for aspect in self.aspects)
        misconceptions = tuple(
            replace(wrong, loses=every) if wrong.loses is ALL else wrong
            for wrong in self.misconceptions
        )
        object.__setattr__(self, "misconceptions", misconceptions)

    @property
    def points(self):
        return float(sum(aspect.points for aspect in self.aspects))

    @cached_property
    def untimed(self):
        """The exercise without what is timed: as it is graded, and where there is no good clock."""
        return replace(self, aspects=tuple(each for each in self.aspects if not each.pace))

    @property
    def function_name(self):
        return self.signature.partition("(")[0]

    def aspect(self, name):
        return next(aspect for aspect in self.aspects if aspect.name == name)

    def misconception(self, name):
        return next(wrong for wrong in self.misconceptions if wrong.name == name)
