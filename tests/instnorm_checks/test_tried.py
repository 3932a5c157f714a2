"""What comes of answers that were written without sight of the checks: see tried/.

All of them, with several seeds, are a proof (see benchmarks/proofs.py); here are those that once
had full marks though they are wrong, those that once had a wrong name, and single precision.
"""

import pytest
from tried import OUTCOMES, RIGHT, WRONG

from instnorm_checks import EXERCISES, report
from instnorm_checks.engine.diagnosis import examine
from instnorm_checks.engine.plain import SAYS

SEEDS = (1, 77, 123456789)
# It compares to the last digit but three, and has all points where rounding errors are kind to it.
LUCKY = ("identify-norm", "atol_zero_equal_nan")

# Wrong answers that had full marks.
ACCEPTED = (
    ("identify-norm", "any_value_close"),
    ("identify-norm", "first_image_only"),
    ("batch-norm", "eps_in_running_var"),
    ("revin", "returns_statistics_after_the_affine"),
    ("in-constraints", "rank_by_a_fixed_threshold"),
    ("in-constraints", "small_eps_is_no_eps"),
    ("array-api-instance-norm", "one_pass"),
    ("adaln-zero", "weight_before_the_scale"),
)
# Their marks hung on the seed, or differed between public and hidden cases.
BY_CHANCE = (
    ("array-api-instance-norm", "all_to_float32"),
    ("blocked-instance-norm", "float32_inside"),
    ("instance-norm-loops", "in_single_precision"),
    ("identifiable", "largest_output_without_its_sign"),
    ("identifiable", "outputs_max_of_the_whole_array"),
    ("in-jacobian", "one_sided_differences"),
    ("demodulate", "style_on_the_outputs"),
)
# They were called something that they are not.
MISNAMED = (
    ("normalize-over", "if_chain_falls_through"),
    ("normalize-over", "mode_is_compare_or"),
    ("identify-norm", "by_shape_rules"),
    ("rectified-moments", "sigma0_mean_mu"),
    ("instance-norm-loops", "off_by_one_range"),
    ("in-function", "returns_dy"),
    ("cmvn", "length_of_the_first_utterance"),
    ("cmvn", "swaps_time_and_coefficients"),
    ("observation-normalise", "length_over_the_width"),
)
EVERY_WRONG = [(exercise, name) for exercise, named in WRONG.items() for name in named]
EVERY_RIGHT = [(exercise, name) for exercise, named in RIGHT.items() for name in named]


def what_comes_of(exercise, name, seed):
    found = examine(EXERCISES[exercise].untimed, WRONG[exercise][name], seed)
    return found.points, sorted({wrong.name for wrong in found.named.values()})


def it_is_received_as_it_should_be(exercise, name, seeds):
    wanted = OUTCOMES[exercise, name]
    public, *hidden = (what_comes_of(exercise, name, seed) for seed in (None, *seeds))
    assert public[0] == wanted["points"][0]
    assert set(public[1]) <= {*wanted["names"], *wanted.get("public", ())}
    if (exercise, name) == LUCKY:
        assert {tuple(names) for _, names in hidden} == {()}
    else:
        assert hidden == [(wanted["points"][1], wanted["names"])] * len(hidden)


@pytest.mark.parametrize(("exercise", "name"), [*ACCEPTED, *BY_CHANCE, *MISNAMED])
def test_wrong_answers_are_received_as_they_should_be(exercise, name):
    it_is_received_as_it_should_be(exercise, name, SEEDS[:1])


@pytest.mark.parametrize(("exercise", "name"), ACCEPTED)
def test_no_wrong_answer_has_full_marks(exercise, name):
    assert OUTCOMES[exercise, name]["points"][1] < EXERCISES[exercise].points


def test_the_largest_output_has_one_mark_for_all_seeds():
    marks = {
        what_comes_of("identifiable", "largest_output_without_its_sign", seed)[0]
        for seed in (None, *range(20))
    }
    assert marks == {4}


def test_every_outcome_is_stated():
    assert set(OUTCOMES) == set(EVERY_WRONG)
    assert len(EVERY_WRONG) > 300
    assert set(WRONG) == {*EXERCISES}
    for (exercise, _), wanted in OUTCOMES.items():
        known = {wrong.name for wrong in EXERCISES[exercise].misconceptions}
        assert set(wanted["names"]) <= known | set(SAYS)


@pytest.mark.parametrize(
    "exercise", [name for name, each in EXERCISES.items() if "eps" in each.signature]
)
def test_eps_written_out_has_a_name_wherever_there_is_an_eps(exercise):
    wrong = EXERCISES[exercise].misconception("ignores-the-eps-argument")
    assert "eps" in wrong.says


def test_single_precision_is_said_plainly(capsys):
    answer = WRONG["blocked-instance-norm"]["float32_inside"]
    text = " ".join(report("blocked-instance-norm", answer).text.split())
    assert "single-precision: Your output is right, but to single precision" in text


@pytest.mark.proof
@pytest.mark.parametrize(("exercise", "name"), EVERY_WRONG)
def test_every_wrong_answer_is_received_as_it_should_be(exercise, name):
    it_is_received_as_it_should_be(exercise, name, SEEDS)


@pytest.mark.proof
@pytest.mark.parametrize(("exercise", "name"), EVERY_RIGHT)
def test_every_right_answer_has_full_marks(exercise, name):
    ours, answer = EXERCISES[exercise].untimed, RIGHT[exercise][name]
    assert [examine(ours, answer, s).points for s in (None, *SEEDS)] == [ours.points] * 4
