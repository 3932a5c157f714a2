"""What fails in a check is no outcome of the student's: it is loud, and there is no mark.

Each part is broken on purpose, before a right answer and a wrong one.
"""

import dataclasses
import time
from types import SimpleNamespace

import numpy as np
import pytest

from instnorm import group_norm, instance_norm
from instnorm_checks import EXERCISES, InternalError, check, grade, report
from instnorm_checks.engine import diagnosis
from instnorm_checks.engine.calling import Proxy
from instnorm_checks.engine.exercise import Misconception, Property
from instnorm_judge.inside import kernel, wire

LOOPS, GROUPS = "instance-norm-loops", "group-norm"
OURS = EXERCISES[LOOPS]


def right(x, eps=1e-5):
    return instance_norm(x, eps=eps)


def wrong(x, eps=1e-5):
    return 1.01 * instance_norm(x, eps=eps)


def fails(*arguments, **names):
    raise AttributeError("no such clock")


@pytest.fixture(autouse=True)
def seed(monkeypatch):
    monkeypatch.setenv("INSTNORM_GRADING_SEED", "7")


@pytest.fixture
def broken(monkeypatch):
    """Put something else into the exercise."""

    def put(**parts):
        monkeypatch.setitem(EXERCISES, LOOPS, dataclasses.replace(OURS, **parts))

    return put


def an_aspect_with(**parts):
    first, *rest = OURS.aspects
    return dataclasses.replace(first, **parts), *rest


def nan(x, eps=1e-5):
    return np.full_like(x, np.nan)


BREAKAGES = {
    "reference": ({"reference": fails}, "the reference, in a public case .* raised AttributeError"),
    "reference-of-nan": ({"reference": nan}, "the reference gave no finite array"),
    "reference-of-none": ({"reference": lambda x, eps=0: None}, "gave no finite array"),
    "public-case": (
        {"aspects": an_aspect_with(public=({"x": "no array"},))},
        "the reference, in a public case of 'one-plane', raised",
    ),
}
ONLY_HIDDEN = {
    "hidden-cases": (
        {"aspects": an_aspect_with(hidden=fails)},
        "the hidden cases of 'one-plane' raised AttributeError",
    ),
    "no-hidden-cases": (
        {"aspects": an_aspect_with(hidden=lambda rng: [])},
        "'one-plane' has no hidden cases",
    ),
}
ONLY_WRONG = {
    "misconception": (
        {"misconceptions": (Misconception("slip", "", fails, ("eps",)),)},
        "the misconception 'slip', in a public case of 'one-plane', raised AttributeError",
    ),
    "property": ({"misconceptions": (), "properties": (Property("", fails),)}, "AttributeError"),
}


@pytest.mark.parametrize("run", [check, grade])
@pytest.mark.parametrize("answer", [right, wrong, fails])
@pytest.mark.parametrize(("parts", "reason"), BREAKAGES.values(), ids=BREAKAGES)
def test_a_broken_part_is_loud_and_gives_no_mark(run, answer, parts, reason, broken):
    broken(**parts)
    with pytest.raises(InternalError, match=f"{LOOPS}: the check itself failed.*{reason}"):
        run(LOOPS, answer)


@pytest.mark.parametrize("answer", [right, wrong])
@pytest.mark.parametrize(("parts", "reason"), ONLY_HIDDEN.values(), ids=ONLY_HIDDEN)
def test_hidden_cases_that_break_give_no_mark(answer, parts, reason, broken):
    broken(**parts)
    with pytest.raises(InternalError, match=rf"{reason} \(seed 7\)"):
        grade(LOOPS, answer)


@pytest.mark.parametrize("run", [check, grade])
@pytest.mark.parametrize(("parts", "reason"), ONLY_WRONG.values(), ids=ONLY_WRONG)
def test_what_explains_wrong_answers_may_break_too(run, parts, reason, broken):
    broken(**parts)
    assert run(LOOPS, right) == OURS.points
    with pytest.raises(InternalError, match=reason):
        run(LOOPS, wrong)


@pytest.mark.parametrize("run", [check, grade])
def test_the_harness_may_break_too(run, monkeypatch):
    monkeypatch.setattr(diagnosis, "agree", fails)
    with pytest.raises(InternalError, match="the harness raised AttributeError"):
        run(LOOPS, right)


def test_what_failed_says_nothing_of_a_hidden_case(broken):
    def tells(x, eps=1e-5):
        if any(np.array_equal(x, case["x"]) for a in OURS.aspects for case in a.public):
            return right(x, eps)
        raise ValueError(f"{x}")

    broken(reference=tells)
    with pytest.raises(InternalError) as caught:
        grade(LOOPS, right)
    assert str(caught.value).endswith(
        "in a hidden case of 'one-plane', raised ValueError (seed 7)."
    )
    assert isinstance(caught.value.__cause__, ValueError)  # which a log shows


TIMED = EXERCISES["blocked-instance-norm"]


@pytest.mark.parametrize("missing", [["thread_time"], ["thread_time", "process_time"]])
def test_without_a_clock_for_threads_there_are_others(missing, monkeypatch):
    for name in missing:
        monkeypatch.delattr(time, name)
    assert check(TIMED.id, TIMED.reference) == TIMED.points
    assert check(TIMED.id, lambda x, *_: 0 * x) == 0


def test_a_clock_that_fails_is_no_outcome(monkeypatch):
    monkeypatch.setattr(time, "thread_time", fails)
    with pytest.raises(InternalError, match="the harness raised AttributeError: no such clock"):
        check(TIMED.id, TIMED.reference)


def instead_of_the_naive_version(naive, monkeypatch):
    """Nothing is timed for long: the case is small."""
    *others, speed = TIMED.aspects
    small = tuple({**case, "x": case["x"][:2, :2, :8, :8]} for case in speed.public)
    small = tuple({**c, "gamma": c["gamma"][:2], "beta": c["beta"][:2]} for c in small)
    paced = dataclasses.replace(
        speed, public=small, pace=dataclasses.replace(speed.pace, naive=naive)
    )
    ours = dataclasses.replace(TIMED, aspects=(*others, paced))
    monkeypatch.setitem(EXERCISES, TIMED.id, ours)


@pytest.mark.parametrize(
    ("naive", "reason"),
    [
        (fails, "the naive version raised AttributeError: no such clock"),
        (lambda *_: None, "the naive version and the reference disagree"),
        (lambda x, *_: np.nan * x, "the naive version and the reference disagree"),
        (lambda x, *_: x, "the naive version and the reference disagree"),
    ],
    ids=["raises", "none", "nan", "wrong"],
)
def test_a_naive_version_that_fails_makes_no_answer_slow(naive, reason, monkeypatch):
    instead_of_the_naive_version(naive, monkeypatch)
    with pytest.raises(InternalError, match=reason):
        check(TIMED.id, TIMED.reference)
    assert check(TIMED.id, lambda x, *_: 0 * x) == 0  # wrong answers are not timed


def test_a_naive_version_that_works_tells_who_stops_being_right(monkeypatch, capsys):
    instead_of_the_naive_version(TIMED.reference, monkeypatch)
    seen = []

    def right_at_first(*given):
        seen.append(given)
        small = given[0].shape == (2, 2, 8, 8)
        again = small and sum(each[0].shape == given[0].shape for each in seen) > 1
        return given[0] if again else TIMED.reference(*given)

    assert check(TIMED.id, right_at_first) == TIMED.points
    assert "right at first, and not when your function is called again" in " ".join(
        capsys.readouterr().out.split()
    )


def test_a_proxy_that_fails_is_no_outcome():
    """A function in another process; what was raised there comes with the frames of there."""

    class InAnother(Proxy):
        def __init__(self, error):
            self.error = error

        def __call__(self, x, eps=1e-5):
            raise self.error

    theirs = ValueError("theirs")
    theirs.frames = []
    assert check(LOOPS, InAnother(theirs)) == 0
    with pytest.raises(InternalError, match="the call of your function, in another process"):
        check(LOOPS, InAnother(ValueError("ours")))


class Special(ValueError):
    pass


@pytest.mark.parametrize(
    ("error", "points"), [(Special, 7), (ValueError, 7), (Exception, 6), (TypeError, 6)]
)
def test_a_subclass_of_the_exception_that_is_asked_for_counts(error, points):
    def answer(x, num_groups, gamma, beta, eps=1e-5):
        if x.shape[1] % num_groups:
            raise error
        return group_norm(x, num_groups, gamma, beta, eps=eps)

    assert grade(GROUPS, answer) == points


@pytest.mark.parametrize(
    ("error", "kin", "points"),
    [("Special", "ValueError", 7), ("ValueError", "ValueError", 7), ("Special", "Exception", 6)]
    + [("Special", kin, 6) for kin in ("SystemExit", "KeyboardInterrupt", "int", "no such")],
)
def test_so_it_does_where_it_was_raised_in_another_process(error, kin, points):
    """What a student's class descends from crosses the wall; and no more than an Exception does."""
    module = "builtins" if error == "ValueError" else "__main__"

    def answer(x, num_groups, gamma, beta, eps=1e-5):
        if x.shape[1] % num_groups:
            raise wire.exception(module, error, "no", kin)
        return group_norm(x, num_groups, gamma, beta, eps=eps)

    assert isinstance(wire.exception(module, error, "no", kin), Exception)
    assert grade(GROUPS, answer) == points


def test_the_kernel_tells_what_an_exception_descends_from():
    told = kernel.Functions.told(SimpleNamespace(wire=wire), Special("no"))
    assert told["type"] == [__name__, "Special"]
    assert told["kin"] == "ValueError"


def test_an_internal_error_that_a_student_raises_is_a_crash():
    def answer(x, eps=1e-5):
        raise InternalError("let a person look", LOOPS)

    assert check(LOOPS, answer) == 0


def test_jupyter_shows_a_sentence_in_place_of_a_traceback():
    error = InternalError("the reference raised ValueError", LOOPS)
    assert error._render_traceback_() == [str(error)]
    assert str(error) == (
        "instance-norm-loops: the check itself failed, which is not your answer's fault. No points "
        "are given or taken; a person has to look. What failed: the reference raised ValueError."
    )


def test_reports_are_data():
    about = report(LOOPS, wrong)
    assert about.mark == 0
    assert about.text.startswith(f"{LOOPS}: 0 of 6 points (public cases; instnorm ")
    assert about.html.startswith('<div class="instnorm-report">')
    assert about._repr_mimebundle_() == {"text/plain": about.text, "text/html": about.html}
