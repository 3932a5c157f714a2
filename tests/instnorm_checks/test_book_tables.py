"""Tables in the book that repeat what the code knows: they agree with it."""

import re
from pathlib import Path

from instnorm_checks import ASSIGNMENTS

BOOK = Path(__file__).parents[2] / "book"
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


CLAIMS = (BOOK / "claims.md").read_text(encoding="utf-8")


def test_every_claim_has_a_verdict_a_place_and_nearly_always_an_exercise():
    ids = {exercise.id for assignment in ASSIGNMENTS for exercise in assignment.EXERCISES}
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in CLAIMS.splitlines()
        if line.startswith("| ") and "The article says" not in line
    ]
    assert len(rows) >= 30
    for claim, finding, exercises in rows:
        verdict = r"\{ref\}`(Shown|Sharpened|Corrected|Not confirmed) <claim-[\w-]+>`"
        assert re.match(verdict, finding), claim
        pages = re.findall(r"\{doc\}`(.+?)`", finding)
        assert pages, claim
        assert all((BOOK / f"{page}.md").exists() for page in pages), claim
        assert set(re.findall(r"\{ref\}`(.+?)`", exercises)) <= ids, claim
    assert sum(not exercises for *_, exercises in rows) <= 2
