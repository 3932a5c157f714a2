"""When a mistake is named: never without evidence, for a wrong name is worse than none."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from instnorm import instance_norm
from instnorm.contrast import contrast_scores
from instnorm_checks import EXERCISES, report
from instnorm_checks.engine import plain
from instnorm_checks.engine.compare import has_digits
from instnorm_checks.engine.diagnosis import examine

LOOPS, CONTRAST = "instance-norm-loops", "contrast-scores"
SEEDS = [None, 1]


def named(name, function, seed=None):
    found = examine(EXERCISES[name], function, seed).named
    return {aspect: wrong.name for aspect, wrong in found.items()}


def names(name, function, seed=None):
    return set(named(name, function, seed).values())


# --- Plain wrong answers --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("function", "name", "says"),
    [
        (lambda x, eps=1e-5: np.zeros_like(x), "all-zeros", "All values of your output are 0"),
        (lambda x, eps=1e-5: x * np.nan, "all-nan", "All values of your output are NaN"),
        (lambda x, eps=1e-5: np.full_like(x, x.mean()), "one-number", "one and the same number"),
        (lambda x, eps=1e-5: x, "its-argument", "Your output is the argument x, just as it came"),
        (lambda x, eps=1e-5: x.copy(), "its-argument", "Did you store the result"),
    ],
)
def test_what_needs_no_idea_of_the_exercise_has_sentences_of_its_own(function, name, says, seed):
    assert names(LOOPS, function, seed) == {name}
    assert says in " ".join(report(LOOPS, function, seed=seed).text.split())


def exercise_of(cases):
    """The first aspect of an exercise alone, with other public cases."""
    ours = EXERCISES[LOOPS]
    return dataclasses.replace(ours, aspects=(dataclasses.replace(ours.aspects[0], public=cases),))


def test_an_answer_kept_from_an_earlier_call_is_recognised(rng):
    kept = {}

    def function(x, eps=1e-5):  # right for the first array of each shape
        return kept.setdefault(x.shape, instance_norm(x, eps=eps))

    cases = tuple({"x": rng.uniform(1, 9, (2, 3, 4, 5))} for _ in range(3))
    assert {m.name for m in examine(exercise_of(cases), function).named.values()} == {
        "an-earlier-answer"
    }


def test_the_same_answer_to_a_brighter_picture_is_no_earlier_answer(rng):
    def function(x, eps=1e-5):  # wrong, and as indifferent to brightness as it should be
        return np.cbrt(instance_norm(x, eps=eps))

    x = rng.uniform(1, 9, (2, 3, 4, 5))
    assert examine(exercise_of(({"x": x}, {"x": x + 5}, {"x": 2 * x})), function).named == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_one_of_two_results_may_be_plain(seed):
    def half(s, c, n, eps=1e-5):
        return contrast_scores(s, c, n, eps)[0], np.zeros_like(c)

    found = named(CONTRAST, half, seed)
    assert found == dict.fromkeys(("normed", "sign", "eps", "array"), "all-zeros")
    assert "All values of your normed are 0" in report(CONTRAST, half, seed=seed).text


def test_what_is_plain_in_some_cases_only_is_not_called_so():
    def blank_where_faint(x, eps=1e-5):
        return instance_norm(x, eps=eps) if np.ptp(x) > 1 else np.zeros_like(x)

    assert "all-zeros" not in names(LOOPS, blank_where_faint)


def test_misconceptions_whose_answers_are_plain_keep_their_own_words():
    for name, wrong in (
        ("identify-norm", "nothing-ever-fits"),
        ("batch-norm", "remembers-nothing"),
        ("in-backward", "upstream-of-ones"),
    ):
        function = EXERCISES[name].misconception(wrong).implementation
        assert names(name, function) == {wrong}


def test_an_answer_in_float32_that_is_asked_for_needs_no_more_digits():
    right = np.array([1.0, -1.0], np.float32)
    assert has_digits(np.nextafter(right, np.float32(0)), right)
    assert not has_digits(np.nextafter(right, np.float32(0)), right.astype(float))


def test_few_digits_are_no_name_where_something_else_was_missed_too(monkeypatch):
    """A missed case whose arrays have all their digits was missed for another reason."""

    def found(*trials):
        made = [SimpleNamespace(passed=p, off=off, aspect=aspect) for p, off, aspect in trials]
        return plain.few_digits(exercise, made)

    first, second = aspects = [SimpleNamespace(name=name) for name in ("first", "second")]
    exercise = SimpleNamespace(returns=("y",), aspects=aspects)
    monkeypatch.setattr(plain, "_off", lambda _, trial: trial.off)
    ((wrong, where),) = found((False, (0,), first), (True, (), second))
    assert (wrong.name, where) == ("few-digits", ["first"])
    assert found((False, (0,), first), (False, (), second)) == []
    assert found((False, (0,), first), (True, None, second)) == []
    assert found((True, (), first)) == []


# --- Evidence -------------------------------------------------------------------------------------


def root_beside(x, eps):
    return (x - x.mean((2, 3), keepdims=True)) / (x.std((2, 3), keepdims=True) + eps)


def test_a_name_that_a_passed_case_contradicts_is_not_given():
    """eps beside the root, but not where eps is the default: that misconception fails there."""

    def function(x, eps=1e-5):
        return instance_norm(x) if eps == 1e-5 else root_beside(x, eps)

    examination = examine(EXERCISES[LOOPS], function)
    assert [a.name for a in examination.exercise.aspects if examination.missed(a)] == ["eps"]
    assert examination.named == {}


def test_a_name_for_less_than_half_of_what_was_missed_is_not_given():
    """The eps of one mistake beside two others that nobody knows."""

    def function(x, eps=1e-5):
        y = root_beside(x, eps)
        return y if x.shape[:2] == (1, 2) or np.ptp(x) < 1 else np.cbrt(y)

    examination = examine(EXERCISES[LOOPS], function)
    missed = {a.name for a in examination.exercise.aspects if examination.missed(a)}
    assert missed == {"one-plane", "every-plane", "eps"}
    assert examination.named == {}
