"""Questions on what one has read, made from the wrong answers that the checks know.

Nothing in a question is written by hand but its first line. The numbers are what the reference and
the misconceptions of an exercise give on one of its public cases, computed when the book is built;
a choice is taken only if it can be told at a glance from every other; and the explanation is the
sentence of the misconception. The same sources give the same questions.

Where a function takes feature maps (N, C, H, W), a page asks once with photographs for its planes:
what a mistake makes of them is seen.
"""

import base64
import functools
import io
import re
import textwrap
import zlib

import numpy as np

from instnorm_checks import EXERCISES
from instnorm_checks.engine.calling import call
from instnorm_lab import photos

CHOICES = 4
NUMBERS = 6  # of an output, that are shown
WIDTH = 43  # characters in a line of code, of which a telephone shows no more
LARGEST = 24  # numbers of an argument that a reader can take in
APART = 0.1  # of the largest number, by which some number of any two choices differs
MAPS = {"x", "z", "content", "style"}  # arguments that may be photographs
SIDE, PLANES = 48, 6  # pixels of a photograph's side, and how many at most
SEEN = 0.08  # of black to white, by which any two choices differ, averaged over their pixels
#: Lights for the planes: gain and offset, each unlike the one before.
LIGHTS = ((0.9, 0.05), (0.25, 0.1), (0.4, 0.55), (0.7, 0.3), (0.3, 0.35), (0.55, 0.0))
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
        ``text``, ``says`` and ``output``) and ``answer``, the index of the right one. Where it is
        asked in pictures, ``pictures`` has rows for the arguments and the right output, ``seen``
        that of the mistake, and each choice has its own row as ``picture``.
    """
    wanted = min(MOST, max(LEAST, len(exercise_ids)))
    questions, used = [], set()
    for turn in range(4 * wanted):
        if len(questions) == wanted:
            break
        exercise_id = exercise_ids[turn % len(exercise_ids)]
        kind = (MISTAKE, PRINT)[len(questions) % 2]
        rng = np.random.default_rng(zlib.crc32(f"{page}/{exercise_id}/{turn}".encode()))
        exercise, made = EXERCISES[exercise_id], None
        if kind == MISTAKE and not any("pictures" in each for each in questions):
            made = pictured(exercise, rng, used)
        made = made or question(exercise, kind, rng, used)
        if made:
            questions.append(made)
            used.add(made["id"])
    return questions


def question(exercise, kind, rng, used=()):
    """One question on an exercise, or None if none of its cases gives enough choices."""
    for aspect, k, case in _shuffled(exercise, _small, rng):
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


def _shuffled(exercise, fit, rng):
    """(aspect, index, case) in random order: what `fit` makes of each public case, if anything."""
    cases = [
        (aspect, k, fitted)
        for aspect in exercise.aspects
        for k, case in enumerate(aspect.public)
        if not aspect.pace and (fitted := fit(case))
    ]
    for at in rng.permutation(len(cases)):
        yield cases[at]


def _small(case):
    """The case, if a reader can take it in."""
    return case if all(np.size(value) <= LARGEST for value in case.values()) else None


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
        if output is not None and all(_apart(output, other, right) for other in seen):
            seen.add(output)
            wrong.append((each, output))
    return wrong


def _apart(output, other, right):
    """Whether a reader tells two outputs apart, knowing about how large the numbers are."""
    if len(output.split()) != len(other.split()) or output == other:
        return False
    a, b, c = (np.array(text.split(), float) for text in (output, other, right))
    scale = np.abs(c).max() or max(np.abs(a).max(), np.abs(b).max())
    return np.abs(a - b).max() >= APART * scale


# --- in pictures ---------------------------------------------------------------------------------


def pictured(exercise, rng, used=()):
    """A question on a mistake whose output is seen, or None if none of the cases is for that."""
    for aspect, k, case in _shuffled(exercise, photographed, rng):
        part = aspect.judges[0]
        right = output_planes(exercise, exercise.reference, case, part)
        if right is None:
            continue
        scale = float(right.min()), float(right.max())
        mistakes, seen = [], [right]
        for one in rng.permutation(len(exercise.misconceptions)):
            each = exercise.misconceptions[one]
            if each.resembles or each.speeds:
                continue
            planes = output_planes(exercise, each.implementation, case, part)
            if planes is not None and all(_differ(planes, other, scale) for other in seen):
                seen.append(planes)
                mistakes.append((each, planes))
        if len(mistakes) < CHOICES:
            continue
        made = _in_pictures(exercise, case, part, right, mistakes[:CHOICES], rng)
        made["id"] = f"{exercise.id}/{aspect.name}/{k}/seen/{mistakes[0][0].name}"
        if made["id"] not in used:
            return made
    return None


def photographed(case):
    """A case with photographs, each in a light of its own, for its feature maps; None if it has
    none, or too many.
    """
    maps = {name for name, value in case.items() if np.ndim(value) == 4}
    others = [value for name, value in case.items() if name not in maps]
    counts = [np.shape(case[name])[:2] for name in maps]
    if not maps <= MAPS or any(np.size(value) > LARGEST for value in others):
        return None
    if not all(1 < n * c <= PLANES for n, c in counts) or not counts:
        return None
    made, k = {}, 0
    for name, value in case.items():
        made[name] = value
        if name in maps:
            planes = []
            for _ in range(value.shape[0] * value.shape[1]):
                gain, offset = LIGHTS[k % len(LIGHTS)]
                planes.append(gain * _photo(photos.NAMES[k % len(photos.NAMES)]) + offset)
                k += 1
            made[name] = np.reshape(planes, (*value.shape[:2], SIDE, SIDE))
    return made


@functools.cache
def _photo(name):
    return photos.photo(name, size=SIDE)


def output_planes(exercise, function, case, part):
    """What a function makes of a photographed case, if it can be drawn; else None."""
    outcome = call(function, case, exercise.returns)
    if outcome.failure or not isinstance(outcome.parts[part], np.ndarray):
        return None
    y = outcome.parts[part]
    drawable = y.ndim == 4 and y.shape[2:] == (SIDE, SIDE) and y.shape[0] * y.shape[1] <= PLANES
    return y.astype(float) if drawable and np.isfinite(y).all() else None


def _greys(planes, scale):
    low, high = scale
    return np.clip((planes - low) / ((high - low) or 1), 0, 1)


def _differ(planes, other, scale):
    if planes.shape != other.shape:
        return False
    return np.abs(_greys(planes, scale) - _greys(other, scale)).mean() >= SEEN


def _row(title, planes, scale):
    """Planes as pictures, one list an image; to be read out, each says its mean and its spread."""
    return {
        "title": title,
        "images": [
            [
                {
                    "source": _webp(_greys(plane, scale)),
                    "says": f"{title}, image {n}, channel {c}: mean {_number(plane.mean())}, "
                    f"standard deviation {_number(plane.std())}",
                }
                for c, plane in enumerate(image, 1)
            ]
            for n, image in enumerate(planes, 1)
        ],
    }


def _webp(greys):
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray((255 * greys).round().astype("uint8")).save(
        buffer, "webp", quality=60, method=6
    )
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _in_pictures(exercise, case, part, right, mistakes, rng):
    scale = float(right.min()), float(right.max())
    maps = [name for name, value in case.items() if np.ndim(value) == 4]
    order = rng.permutation(len(mistakes))
    choices = [
        {
            "text": _in_words(each.name),
            "says": each.says,
            "output": "",
            "picture": _row("it would give", planes, scale),
        }
        for each, planes in mistakes
    ]
    given = [f"# {name} {case[name].shape}: see below" for name in maps]
    given += [_assignment(name, value) for name, value in case.items() if name not in maps]
    return {
        "asks": MISTAKE,
        "exercise": exercise.id,
        "given": [*given, _call(exercise, case)],
        "prints": exercise.returns[part] if len(exercise.returns) > 1 else "",
        "choices": [choices[k] for k in order],
        "answer": int(np.flatnonzero(order == 0)[0]),
        "shown": "",
        "right": "",
        "pictures": [
            *(_row(name, case[name], (0, 1)) for name in maps),
            _row("right output", right, scale),
        ],
        "seen": _row("this output", mistakes[0][1], scale),
        "greys": "In the outputs {} is black, and {} white.".format(
            *(_number(end).replace("-", "−") for end in scale)
        ),
    }


def _in_words(name):
    """The name of a misconception; of its letters, a small l alone would be taken for a 1."""
    return re.sub(r"\bl\b", "L", name.replace("-", " "))


def _call(exercise, case):
    outcome = f"{', '.join(exercise.returns)} = " if len(exercise.returns) > 1 else ""
    call = f"{outcome}{exercise.function_name}({', '.join(case)})"
    return textwrap.fill(call, WIDTH, subsequent_indent="    ", break_long_words=False)


# --- in numbers ----------------------------------------------------------------------------------


def _assembled(exercise, kind, case, part, right, mistakes, rng):
    choices = [
        {
            "text": _in_words(each.name) if kind == MISTAKE else output,
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
    return {
        "asks": kind,
        "exercise": exercise.id,
        "given": [*map(_assignment, case, case.values()), _call(exercise, case)],
        "prints": name if len(exercise.returns) > 1 else "",
        "choices": [choices[k] for k in order],
        "answer": answer,
        **made,
    }


def _assignment(name, value):
    if not isinstance(value, np.ndarray):
        return f"{name} = {value!r}"
    with np.printoptions(precision=4, suppress=True, linewidth=WIDTH):
        text = np.array2string(np.asarray(value), separator=", ", prefix=f"{name} = ")
    lines = (line for line in text.splitlines() if line.strip())  # a telephone is not high
    return f"{name} = " + "\n".join(lines)
