"""Questions: each choice is computed, can be told from all others, and comes back when missed."""

import base64
import io
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from PIL import Image

from instnorm_checks import EXERCISES, public_case
from instnorm_site import questions, reading

ROOT = Path(__file__).resolve().parents[2]
PAGES = reading.pages(ROOT)
MADE = {page: questions.of_page(page, ids) for page, ids in PAGES.items()}
ALL = [pytest.param(each, id=each["id"]) for made in MADE.values() for each in made]
IN_NUMBERS = [each for each in ALL if "pictures" not in each.values[0]]
IN_PICTURES = [each for each in ALL if "pictures" in each.values[0]]


@pytest.mark.parametrize("page", MADE)
def test_page_has_three_to_six_of_both_kinds(page):
    made = MADE[page]
    assert 3 <= len(made) <= 6
    assert {each["asks"] for each in made} == {questions.MISTAKE, questions.PRINT}
    assert len({each["id"] for each in made}) == len(made)
    assert {each["exercise"] for each in made} <= set(PAGES[page])


@pytest.mark.parametrize("page", MADE)
def test_code_is_as_wide_as_a_telephone_at_most(page):
    lines = [line for made in MADE[page] for code in made["given"] for line in code.splitlines()]
    assert lines
    assert not [line for line in lines if len(line) > questions.WIDTH]


def test_a_long_call_goes_on_in_a_second_line():
    exercise = EXERCISES["batch-norm"]
    case = dict.fromkeys(("x", "running_mean", "running_var", "training", "momentum"))
    first, *others = questions._call(exercise, case).splitlines()
    assert first.startswith("y, ")
    assert others
    assert all(line.startswith("    ") for line in others)


def test_every_chapter_and_every_hands_on_page_is_there():
    chapters = [
        p for part in ("principles", "applications") for p in (ROOT / "book" / part).glob("*.md")
    ]
    with_code = {f"{path.parent.name}/{path.stem}" for path in chapters}
    assert set(questions.CHAPTERS) <= with_code
    assert len(questions.CHAPTERS) >= 12
    assert sum(page.startswith("hands-on/") for page in PAGES) >= 9


def test_pages_on_feature_maps_ask_once_in_pictures():
    asked = {page: sum("pictures" in each for each in made) for page, made in MADE.items()}
    assert set(asked.values()) == {0, 1}
    assert len(IN_PICTURES) >= 10


@pytest.mark.parametrize("made", IN_NUMBERS)
def test_choices_are_what_the_mistakes_give(made):
    """Each number is computed anew, from the id of the question alone."""
    exercise = EXERCISES[made["exercise"]]
    _, aspect, k, _, _ = made["id"].split("/")
    case = public_case(exercise.id, aspect, int(k))
    part = exercise.aspect(aspect).judges[0]
    right = questions.shown(exercise, exercise.reference, case, part)
    assert made["right"] == right
    outputs = [choice["output"] for choice in made["choices"]]
    assert len(set(outputs)) == len(outputs) == questions.CHOICES
    by_says = {}
    for wrong in exercise.misconceptions:
        by_says.setdefault(wrong.says, []).append(wrong)
    for choice in made["choices"]:
        if choice["says"]:
            given = [
                questions.shown(exercise, each.implementation, case, part)
                for each in by_says[choice["says"]]
            ]
            assert choice["output"] in given
            assert choice["output"] != right
        else:
            assert (made["asks"], choice["output"]) == (questions.PRINT, right)
    answer = made["choices"][made["answer"]]
    assert answer["output"] == (made["shown"] or right)


def test_choices_are_told_apart_at_a_glance():
    assert not questions._apart("1 2", "1 2.19", right="2 2")
    assert questions._apart("1 2", "1 2.2", right="2 2")
    assert not questions._apart("1 2", "1 2 3", right="1 2")
    assert not questions._apart("0 0", "0 0", right="0 0")
    assert questions._apart("0 0.1", "0 0", right="0 0")


@pytest.mark.parametrize("made", IN_PICTURES)
def test_pictures_are_what_the_mistakes_give(made):
    """Drawn anew from the id; and what is read out names no mistake."""
    exercise = EXERCISES[made["exercise"]]
    _, name, k, _, mistake = made["id"].split("/")
    aspect = exercise.aspect(name)
    part = aspect.judges[0]
    case = questions.photographed(aspect.public[int(k)])

    def planes(function):
        return questions.output_planes(exercise, function, case, part)

    right = planes(exercise.reference)
    assert made["choices"][made["answer"]]["text"] == mistake.replace("-", " ")
    drawn = [(made["pictures"][-1], right), (made["seen"], planes(wrong(exercise, mistake)))]
    for choice in made["choices"]:
        each = wrong(exercise, choice["text"].replace(" ", "-"))
        drawn.append((choice["picture"], planes(each)))
    scale = right.min(), right.max()
    for row, expected in drawn:
        greys = np.clip((expected - scale[0]) / (scale[1] - scale[0]), 0, 1)
        assert np.abs(pixels(row) - greys).mean() < 0.03
        for image in itertools.chain(*row["images"]):
            assert re.fullmatch(
                rf"{row['title']}, image \d, channel \d: mean [-\d.e+]+, "
                r"standard deviation [\d.e+-]+",
                image["says"],
            )
    for (row, _), (other, _) in itertools.combinations([drawn[0], *drawn[2:]], 2):
        assert np.abs(pixels(row) - pixels(other)).mean() > questions.SEEN - 0.03


def wrong(exercise, name):
    return exercise.misconception(name).implementation


def pixels(row):
    """The greys of a row of pictures, (N, C, H, W), from 0 to 1."""
    return np.array(
        [
            [
                np.asarray(Image.open(io.BytesIO(base64.b64decode(source))).convert("L")) / 255
                for source in (each["source"].partition(",")[2] for each in image)
            ]
            for image in row["images"]
        ]
    )


def test_same_sources_give_the_same_questions():
    for page, ids in PAGES.items():
        assert questions.of_page(page, ids) == MADE[page]


@pytest.mark.parametrize(("value", "text"), [(-0.0, "0"), (1e-12, "0"), (1234567.0, "1.23e+06")])
def test_numbers_for_the_eye(value, text):
    assert questions._number(value) == text


# --- in the browser -----------------------------------------------------------------------------

PAGE = "principles/the-algorithm"


def answered(page, k, right):
    """Answer question `k` of the page."""
    box = page.locator(".question").nth(k)
    made = MADE[PAGE][k]
    choice = made["answer"] if right else (made["answer"] + 1) % questions.CHOICES
    box.get_by_role("radio").nth(choice).focus()
    page.keyboard.press("Space")
    box.get_by_role("button", name="Answer").press("Enter")
    return box.get_by_role("status").inner_text()


@pytest.mark.book
def test_answers_are_explained_and_missed_ones_come_back(visit, site):
    page = visit(f"{PAGE}.html", reduced_motion="reduce")
    assert page.evaluate(
        "performance.getEntriesByType('resource').every((e) => !/questions/.test(e.name))"
    )
    page.locator(".questions").scroll_into_view_if_needed()
    page.locator(".question").nth(2).wait_for()
    made = MADE[PAGE]
    pictures = page.locator(".question").first.locator("img")
    assert pictures.count() == 3 * sum(map(len, made[0]["seen"]["images"]))
    assert answered(page, 0, right=True).startswith("Right.")
    missed = answered(page, 1, right=False)
    chosen = made[1]["choices"][(made[1]["answer"] + 1) % questions.CHOICES]
    assert missed.startswith("No: ")
    assert (chosen["says"] or made[1]["choices"][made[1]["answer"]]["says"]) in missed.replace(
        "\n", " "
    )

    page.evaluate(AXE_SCRIPT)
    faults = "async () => (await axe.run('.questions')).violations.map(({ id }) => id)"
    assert page.evaluate(faults) == []

    kept = page.evaluate("Object.keys(localStorage).filter((k) => k.includes('question'))")
    assert kept == [f"instnorm/question/{made[1]['id']}"]
    page.goto(f"{site}/hands-on/all-exercises.html")
    page.get_by_text("1 more will come back on another day.").wait_for()
    assert page.locator(".question").count() == 0
    page.evaluate(
        """(key) => {
          const entry = JSON.parse(localStorage.getItem(key));
          localStorage.setItem(key, JSON.stringify({ ...entry, due: entry.due - 86400000 }));
        }""",
        kept[0],
    )
    page.reload()
    page.get_by_text("You missed these some time ago.").wait_for()
    assert page.locator(".question").count() == 1


@pytest.mark.book
def test_whiles_grow_until_a_question_is_done_with(visit):
    page = visit("hands-on/all-exercises.html")
    steps = page.evaluate(
        """async () => {
          const { after } = await import("../_static/questions.js");
          const days = [after(null, true, "p", 0), after(null, false, "p", 0)];
          for (const right of [true, true, false, true, true, true, true]) {
            days.push(after(days.at(-1), right, "p", 0));
          }
          return days.map((entry) => entry && entry.due && entry.due / 86400000);
        }"""
    )
    assert steps == [None, 1, 3, 7, 1, 3, 7, 21, None]
