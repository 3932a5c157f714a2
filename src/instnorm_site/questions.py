"""Questions on what one has read, made from the wrong answers that the checks know.

Nothing in a question is written by hand but its first line. The numbers are what the reference and
the misconceptions of an exercise give on one of its public cases, computed when the book is built;
a choice is taken only if it can be told from every other by the digits that are shown; and the
explanation is the sentence of the misconception. The same sources give the same questions.
"""

import zlib

import numpy as np

from instnorm_checks import EXERCISES
from instnorm_checks.engine.calling import call

CHOICES = 4
NUMBERS = 6  # of an output, that are shown
LARGEST = 24  # numbers of an argument that a reader can take in
MISTAKE, PRINT = "Which mistake made this output?", "What will it print?"

#: Chapter -> exercises that its questions are made of.
CHAPTERS = {
    "principles/style-and-content": ("contrast-scores", "snv", "observation-normalise"),
    "principles/the-algorithm": ("instance-norm-loops", "instance-norm"),
    "principles/invariance": ("in-jacobian", "in-constraints", "in-backward"),
    "principles/the-family": ("normalize-over", "group-norm", "batch-norm"),
    "principles/norms-after-norms": ("normalize-over", "demodulate", "ada-group-norm"),
    "principles/depth": ("rectified-moments", "deep-stats", "in-relu-order"),
    "principles/limits": ("whiten", "photometric-stereo", "observation-normalise"),
    "applications/style-transfer": ("gram-matrix", "conditional-in", "adain"),
    "applications/generative-models": ("batch-leakage", "adain", "conditional-in"),
    "applications/modulation": ("ada-group-norm", "adaln-zero", "demodulate"),
    "applications/domain-shift": ("mixstyle", "adapt-batch-norm", "ibn"),
    "applications/signals": ("snv", "cmvn", "revin", "revin-inverse"),
    "applications/the-brain": ("divisive-normalisation", "contrast-response", "tuning-curves"),
    "applications/fast-kernels": ("merge-moments", "blocked-instance-norm"),
    "applications/which-norm": ("batch-norm", "group-norm", "in-backward"),
}
LEAST, MOST = 3, 6  # questions on a page


def of_page(page, exercise_ids):
    """The questions of a page: three to six, of its exercises in turn, both kinds in turn.

    Parameters
    ----------
    page : str
        The page's name, which is the seed.
    exercise_ids : sequence of str

    Returns
    -------
    list of dict
        JSON values: ``id``, ``asks``, ``given`` (lines of code), ``shown``, ``choices`` (each with
        ``text``, ``says`` and ``output``) and ``answer``, the index of the right one.
    """
    wanted = min(MOST, max(LEAST, len(exercise_ids)))
    questions, used = [], set()
    for turn in range(4 * wanted):
        if len(questions) == wanted:
            break
        exercise_id = exercise_ids[turn % len(exercise_ids)]
        kind = (MISTAKE, PRINT)[len(questions) % 2]
        rng = np.random.default_rng(zlib.crc32(f"{page}/{exercise_id}/{turn}".encode()))
        made = question(EXERCISES[exercise_id], kind, rng, used)
        if made:
            questions.append(made)
            used.add(made["id"])
    return questions


def question(exercise, kind, rng, used=()):
    """One question on an exercise, or None if none of its cases gives enough choices."""
    cases = [
        (aspect, k, case)
        for aspect in exercise.aspects
        for k, case in enumerate(aspect.public)
        if not aspect.pace and all(np.size(value) <= LARGEST for value in case.values())
    ]
    for at in rng.permutation(len(cases)):
        aspect, k, case = cases[at]
        part = aspect.judges[0]
        right = shown(exercise, exercise.reference, case, part)
        if right is None:
            continue
        wrong = _told_apart(exercise, aspect, case, part, right, rng)
        mistakes = wrong[: CHOICES if kind == MISTAKE else CHOICES - 1]
        if len(mistakes) < (CHOICES if kind == MISTAKE else CHOICES - 1):
            continue
        made = _assembled(exercise, kind, case, part, right, mistakes, rng)
        made["id"] = (
            f"{exercise.id}/{aspect.name}/{k}/{kind.split()[0].lower()}/{mistakes[0][0].name}"
        )
        if made["id"] not in used:
            return made
    return None


def shown(exercise, function, case, part):
    """The first numbers that a function gives on a case, as a reader sees them; None if none."""
    outcome = call(function, case, exercise.returns)
    if outcome.failure or not isinstance(outcome.parts[part], np.ndarray):
        return None
    values = outcome.parts[part].ravel()[:NUMBERS]
    if values.size == 0 or not np.isfinite(values).all():
        return None
    return " ".join(_number(value) for value in values)


def _number(value):
    """A number in three digits; less than rounding errors of numbers near 1 is 0."""
    text = f"{0.0 if abs(value) < 1e-9 else value:.3g}"
    return "0" if text == "-0" else text


def _told_apart(exercise, aspect, case, part, right, rng):
    """Misconceptions with their outputs on the case, each unlike all others and the right one."""
    wrong, seen = [], {right}
    for at in rng.permutation(len(exercise.misconceptions)):
        each = exercise.misconceptions[at]
        if aspect.name not in each.loses or each.resembles or each.speeds:
            continue
        output = shown(exercise, each.implementation, case, part)
        if output is not None and output not in seen and len(output.split()) == len(right.split()):
            seen.add(output)
            wrong.append((each, output))
    return wrong


def _assembled(exercise, kind, case, part, right, mistakes, rng):
    choices = [
        {
            "text": each.name.replace("-", " ") if kind == MISTAKE else output,
            "says": each.says,
            "output": output,
        }
        for each, output in mistakes
    ]
    if kind == MISTAKE:
        order = rng.permutation(len(choices))
        made = {"shown": choices[0]["output"], "right": right}
        answer = int(np.flatnonzero(order == 0)[0])
    else:
        choices.append({"text": right, "says": "", "output": right})
        order = rng.permutation(len(choices))
        made = {"shown": "", "right": right}
        answer = int(np.flatnonzero(order == len(choices) - 1)[0])
    name = exercise.returns[part]
    several = len(exercise.returns) > 1
    outcome = f"{', '.join(exercise.returns)} = " if several else ""
    call_ = f"{outcome}{exercise.function_name}({', '.join(case)})"
    return {
        "asks": kind,
        "exercise": exercise.id,
        "given": [*map(_assignment, case, case.values()), call_],
        "prints": f"{name}" if several else "",
        "choices": [choices[k] for k in order],
        "answer": answer,
        **made,
    }


def _assignment(name, value):
    if not isinstance(value, np.ndarray):
        return f"{name} = {value!r}"
    with np.printoptions(precision=4, suppress=True, linewidth=60):
        text = np.array2string(np.asarray(value), separator=", ", prefix=f"{name} = ")
    return f"{name} = {text}"
