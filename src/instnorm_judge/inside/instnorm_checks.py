"""Stands in for `instnorm_checks`, so that notebooks run through where they are graded.

The tests themselves run elsewhere, with the real checks.
"""

import json
import os

import wire

__all__ = ["check", "public_case"]


def check(exercise_id, function):
    """Does nothing: the graded test of the exercise has the report."""
    print(f"{exercise_id}: where notebooks are graded, only the graded test makes a report.")


def public_case(exercise_id, aspect, k=0):
    """The arguments of public case `k` of an aspect, by name."""
    with open(os.environ["INSTNORM_PUBLIC_CASES"], encoding="utf-8") as file:
        cases = json.load(file)
    if exercise_id not in cases:
        raise ValueError(f"this notebook has no exercise called {exercise_id!r}")
    if aspect not in cases[exercise_id]:
        raise ValueError(f"{exercise_id} has no aspect called {aspect!r}")
    node, buffers = cases[exercise_id][aspect][k]
    return wire.decode(node, [bytes.fromhex(buffer) for buffer in buffers])
