"""Slips in right answers lose marks, and the program that says so can tell when they don't.

All exercises, with 20 seeds, are a proof of its own (see benchmarks/proofs.py).
"""

import dataclasses

import pytest
from mutation import LEAST, fate, reasons, report
from slips import around, in_the_source, slips, sources

from instnorm_checks import EXERCISES

# Two seconds or three in all.
SAMPLE = ("normalize-over", "merge-moments", "observation-normalise")


@pytest.mark.parametrize("name", SAMPLE)
def test_no_slip_passes_and_no_verdict_depends_on_the_seed(name, capsys):
    made, faults = report(name, seeds=2)
    assert made >= LEAST
    assert faults == 0, capsys.readouterr().out


def without(exercise, aspect):
    aspects = tuple(each for each in exercise.aspects if each.name != aspect)
    return dataclasses.replace(exercise, aspects=aspects, misconceptions=(), properties=())


def test_a_missing_case_is_seen():
    ours = EXERCISES["instance-norm"]
    ignores_eps = next(slip for slip in around(ours) if slip.change == "eps is always 0")
    assert not fate(ours, ignores_eps, 1).survives
    assert fate(without(ours, "eps"), ignores_eps, 1).survives


def test_a_verdict_that_depends_on_the_seed_is_seen():
    ours = EXERCISES["instance-norm"]
    lucky = dataclasses.replace(
        next(iter(around(ours))),
        change="is wrong for a few shapes",
        function=lambda x, *rest: ours.reference(x, *rest) * (1 + (x.shape[0] == 5)),
    )
    assert fate(ours, lucky, 20).depends_on_the_seed


def test_slips_are_made_of_answers_that_are_right():
    for name in SAMPLE:
        for source in sources(EXERCISES[name]):
            same = dataclasses.replace(next(iter(around(EXERCISES[name]))), function=source.build())
            assert fate(EXERCISES[name], same, 1).survives, source.name


def test_each_slip_is_made_once():
    ours = EXERCISES["normalize-over"]
    made = list(in_the_source(sources(ours)[0], ours))
    assert len({slip.change for slip in made}) == len(made) > 20


def test_reasons_are_given_for_exercises_that_exist():
    assert all(isinstance(why, str) for name in EXERCISES for why in reasons(name).values())
    assert {slip.name for slip in slips(EXERCISES["merge-moments"])} >= set(
        reasons("merge-moments")
    )
