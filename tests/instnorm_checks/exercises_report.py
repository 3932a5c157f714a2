"""How well the checks judge: one line for each exercise, printed by `make exercises-report`.

right    right answers, the reference among them, that have full marks in public and hidden cases
blank    points of the function as the student finds it
wrong    misconceptions that lose points
named    misconceptions that are recognised, each by its own name, wherever they lose points
mutants  wrong answers that need no idea of the exercise and earn nothing; or, if their values are
         right and only their handling of arrays is wrong, lose just what that is worth
public   misconceptions and worthless mutants that the public cases alone reject

The bars: everything right passes, everything wrong is rejected, and of all misconceptions 95 % are
named. The exit status is 1 when one is missed.
"""

import importlib
import os
import sys
from dataclasses import dataclass

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # see conftest.py

from mutants import mutants

from instnorm_checks import ASSIGNMENTS, EXERCISES, grading_seed
from instnorm_checks.engine.diagnosis import examine

NAMED_BAR = 0.95


@dataclass(frozen=True)
class Count:
    """How many of how many."""

    reached: int
    of: int

    def __str__(self):
        return f"{self.reached}/{self.of}"

    @property
    def full(self):
        return self.reached == self.of

    def __add__(self, other):
        return Count(self.reached + other.reached, self.of + other.of)


def count(truths):
    truths = list(truths)
    return Count(sum(truths), len(truths))


@dataclass(frozen=True)
class Line:
    exercise: str
    right: Count
    blank: float
    wrong: Count
    named: Count
    mutants: Count
    public: Count

    @property
    def good(self):
        """Whether the bars that hold for each exercise are met."""
        return (
            self.right.full
            and self.right.of >= 4
            and self.blank == 0
            and self.wrong.full
            and self.wrong.of >= 6
            and self.mutants.full
        )


def right_answers(assignment):
    """Exercise id -> functions, from right_answers/<module of the assignment>.py."""
    module = assignment.__name__.rpartition(".")[2]
    return importlib.import_module(f"right_answers.{module}").RIGHT


def judge(exercise, right, seed):
    """The line of one exercise; `right` are correct answers written by others."""

    def points(function, seed=seed):
        return examine(exercise, function, seed).points

    def blank(*arguments):
        raise NotImplementedError

    # What is slow costs no points, and is timed in test_pace.py.
    exercise = exercise.untimed
    misconceptions = [wrong for wrong in exercise.misconceptions if not wrong.speeds]
    examined = [(wrong, examine(exercise, wrong.implementation, seed)) for wrong in misconceptions]
    useless, careless = mutants(exercise)
    strict = sum(aspect.points for aspect in exercise.aspects if aspect.strict)
    wrongs = [wrong.implementation for wrong in misconceptions]
    ignorant = [f for name, f in useless.items() if name != "knows-the-public-cases"]
    return Line(
        exercise.id,
        count(points(f) == exercise.points for f in (exercise.reference, *right)),
        points(blank),
        count(e.points < exercise.points for _, e in examined),
        count(_named(wrong, e) for wrong, e in examined),
        count(
            [points(f) == 0 for f in useless.values()]
            + [points(f) == exercise.points - strict for f in careless.values()]
        ),
        count(points(f, None) < exercise.points for f in wrongs + ignorant),
    )


def _named(wrong, examination):
    """Recognised by its own name in each aspect that it loses, and by no other name anywhere."""
    lost = [a.name for a in examination.exercise.aspects if examination.missed(a)]
    return bool(lost) and all(
        name in examination.named and examination.named[name].name == wrong.name for name in lost
    )


def table(lines):
    """The text of the report, and whether all bars are met."""
    total = sum((line.named for line in lines), Count(0, 0))
    share = total.reached / max(total.of, 1)
    heads = ("exercise", "right", "blank", "wrong", "named", "mutants", "public", "")
    width = max(len(line.exercise) for line in lines)
    rows = [heads] + [
        (
            line.exercise,
            *map(str, (line.right, f"{line.blank:g}", line.wrong, line.named, line.mutants)),
            str(line.public),
            "" if line.good else "below the bar",
        )
        for line in lines
    ]
    text = "\n".join(
        f"{row[0]:{width}}" + "".join(f"{cell:>9}" for cell in row[1:7]) + f"  {row[7]}".rstrip()
        for row in rows
    )
    met = all(line.good for line in lines) and share >= NAMED_BAR
    verdict = "all bars are met" if met else "a bar is missed"
    return (
        f"{text}\n\n{total} misconceptions named ({share:.1%}, the bar is {NAMED_BAR:.0%}): "
        f"{verdict}.",
        met,
    )


def main(names=()):
    unknown = set(names) - EXERCISES.keys()
    if unknown:
        sys.exit(f"no such exercise: {', '.join(sorted(unknown))}")
    seed = grading_seed()
    lines = []
    for assignment in ASSIGNMENTS:
        right = right_answers(assignment)
        for exercise in assignment.EXERCISES:
            if not names or exercise.id in names:
                print(f"{exercise.id} ...", file=sys.stderr, flush=True)
                lines.append(judge(exercise, right[exercise.id], seed))
    text, met = table(lines)
    print(f"Hidden cases are those of seed {seed}.\n\n{text}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
