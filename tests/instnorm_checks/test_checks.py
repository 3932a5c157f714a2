"""The checks themselves: right answers pass however written, wrong ones are named.

A report is what the student reads, so the tests read it too.
"""

import ast
import contextlib
import dataclasses
import importlib
import re
import sys
import warnings
from importlib import metadata

import numpy as np
import pytest
import torch
from mutants import mutants
from right_answers.the_algorithm import loops_in_python, plain_einsum, scores_with_loops

from instnorm import group_norm, instance_norm
from instnorm.contrast import contrast_scores
from instnorm_checks import (
    ASSIGNMENTS,
    EXERCISES,
    MIME,
    InternalError,
    check,
    exercise,
    grade,
    grading_seed,
    public_case,
)
from instnorm_checks.engine import diagnosis
from instnorm_checks.engine.compare import TOLERANCE
from instnorm_checks.engine.diagnosis import Case, examine
from instnorm_checks.engine.exercise import Misconception

SEEDS = [None, 1, 2]  # None: the public cases alone
LOOPS, VECTORISED, CONTRAST = "instance-norm-loops", "instance-norm", "contrast-scores"
GROUPS = "group-norm"
# Exercise id -> right answers, from right_answers/<module of the assignment>.py.
RIGHT = {
    name: answers
    for assignment in ASSIGNMENTS
    for name, answers in importlib.import_module(
        f"right_answers.{assignment.__name__.rpartition('.')[2]}"
    ).RIGHT.items()
}


def with_small_cases(exercise):
    """The exercise, and where answers are timed a piece of the case, which is large."""

    def small(case):
        return {**case, "x": case["x"][:2, :, :16, :16]}

    aspects = [
        dataclasses.replace(
            aspect,
            public=tuple(map(small, aspect.public)),
            hidden=lambda rng, hidden=aspect.hidden: map(small, hidden(rng)),
        )
        if aspect.pace
        else aspect
        for aspect in exercise.aspects
    ]
    return dataclasses.replace(exercise, aspects=tuple(aspects))


TIMED = [name for name, each in EXERCISES.items() if any(a.pace for a in each.aspects)]
SMALL = {name: with_small_cases(EXERCISES[name]) for name in TIMED}

each_exercise = pytest.mark.parametrize("name", EXERCISES)
# Where all misconceptions of an exercise are tried, every third exercise will do for `make test`.
each_third_exercise = pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (k % 3 > 0)) for k, n in enumerate(EXERCISES)],
)
# Hidden cases take in what public ones see: one seed is enough. `make gate` has the public ones
# alone, too, and `make proof` another seed.
LATE = {None: [pytest.mark.slow], 1: [], 2: [pytest.mark.proof]}
each_seed = pytest.mark.parametrize("seed", [pytest.param(s, marks=LATE[s]) for s in SEEDS])
ours_and_theirs = pytest.mark.parametrize(
    ("name", "function"),
    [(name, f) for name in RIGHT for f in (EXERCISES[name].reference, *RIGHT[name])],
)


def each_misconception(names=EXERCISES, slow=False):
    """Every third of each exercise is tried in `make test`, all in `make gate`."""
    return pytest.mark.parametrize(
        ("name", "wrong"),
        [
            pytest.param(
                name, wrong, id=f"{name}-{wrong.name}", marks=[pytest.mark.slow] * (k % 3 > 0)
            )
            for name in names
            for k, wrong in enumerate(EXERCISES[name].misconceptions)
            if bool(wrong.speeds) == slow
        ],
    )


@pytest.fixture(autouse=True)
def seed(monkeypatch):
    monkeypatch.setenv("INSTNORM_GRADING_SEED", "7")


@pytest.fixture
def full_size():
    """The test sees the large cases of timed exercises, and their clock: it takes seconds."""


@pytest.fixture(autouse=True)
def fast(request, monkeypatch):
    """Every right answer is fast enough and every case small, except for `full_size`."""
    if "full_size" not in request.fixturenames:
        monkeypatch.setattr(diagnosis, "speed_of", lambda *_: np.inf)
        for name, small in SMALL.items():
            monkeypatch.setitem(EXERCISES, name, small)


def lost(examination):
    return {a.name for a in examination.exercise.aspects if examination.missed(a)}


def test_an_exercise_is_found_in_the_module_of_its_name():
    for assignment in ASSIGNMENTS:
        for each in assignment.EXERCISES:
            module = f"{assignment.__name__}.{each.id.replace('-', '_')}"
            values = vars(importlib.import_module(module)).values()
            assert any(value is each for value in values), each.id


# --- Right answers, written independently ---------------------------------------------------------


@each_seed
@ours_and_theirs
def test_right_answers_have_full_marks(name, function, seed):
    examination = examine(EXERCISES[name], function, seed)
    assert lost(examination) == set()
    assert examination.points == EXERCISES[name].points


@pytest.mark.alone
@pytest.mark.slow  # 4 s each
@pytest.mark.parametrize(
    ("name", "function"),
    [(name, f) for name in TIMED for f in (EXERCISES[name].reference, *RIGHT[name])],
)
def test_right_answers_are_right_where_cases_have_their_full_size(name, function, full_size):
    assert lost(examine(EXERCISES[name], function, 1)) == set()


@each_exercise
def test_there_are_three_right_answers(name):
    assert len({answer.__code__ for answer in RIGHT[name]}) >= 3


# --- Wrong answers --------------------------------------------------------------------------------


def it_is_named_and_costs_what_it_says(name, wrong, seed):
    examination = examine(EXERCISES[name], wrong.implementation, seed)
    assert wrong.loses
    assert lost(examination) == set(wrong.loses)
    assert {aspect: m.name for aspect, m in examination.named.items()} == dict.fromkeys(
        wrong.loses, wrong.name
    )


@each_seed
@each_misconception()
def test_every_misconception_is_named_and_costs_what_it_says(name, wrong, seed):
    it_is_named_and_costs_what_it_says(name, wrong, seed)


@each_misconception(TIMED, slow=True)
def test_a_slow_answer_is_named_and_costs_nothing(name, wrong, monkeypatch, capsys):
    """How fast it is in truth is seen in test_pace.py."""
    low, high = wrong.speeds
    monkeypatch.setattr(diagnosis, "speed_of", lambda *_: min(1.0, (low + high) / 2))
    it_is_named_and_costs_what_it_says(name, wrong, 1)
    text, mark = report(capsys, name, wrong.implementation)
    assert mark == EXERCISES[name].points
    assert " ".join(text.split("\n\n")[1].split()) == f"{wrong.name}: {wrong.says}"


@pytest.mark.alone
@pytest.mark.slow
@each_misconception(TIMED)
def test_the_same_holds_where_cases_have_their_full_size(name, wrong, full_size):
    it_is_named_and_costs_what_it_says(name, wrong, 1)


@each_exercise
def test_there_are_enough_misconceptions_and_their_names_are_names(name):
    names = [wrong.name for wrong in EXERCISES[name].misconceptions]
    assert len(names) >= 6
    assert len(set(names)) == len(names)
    assert all(n == n.lower() and " " not in n for n in names)


@each_seed
@each_third_exercise
def test_useless_mutants_earn_nothing(name, seed):
    useless, _ = mutants(EXERCISES[name])
    if seed is None:
        useless.pop("knows-the-public-cases")
    points = {m: examine(EXERCISES[name], function, seed).points for m, function in useless.items()}
    assert points == dict.fromkeys(useless, 0)


@each_seed
@each_exercise
def test_careless_mutants_lose_the_strict_aspect(name, seed):
    strict = {aspect.name for aspect in EXERCISES[name].aspects if aspect.strict}
    _, careless = mutants(EXERCISES[name])
    assert careless
    for function in careless.values():
        assert lost(examine(EXERCISES[name], function, seed)) == strict


@pytest.mark.parametrize(
    ("name", "function", "named"),
    [
        # Written as a student would, not as our own misconceptions are.
        (
            LOOPS,
            lambda x, eps=1e-5: (
                (x - x.mean((2, 3), keepdims=True)) / (np.std(x, (2, 3), keepdims=True) + eps)
            ),
            {"eps-outside-the-root"},
        ),
        (
            LOOPS,
            lambda x, eps=1e-5: (
                (x - x.mean((2, 3), keepdims=True))
                / np.sqrt(
                    np.einsum("nchw,nchw->nc", x, x)[..., None, None] / x[0, 0].size
                    - x.mean((2, 3), keepdims=True) ** 2
                    + eps
                )
            ),
            {"one-pass-variance"},
        ),
        (
            VECTORISED,
            lambda x, gamma, beta, eps=1e-5: (
                x.__isub__(x.mean((2, 3), keepdims=True)).__itruediv__(
                    x.std((2, 3), keepdims=True) + eps
                )
                * gamma[:, None, None]
                + beta[:, None, None]
            ),
            {"eps-outside-the-root", "in-place"},
        ),
        (
            CONTRAST,
            lambda s, c, n, eps=1e-5: (
                (c[:, None] * s + n) @ s / s.size,
                [np.corrcoef(c_ * s + n_, s)[0, 1] for c_, n_ in zip(c, n, strict=True)]
                * np.ones_like(c),
            ),
            {"forgets-eps"},
        ),
    ],
    ids=["eps-outside", "one-pass", "in-place-and-eps-outside", "corrcoef"],
)
def test_the_same_mistakes_in_other_words_are_named_too(name, function, named):
    assert {m.name for m in examine(EXERCISES[name], function, 3).named.values()} == named


def test_two_mistakes_are_named_separately():
    def function(x, eps=1e-5):
        x -= x.mean((2, 3), keepdims=True)
        x /= x.std((2, 3), keepdims=True) + eps
        return x

    examination = examine(EXERCISES[LOOPS], function, 3)
    assert {aspect: m.name for aspect, m in examination.named.items()} == {
        "eps": "eps-outside-the-root",
        "array": "in-place",
    }


def test_crashes_are_no_evidence_for_a_misconception():
    def refuses(x, gamma, beta, eps=1e-5):
        raise ValueError("no")  # as gamma on the last axis does in most cases

    assert examine(EXERCISES[VECTORISED], refuses).named == {}


# --- Tolerances -----------------------------------------------------------------------------------


def distance(theirs, right):
    """The largest difference, in units of the tolerance."""
    with np.errstate(all="ignore"):
        return np.max(np.abs(theirs - right) / (TOLERANCE + TOLERANCE * np.abs(right)))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("name", "exact"), [(LOOPS, loops_in_python), (CONTRAST, scores_with_loops)]
)
def test_rounding_stays_a_factor_of_ten_below_the_tolerance(name, exact, seed):
    for trial in examine(EXERCISES[name], exact, seed).trials:
        for theirs, right in zip(trial.outcome.parts, trial.expected.parts, strict=True):
            assert distance(theirs, right) < 0.1


@pytest.mark.parametrize("seed", SEEDS[1:])
@pytest.mark.parametrize("name", [LOOPS, VECTORISED])
def test_the_bound_on_rounding_stays_a_factor_of_ten_below_the_tolerance(name, seed):
    """The bound in instnorm_checks.engine.compare, for every plane of every case."""
    for trial in examine(EXERCISES[name], EXERCISES[name].reference, seed).trials:
        x, eps = trial.arguments["x"], trial.arguments.get("eps", 1e-5)
        spread = np.sqrt(x.var((2, 3)) + eps)
        bound = x[0, 0].size * 2.0**-53 * np.abs(x.mean((2, 3))) / spread
        assert bound.max() < TOLERANCE / 10


@each_seed
def test_single_precision_costs_what_it_cannot_give_and_no_more(seed):
    def single(x, eps=1e-5):
        return plain_einsum(x.astype(np.float32), eps).astype(np.float64)

    assert lost(examine(EXERCISES[LOOPS], single, seed)) == {"large-offset", "array"}


@pytest.mark.slow  # half a minute in all
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.proof)])
@each_exercise
def test_misconceptions_stay_a_factor_of_two_above_it(name, seed):
    for wrong in EXERCISES[name].misconceptions:
        examination = examine(EXERCISES[name], wrong.implementation, seed)
        for aspect in examination.exercise.aspects:
            for trial in examination.missed(aspect):
                if trial.outcome.failure or trial.expected.failure or trial.outcome.changed:
                    continue
                parts = [(trial.outcome.parts[k], trial.expected.parts[k]) for k in aspect.judges]
                if any(theirs.dtype != right.dtype for theirs, right in parts):
                    continue
                if all(theirs.shape == right.shape for theirs, right in parts):
                    assert not max(distance(*pair) for pair in parts) < 2, wrong.name


# --- Cases ----------------------------------------------------------------------------------------


@each_exercise
def test_hidden_cases_come_from_the_seed_alone(name):
    def hidden(seed):
        trials = examine(EXERCISES[name], EXERCISES[name].reference, seed).trials
        return [
            [np.asarray(value) for value in trial.arguments.values()]
            for trial in trials
            if trial.hidden
        ]

    def equal(a, b):
        return a.shape == b.shape and bool((a == b).all())

    one, again, two = hidden(1), hidden(1), hidden(2)
    assert all(all(map(equal, a, b)) for a, b in zip(one, again, strict=True))
    assert not any(all(map(equal, a, b)) for a, b in zip(one, two, strict=True))


@each_exercise
def test_every_aspect_has_public_and_hidden_cases(name):
    trials = examine(EXERCISES[name], EXERCISES[name].reference, 1).trials
    for aspect in EXERCISES[name].aspects:
        assert {trial.hidden for trial in trials if trial.aspect is aspect} == {True, False}


@each_third_exercise
def test_properties_hold_for_the_reference_and_can_break(name):
    """The second half: some misconception breaks each of them."""
    ours = EXERCISES[name]

    def broken(function):
        nameless = [Misconception("never", "", lambda *a: None, ())]
        unexplained = dataclasses.replace(ours, misconceptions=tuple(nameless))
        return set(examine(unexplained, function).broken)

    def almost(*arguments):
        result = ours.reference(*arguments)
        return tuple(a * 1.01 for a in result) if isinstance(result, tuple) else result * 1.01

    assert broken(almost) == set()  # wrong, with all its symmetries
    seen = set().union(*(broken(wrong.implementation) for wrong in ours.misconceptions))
    assert seen == {each.says for each in ours.properties}


def test_what_is_the_same_for_a_whole_class_is_done_once():
    calls = []

    def reference(*arguments):
        calls.append(arguments)
        return EXERCISES[LOOPS].reference(*arguments)

    ours = dataclasses.replace(EXERCISES[LOOPS], reference=reference)
    first, second = (examine(ours, EXERCISES[LOOPS].reference, 1) for _ in range(2))
    assert len(calls) == len(first.trials) > 10
    for one, two in zip(first.trials, second.trials, strict=True):
        assert one.arguments is two.arguments
        assert one.expected is two.expected
        with pytest.raises(ValueError, match="read-only"):
            one.expected.parts[0][...] = 0
    with pytest.raises(ValueError, match="read-only"):
        second.trials[-1].arguments["x"][...] = 0


def test_an_outcome_is_kept_only_if_it_is_small_and_will_come_again():
    def want(size):
        case = Case(EXERCISES[LOOPS].aspects[0], {"x": np.zeros(1)}, True, ("y",))
        calls = []

        def ours(x):
            calls.append(size)
            if size is MemoryError:
                raise MemoryError
            return np.zeros(size)

        for _ in range(2):
            with contextlib.suppress(InternalError):
                case.outcome_of(ours, "the reference")
        return len(calls)

    assert want(100) == 1
    assert want(diagnosis.BYTES_KEPT // 8) == 2
    assert want(MemoryError) == 2


# --- The report -----------------------------------------------------------------------------------


def report(capsys, name, function, run=check):
    mark = run(name, function)
    return capsys.readouterr().out, mark


def test_a_wrong_answer_is_shown_where_it_first_disagrees(capsys):
    text, mark = report(capsys, LOOPS, lambda x, eps=1e-5: 2 * instance_norm(x, eps=eps))
    assert mark == 0
    case = public_case(LOOPS, "one-plane")
    right = instance_norm(case["x"])[0, 0, 0, 0]
    assert f"Your output at [0, 0, 0, 0] is {2 * right:.4g}, expected {right:.4g}." in text
    assert f'instance_norm_loops(**public_case("{LOOPS}", "one-plane", 0))' in text


@pytest.mark.slow  # half a minute in all
@each_exercise
def test_a_misconception_is_the_first_thing_said(name, capsys):
    for wrong in EXERCISES[name].misconceptions:
        if wrong.speeds:
            continue  # see test_pace.py
        text, _ = report(capsys, name, wrong.implementation, grade)
        paragraph = " ".join(text.split("\n\n")[1].split())
        assert paragraph == f"{wrong.name}: {wrong.says}"


def test_the_property_that_broke_is_named(capsys):
    def wrong(x, eps=1e-5):  # the median is no mean, and the batch is in the way too
        return (x - np.median(x)) / x.std()

    text, _ = report(capsys, LOOPS, wrong)
    assert "when another image of the batch changes" in text
    assert "when another channel changes" in text
    assert "shift-invariant" not in text


@pytest.mark.parametrize(
    ("function", "phrases"),
    [
        (lambda x, eps=1e-5: None, ["Your function returned None. Is a return line missing?"]),
        (lambda x, eps=1e-5: print(x.shape), ["print shows a value, return", "(1, 1, 2, 3)"]),
        (
            lambda x, eps=1e-5: x.tolist(),
            ["Your function returned a list, where a NumPy array is needed."],
        ),
        (lambda x, eps=1e-5: 1.0, ["returned a single number (float)"]),
        (lambda x, eps=1e-5: torch.from_numpy(x), ["type torch.Tensor"]),
        (lambda x, eps=1e-5: x.astype(int), ["an array of int64"]),
        (lambda x, eps=1e-5: x.ravel(), ["should have shape (1, 1, 2, 3), and has (6,)"]),
        (lambda x, eps=1e-5: x * np.nan, ["NaN or infinity in your output (6 of 6 values"]),
        (lambda x: x, ["can't be called as instance_norm_loops(x, eps=1e-5)"]),
        (lambda: None, ["can't be called as instance_norm_loops(x, eps=1e-5)"]),
        (lambda x, eps=1e-5: x.no, ["raised AttributeError", "at line"]),
        (lambda x, eps=1e-5: sys.exit(), ["raised SystemExit", "at line"]),
        (lambda x, eps=1e-5: instance_norm(x, eps=eps).astype("f"), ["dtype is float32"]),
        ("instance_norm_loops", ["the check needs the function itself", "type str"]),
        (np.zeros(3), ["the check needs the function itself", "type ndarray"]),
    ],
)
def test_messages(capsys, function, phrases):
    text, mark = report(capsys, LOOPS, function)
    assert mark < 6
    for phrase in phrases:
        assert phrase in " ".join(text.split())


@pytest.mark.parametrize(
    "change", [list, tuple, np.ndarray.tolist, lambda a: a.astype(bool), lambda a: a.astype(int)]
)
@pytest.mark.parametrize("name", ["identify-norm", "identifiable"])
def test_where_0_or_1_is_asked_lists_and_bools_do_too(name, change):
    ours = EXERCISES[name]
    assert grade(name, lambda *given: change(ours.reference(*given))) == ours.points


def test_a_rank_may_be_an_int_and_nothing_else_may():
    ours = EXERCISES["in-constraints"]

    def ranks(*given):
        total, sqnorm, rank = ours.reference(*given)
        return total, sqnorm, [int(r) for r in rank]

    def lists(*given):
        return tuple(part.tolist() for part in ours.reference(*given))

    assert grade(ours.id, ranks) == ours.points
    assert lost(examine(ours, lists)) == {"sum-and-norm", "norm-with-eps", "array"}


def test_a_function_that_the_cell_above_should_have_wrapped(capsys, monkeypatch):
    def array_api_instance_norm(x, gamma, beta, eps=1e-5):
        return instance_norm(x, gamma, beta, eps=eps)

    monkeypatch.setattr(array_api_instance_norm, "__module__", "__main__")
    text, mark = report(capsys, "array-api-instance-norm", array_api_instance_norm)
    assert mark == 0
    assert "run the cell above this one first" in text


def test_blank_answers_are_told_what_to_do(capsys):
    def instance_norm_loops(x, eps=1e-5):
        raise NotImplementedError("not written yet")

    text, mark = report(capsys, LOOPS, instance_norm_loops)
    assert text.startswith("instance-norm-loops: instance_norm_loops is not written yet.")
    assert mark == 0


def test_the_students_own_lines_come_last(capsys):
    def helper(plane):
        return plane / "no"

    def function(x, eps=1e-5):
        return helper(x)

    text, _ = report(capsys, LOOPS, function)
    first = function.__code__.co_firstlineno
    assert text.rstrip().endswith(
        "Traceback (your own lines):\n"
        f"  in function, line {first + 1}: return helper(x)\n"
        f'  in helper, line {first - 2}: return plane / "no"'
    )


def test_only_none_is_missing_while_a_pair_is_half_written(capsys):
    def half(s, c, n, eps=1e-5):
        return (c[:, None] * s + n) @ s / s.size, None

    text, mark = report(capsys, CONTRAST, half, grade)
    assert mark == 1
    assert "Your normed is None, and so not judged yet." in text
    assert "return line" not in text


def test_full_marks_are_said_plainly(capsys):
    text, mark = report(capsys, CONTRAST, contrast_scores, grade)
    assert mark == 6
    cases = f"public and hidden cases, seed 7; instnorm {metadata.version('instnorm')}"
    assert f"contrast-scores: 6 of 6 points ({cases})" in text
    assert "\N{BALLOT X}" not in text


def numbers(text):
    for word in text.replace(",", " ").replace("(", " ").replace(")", " ").split():
        try:
            yield float(ast.literal_eval(word.strip(".;:[]=")))
        except (ValueError, SyntaxError, TypeError):
            continue


def right_only_in_public(name, then):
    """Right on the public cases; elsewhere `then(right, arguments)`."""
    ours = EXERCISES[name]
    public = [
        [np.asarray(value).tobytes() for value in case.values()]
        for aspect in ours.aspects
        for case in aspect.public
    ]

    def function(*arguments):
        right = ours.reference(*arguments)
        if [np.asarray(value).tobytes() for value in arguments] in public:
            return right
        return then(right, arguments)

    return function


def tell(right, arguments):
    print(*arguments)
    raise ValueError(f"{arguments}")


def three_times(right, arguments):
    return tuple(3 * a for a in right) if isinstance(right, tuple) else 3 * right


@each_exercise
@pytest.mark.parametrize("then", [tell, pytest.param(three_times, marks=pytest.mark.slow)])
def test_hidden_values_stay_hidden(name, then, capsys):
    text, mark = report(capsys, name, right_only_in_public(name, then), grade)
    assert mark == 0
    assert "hidden" in text
    secret = set()
    for trial in examine(EXERCISES[name], EXERCISES[name].reference, 7).trials:
        if trial.hidden:
            arguments = (v for v in trial.arguments.values() if not isinstance(v, str))
            for value in (*arguments, *trial.expected.parts):
                # Small whole numbers occur in shapes, indices and points.
                secret |= {v for v in np.ravel(value).tolist() if v != int(v)}
    assert len(secret) > 100
    for number in numbers(text):
        if number != int(number):
            assert not np.isclose(number, list(secret), rtol=1e-3, atol=0).any()


# --- Refusing, and arguments that are no arrays ---------------------------------------------------


def only_where_it_divides(then):
    """Group norm, with something else where num_groups does not divide C."""

    def function(x, num_groups, gamma, beta, eps=1e-5):
        if x.shape[1] % num_groups:
            return then(x)
        return group_norm(x, num_groups, gamma, beta, eps=eps)

    return function


def refuses(error):
    def then(x):
        raise error

    return then


def test_a_right_answer_refuses_what_the_reference_refuses():
    assert grade(GROUPS, only_where_it_divides(refuses(ValueError("seven")))) == 7


@pytest.mark.parametrize(
    ("then", "phrase"),
    [
        (refuses(AssertionError()), "raised AssertionError, where ValueError is wanted, at line"),
        (lambda x: x + 1, "Your function returned something, where it should raise ValueError."),
        (lambda x: None, "Your function returned something, where it should raise ValueError."),
    ],
)
@pytest.mark.parametrize("run", [check, grade])
def test_other_ways_out_cost_one_aspect(then, phrase, run, capsys):
    text, mark = report(capsys, GROUPS, only_where_it_divides(then), run)
    assert mark == 6
    assert phrase in " ".join(text.split())


def test_the_case_says_which_word_was_asked_for(capsys):
    wrong = EXERCISES["normalize-over"].misconception("layer-norm-per-pixel")
    text, _ = report(capsys, "normalize-over", wrong.implementation)
    assert "x (2, 3, 2, 4), mode = 'LN'\n" in text
    text, _ = report(capsys, GROUPS, right_only_in_public(GROUPS, three_times), grade)
    assert re.search(r"hidden, x \(.*\), num_groups = \d, gamma \(\d,\), beta \(\d,\)\n", text)


# --- Calling --------------------------------------------------------------------------------------


def test_warnings_and_stderr_cost_nothing(capsys):
    def noisy(x, eps=1e-5):
        warnings.warn("look out", stacklevel=1)
        print("look out", file=sys.stderr)
        np.float64(1) / np.float64(0)
        return instance_norm(x, eps=eps)

    assert grade(LOOPS, noisy) == 6
    out, err = capsys.readouterr()
    assert "look out" not in out
    assert err == ""


def test_strict_error_states_of_the_student_do_no_harm():
    def careless(x, eps=1e-5):
        blown_up = (x - x.mean()) / x.std()  # 0 / 0 on a flat plane
        return np.where(np.isnan(blown_up), 0, instance_norm(x, eps=eps))

    with np.errstate(all="raise"):
        assert grade(LOOPS, careless) == 6


def test_one_crash_costs_one_aspect():
    def leaves_on_flat_planes(x, eps=1e-5):
        if np.ptp(x) == 0:
            sys.exit("flat")
        return instance_norm(x, eps=eps)

    assert lost(examine(EXERCISES[LOOPS], leaves_on_flat_planes, 1)) == {"eps"}


def test_the_stop_button_works():
    def stopped(x, eps=1e-5):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(LOOPS, stopped)


def test_the_function_gets_copies_and_nothing_else(capsys):
    seen = []

    def spoils(x, eps=1e-5):
        seen.append(x)
        y = instance_norm(x, eps=eps)
        x[...] = np.nan
        return y

    before = {name: value.copy() for name, value in public_case(LOOPS, "every-plane").items()}
    for _ in range(2):
        assert lost(examine(EXERCISES[LOOPS], spoils)) == {"array"}
    np.testing.assert_array_equal(public_case(LOOPS, "every-plane")["x"], before["x"])
    assert len({id(x) for x in seen}) == len(seen)


def test_results_are_taken_by_value():
    kept = {}

    def same_array_again(x, eps=1e-5):
        y = kept.setdefault(x.shape, np.empty(x.shape))
        y[...] = instance_norm(x, eps=eps)
        return y

    assert grade(LOOPS, same_array_again) == 6


def test_public_cases_can_be_spoiled_without_harm():
    public_case(LOOPS, "one-plane")["x"][...] = 0
    assert public_case(LOOPS, "one-plane")["x"].all()


# --- Marks, seeds, ids ----------------------------------------------------------------------------


def test_a_mark_is_a_number_with_evidence():
    wrong = EXERCISES[LOOPS].misconception("eps-outside-the-root")
    mark = grade(LOOPS, wrong.implementation)
    assert repr(mark) == "5.0"
    bundle = mark._repr_mimebundle_()
    assert bundle["text/plain"] == "5.0"
    assert bundle[MIME] == {
        "exercise": LOOPS,
        "points": 5.0,
        "of": 6.0,
        "seed": "7",
        "aspects": {
            "one-plane": 1.0,
            "every-plane": 2.0,
            "eps": 0.0,
            "large-offset": 1.0,
            "array": 1.0,
        },
        "misconceptions": ["eps-outside-the-root"],
    }
    assert check(LOOPS, wrong.implementation).evidence["seed"] is None


@pytest.mark.parametrize("text", ["", "-1", "1.5", "tuesday", "1 2", "²"])
def test_a_bad_seed_is_refused(text, monkeypatch):
    monkeypatch.setenv("INSTNORM_GRADING_SEED", text)
    with pytest.raises(ValueError, match="INSTNORM_GRADING_SEED must be a whole number"):
        grade(LOOPS, EXERCISES[LOOPS].reference)


def test_a_seed_is_drawn_where_there_is_none(monkeypatch):
    drawn = set()
    for _ in range(3):
        monkeypatch.delenv("INSTNORM_GRADING_SEED")
        drawn.add(grading_seed())
        assert grading_seed() in drawn  # the same for the rest of the process
    assert len(drawn) == 3


def test_an_unknown_exercise_is_refused():
    with pytest.raises(ValueError, match="did you mean 'instance-norm'"):
        exercise("instance-norms")


# --- The reference of the third exercise ----------------------------------------------------------


def test_contrast_scores_without_noise_and_eps():
    s = np.array([1.0, -1.0, 1.0, -1.0])
    c = np.array([-2.0, 0.1, 3.0])
    raw, normed = contrast_scores(s, c, np.zeros((3, 4)), 0.0)
    np.testing.assert_allclose(raw, c, rtol=1e-14)
    np.testing.assert_allclose(normed, np.sign(c), rtol=1e-14)


def test_contrast_scores_follow_the_signal_to_noise_ratio(rng):
    s = rng.standard_normal(200_000)
    s = (s - s.mean()) / s.std()
    c = np.array([0.1, 1.0, 3.0])
    _, normed = contrast_scores(s, c, 0.5 * rng.standard_normal((3, s.size)))
    np.testing.assert_allclose(normed, c / np.sqrt(c**2 + 0.25), atol=0.01)


def test_contrast_scores_of_a_faint_row():
    s = np.array([1.0, -1.0])
    _, normed = contrast_scores(s, np.array([1e-3]), np.zeros((1, 2)), 1e-5)
    expected = 1e-3 / np.sqrt(1e-6 + 1e-5) / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(normed, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"s": np.ones((2, 2))}, ValueError, r"s must have shape \(m,\).*got \(2, 2\)"),
        ({"s": np.ones(1)}, ValueError, r"s must have shape \(m,\).*got \(1,\)"),
        ({"s": np.array([1, -1, 1])}, TypeError, "s must hold floating-point numbers.*int64"),
        ({"s": [1.0, -1.0, 0.0]}, TypeError, "s must be .* array; got list"),
        ({"c": np.ones((2, 1))}, ValueError, r"c must have shape \(B,\).*got \(2, 1\)"),
        ({"n": np.ones((3, 2))}, ValueError, r"n must have shape \(B, m\) = \(2, 3\).*\(3, 2\)"),
        ({"n": None}, TypeError, "n must be .* array; got NoneType"),
        ({"eps": -1.0}, ValueError, "eps must be finite and not negative"),
        ({"eps": None}, TypeError, "eps must be a number"),
    ],
)
def test_contrast_scores_refuse_bad_input(change, error, message):
    good = {"s": np.array([1.0, 0.0, -1.0]), "c": np.ones(2), "n": np.zeros((2, 3)), "eps": 1e-5}
    contrast_scores(**good)
    with pytest.raises(error, match=message):
        contrast_scores(**{**good, **change})
