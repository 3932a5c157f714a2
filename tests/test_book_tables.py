"""Tables in the book that repeat what the code knows: they agree with it."""

import re
from pathlib import Path

from instnorm.checks import ASSIGNMENTS

BOOK = Path(__file__).parents[1] / "book"
ALL_EXERCISES = (BOOK / "hands-on/all-exercises.md").read_text(encoding="utf-8")
PROBLEMS = {
    3138652, 3138687, 3138639, 3142023, 3138583, 3138613, 3138674, 3138620, 3138655, 3138619,
}  # fmt: skip


def slug(assignment):
    return assignment.__name__.rpartition(".")[2].replace("_", "-")


def test_the_table_of_exercises_is_complete_and_in_order():
    rows = re.findall(r"\| \{ref\}`.* <(.+)>` \| (\d+) \| `(\w+)` \|", ALL_EXERCISES)
    assert rows == [
        (exercise.id, f"{exercise.points:g}", exercise.function_name)
        for assignment in ASSIGNMENTS
        for exercise in assignment.EXERCISES
    ]
    totals = re.findall(r"\| \{doc\}`.* <(.+)>` \| \*\*(\d+)\*\* \| \|", ALL_EXERCISES)
    assert totals == [
        (slug(assignment), f"{sum(exercise.points for exercise in assignment.EXERCISES):g}")
        for assignment in ASSIGNMENTS
    ]


def test_every_problem_of_the_article_has_exercises_that_exist():
    ids = {exercise.id for assignment in ASSIGNMENTS for exercise in assignment.EXERCISES}
    rows = dict(re.findall(r"^\| (\d{7}) \|[^|]*\|(.*)\|$", ALL_EXERCISES, re.MULTILINE))
    assert {int(number) for number in rows} == PROBLEMS
    for exercises in rows.values():
        named = re.findall(r"\{ref\}`(.+?)`", exercises)
        assert named
        assert set(named) <= ids
