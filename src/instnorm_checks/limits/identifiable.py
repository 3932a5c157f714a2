"""The exercise "identifiable": is the exposure still in there?"""

import numpy as np

from instnorm.identifiability import identifiable

from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property


def boxes(rng, make):
    """Boxes (B, E, D), at least one of each kind: `make(rng, level, shape)` gives pairs of them.

    `level` is what a box says when the exposure has no influence, (D,).
    """
    exposures, numbers = int(rng.integers(3, 6)), int(rng.integers(3, 7))
    pairs = [make(rng, some_level(rng, numbers), (exposures, numbers)) for _ in range(2)]
    return {"outputs": rng.permutation(np.concatenate(pairs))}


def some_level(rng, numbers):
    """Numbers of either sign, the largest of them above 0."""
    level = rng.uniform(1, 2, numbers) * rng.choice([-1, 1], numbers)
    return level * np.sign(level[np.abs(level).argmax()])


def blind(level, shape):
    return np.broadcast_to(level, shape).copy()


def following(rng, level, shape):
    """Every number grows with the exposure."""
    return level + rng.uniform(0.1, 0.3) * np.arange(shape[0])[:, None] * np.abs(level)


def rounded(rng, level, shape):
    """Two boxes that only round differently; the second does so in a number that should be 0."""
    noise = 1e-15 * rng.choice([-1.0, 1.0], shape)
    smallest = np.abs(level).argmin()
    noise[:2, smallest] = 1e-15, -1e-15
    nothing = level * (np.arange(level.size) != smallest)
    return [blind(level, shape) + noise, nothing + noise, following(rng, level, shape)]


def small_beside_large(rng, level, shape):
    """A change below a millionth of the box's largest number, and far above that of the others."""
    quiet = 0.01 * blind(level / np.abs(level).max(), shape)
    quiet[:, 0] = 1.0
    quiet[-1, 1] += 0.7e-6
    return [quiet, blind(level / np.abs(level).max(), shape)]


def below_nothing(rng, level, shape):
    """Boxes that answer with numbers below 0."""
    return [blind(-np.abs(level), shape), following(rng, -np.abs(level), shape)]


def barely(level, shape, where):
    """A change of one and a half millionths, in one number or at one exposure; and none."""
    level = level / np.abs(level).max()
    level[:2] = 0.8, 1.0
    box = blind(level, shape).copy()
    box[where] += 1.5e-6
    return [box, blind(level, shape)]


def barely_in_one_number(rng, level, shape):
    return barely(level, shape, np.s_[-1, 0])


def barely_at_one_exposure(rng, level, shape):
    return barely(level, shape, np.s_[rng.integers(1, shape[0] - 1)])


def silent(rng, level, shape):
    """A box that says nothing at all."""
    return [np.zeros(shape), following(rng, level, shape)]


def loud_and_quiet(rng, level, shape):
    return [blind(1e7 * level, shape), following(rng, level, shape)]


def tiny(rng, level, shape):
    return [1e-12 * blind(level, shape), 1e-12 * following(rng, level, shape)]


def in_one_number(rng, level, shape):
    """A box that follows the exposure in one number, one that does in two, whose sum is fixed."""
    one, two = blind(level, shape).copy(), blind(level, shape).copy()
    change = 0.5 * np.linspace(0, 1, shape[0])
    one[:, 1] += change
    two[:, 0] += change
    two[:, 1] -= change
    return [one, two, blind(level, shape)]


def at_one_exposure(rng, level, shape):
    """A box that answers to one exposure, neither the first nor the last."""
    one = blind(level, shape).copy()
    one[rng.integers(1, shape[0] - 1)] += 0.5
    return [one, blind(level, shape)]


def slowly(rng):
    """A box that drifts, a little at every exposure, next to one that does not."""
    exposures = int(rng.integers(30, 50))
    level = np.ones((exposures, 2)) * rng.uniform(1, 2)
    drift = 4e-7 * np.arange(exposures)[:, None] * level
    return {"outputs": rng.permutation(np.stack([level, level + drift]))}


def changes_by(change, size=None, tolerance=1e-6):
    """An answer that compares a change, (B,), with a share of another size, (B,) or a number."""

    def answer(outputs):
        own = np.abs(outputs).max((1, 2))
        measure = own if size is None else size(outputs)
        return (change(outputs) > tolerance * measure).astype(float)

    return answer


def largest_range(outputs):
    return np.ptp(outputs, 1).max(1)


def exactly(outputs):
    return (outputs != outputs[:, :1]).any((1, 2)).astype(float)


def relative_to_itself(outputs):
    with np.errstate(all="ignore"):
        ratio = np.ptp(outputs, 1) / np.abs(outputs).max(1)
    return (ratio > 1e-6).any(1).astype(float)


def between_boxes(outputs):
    return (np.ptp(outputs, 0).max(1) > 1e-6 * np.abs(outputs).max()).astype(float)


def marks_silence(outputs):
    return (largest_range(outputs) >= 1e-6 * np.abs(outputs).max((1, 2))).astype(float)


def sharpened_in_place(outputs):
    found = identifiable(outputs)
    outputs -= outputs[:, :1].copy()
    return found


def verdicts_ignore_units(run, arguments):
    units = (2.0**-40, 2.0**40)
    return all(agree(run(outputs=unit * arguments["outputs"])[0], run()[0]) for unit in units)


def verdicts_ignore_order(run, arguments):
    outputs = arguments["outputs"]
    turns = range(1, outputs.shape[1])
    return all(agree(run(outputs=np.roll(outputs, k, 1))[0], run()[0]) for k in turns)


def boxes_are_independent(run, arguments):
    outputs = arguments["outputs"].copy()
    outputs[1:] = outputs[1:, :1]
    return agree(run(outputs=outputs)[0][:1], run()[0][:1])


PLAIN = np.stack(
    [blind([1.0, 2.0, 4.0], (3, 3)), [[1.0, 2.0, 4.0], [2.0, 4.0, 8.0], [3.0, 6.0, 12.0]]]
)
THREE_NUMBERS = np.array([1.0, 2.0, -1.5])
ROUNDED = np.stack(rounded(np.random.default_rng(40), THREE_NUMBERS, (3, 3)))


def box_of(make, shape=(3, 3)):
    return {"outputs": np.stack(make(np.random.default_rng(41), THREE_NUMBERS, shape))}


IDENTIFIABLE_ASPECTS = (
    Aspect(
        "rounding",
        1,
        "Differences as small as rounding makes, below a millionth of the largest number, "
        "do not count.",
        public=({"outputs": ROUNDED}, box_of(small_beside_large), box_of(silent)),
        hidden=lambda rng: [
            *(boxes(rng, rounded) for _ in range(3)),
            boxes(rng, small_beside_large),
            boxes(rng, silent),
        ],
    ),
    Aspect(
        "size",
        1,
        "Changes are measured against the largest number of the same box, however small.",
        public=tuple(map(box_of, (loud_and_quiet, tiny, below_nothing))),
        hidden=lambda rng: [boxes(rng, make) for make in (loud_and_quiet, tiny, below_nothing)],
    ),
    Aspect(
        "any-number",
        1,
        "One number that follows the exposure is enough.",
        public=(box_of(in_one_number), box_of(barely_in_one_number)),
        hidden=lambda rng: [
            *(boxes(rng, in_one_number) for _ in range(3)),
            boxes(rng, barely_in_one_number),
        ],
    ),
    Aspect(
        "any-two-exposures",
        1,
        "Some two exposures that differ are enough, whichever they are.",
        public=(
            box_of(at_one_exposure, (4, 3)),
            box_of(barely_at_one_exposure, (4, 3)),
            slowly(np.random.default_rng(44)),
        ),
        hidden=lambda rng: [
            *(boxes(rng, at_one_exposure) for _ in range(3)),
            boxes(rng, barely_at_one_exposure),
            slowly(rng),
        ],
    ),
    Aspect(
        "array",
        1,
        "Right values, in a new float64 array (B,); outputs is unchanged.",
        # The mean of three tenths is no tenth.
        public=({"outputs": PLAIN}, {"outputs": 0.1 * PLAIN}),
        hidden=lambda rng: [
            boxes(rng, lambda rng, *box: [blind(*box), following(rng, *box)]) for _ in range(2)
        ],
        strict=True,
    ),
)

IDENTIFIABLE = Exercise(
    id="identifiable",
    signature="identifiable(outputs)",
    returns=("found",),
    counts=("found",),
    reference=identifiable,
    aspects=IDENTIFIABLE_ASPECTS,
    misconceptions=(
        Misconception(
            "blind-for-identifiable",
            "Your ones and zeros are exchanged: you mark the boxes that are blind to the exposure. "
            "1 stands for a box from which it can still be read.",
            lambda outputs: 1 - identifiable(outputs),
            ALL,
        ),
        Misconception(
            "exactly-equal",
            "You ask whether the numbers are equal to the last digit. A box that forgets the "
            "exposure divides by it somewhere, and rounding leaves a trace. No reader could use "
            "that trace.",
            exactly,
            ("rounding",),
        ),
        Misconception(
            "each-number-against-itself",
            "You measure each change against the number that changes. One that should be 0, and "
            "is 1e-17 here and -1e-17 there, then seems to change a lot. Measure against the "
            "largest number of the box.",
            relative_to_itself,
            ("rounding",),
        ),
        Misconception(
            "absolute-tolerance",
            "You compare changes with a fixed small number. A box may answer in millions or in "
            "billionths: a change is small or large only next to the box's own numbers. (And "
            "np.allclose has a fixed number inside, its atol.)",
            changes_by(largest_range, size=lambda outputs: 1.0),
            ("size",),
        ),
        Misconception(
            "largest-of-all-boxes",
            "You measure the changes of every box against the largest number of all of them. One "
            "loud box then hides the quiet ones.",
            changes_by(largest_range, size=lambda outputs: np.abs(outputs).max()),
            ("size",),
        ),
        Misconception(
            "largest-without-its-size",
            "You measure changes against the largest number as it stands, with its sign. A box "
            "that answers with numbers below 0 has its largest near 0, or below. How large a "
            "number is, np.abs tells.",
            changes_by(largest_range, size=lambda outputs: outputs.max((1, 2))),
            ("size",),
        ),
        Misconception(
            "all-numbers-must-change",
            "You want every number to change. One that does is enough to read the exposure from. "
            "(Black pixels stay black in every pipeline.)",
            changes_by(lambda outputs: np.ptp(outputs, 1).min(1)),
            ("any-number",),
        ),
        Misconception(
            "compares-means",
            "You compare the means of the outputs. Two outputs with the same mean may be quite "
            "different: instance norm makes all means 0.",
            changes_by(lambda outputs: np.ptp(outputs.mean(2), 1)),
            ("any-number",),
        ),
        Misconception(
            "first-and-last-only",
            "You compare the first exposure with the last. A box may answer to those in between "
            "alone.",
            changes_by(lambda outputs: np.abs(outputs[:, -1] - outputs[:, 0]).max(1)),
            ("any-two-exposures",),
        ),
        Misconception(
            "neighbours-only",
            "You compare each exposure with the next. A box that drifts a little every time has "
            "gone far by the end.",
            changes_by(lambda outputs: np.abs(np.diff(outputs, axis=1)).max((1, 2))),
            ("any-two-exposures",),
        ),
        Misconception(
            "one-verdict-for-all",
            "You return the same verdict for all boxes: 1 as soon as one of them depends on the "
            "exposure. Each box needs its own.",
            lambda outputs: np.full(len(outputs), identifiable(outputs).max()),
            ALL,
            plain=True,
        ),
        Misconception(
            "compares-boxes",
            "You compare the boxes with each other. The question is whether one and the same box "
            "says different things at different exposures. Which axis holds those?",
            between_boxes,
            ALL,
        ),
        Misconception(
            "silence-taken-for-news",
            "A box that gives nothing but zeros does not depend on the exposure, and you mark it. "
            "Its largest number is 0, and a change of 0 is not larger than a millionth of that.",
            marks_silence,
            ("rounding",),
        ),
        Misconception(
            "in-place",
            "Your verdicts are right, but outputs is changed on the way. Make a new array for the "
            "differences.",
            sharpened_in_place,
            ("array",),
        ),
    ),
    properties=(
        Property(
            "Your verdict changes when all the numbers are given in another unit.",
            verdicts_ignore_units,
        ),
        Property(
            "Your verdict depends on the order in which the exposures come.",
            verdicts_ignore_order,
        ),
        Property(
            "Your verdict on one box changes when the other boxes do.",
            boxes_are_independent,
        ),
    ),
)
