"""The exercise "merge-moments": moments of blocks."""

import numpy as np

from instnorm.variance import merge_moments

from ..engine.compare import agree
from ..engine.exercise import ALL, Aspect, Exercise, Misconception, Property


def after(past, block):
    """The arguments for `block`, when the values `past` of each row came before."""
    rows, count = past.shape
    if not count:
        return {"mean": np.zeros(rows), "squares": np.zeros(rows), "count": 0, "block": block}
    mean, squares = past.mean(1), count * past.var(1)
    return {"mean": mean, "squares": squares, "count": count, "block": block}


def some_rows(rng, rows, columns):
    """Each row has its own brightness and its own contrast."""
    level, spread = rng.uniform(8, 30, (rows, 1)), rng.uniform(2, 6, (rows, 1))
    return level + spread * rng.standard_normal((rows, columns))


def sizes(rng):
    """How many rows, and how many values in the past and in the block: all different."""
    return tuple(int(n) for n in rng.choice(np.arange(3, 12), 3, replace=False))


def rows_in_blocks(rng):
    rows, count, size = sizes(rng)
    return after(some_rows(rng, rows, count), some_rows(rng, rows, size))


def first_rows(rng):
    rows, _, size = sizes(rng)
    return after(np.empty((rows, 0)), some_rows(rng, rows, size))


def alike(rng, level):
    """Past and block have one mean and one variance: the same values, in an order of their own."""
    rows, size, _ = sizes(rng)
    spread = rng.uniform(2, 6)
    values = rng.standard_normal(size)
    values = level * spread + spread * (values - values.mean())
    return after(*(rng.permuted(np.tile(values, (rows, 1)), axis=1) for _ in range(2)))


def merging(
    mean_of=lambda block: block.mean(1),
    squares_of=lambda block: block.shape[1] * block.var(1),
    share=lambda count, size: size / (count + size),
    weight=lambda count, size: count * size / (count + size),
):
    """The right formulas with one term replaced."""

    def answer(mean, squares, count, block):
        size, apart = block.shape[1], mean_of(block) - mean
        between = weight(count, size) * apart**2
        return mean + share(count, size) * apart, squares + squares_of(block) + between

    return answer


def difference_not_squared(mean, squares, count, block):
    size, apart = block.shape[1], block.mean(1) - mean
    new_mean, _ = merge_moments(mean, squares, count, block)
    between = count * size / (count + size) * apart
    return new_mean, squares + size * block.var(1) + between


def updates_the_mean_too_early(mean, squares, count, block):
    mean, _ = merge_moments(mean, squares, count, block)
    return mean, merging()(mean, squares, count, block)[1]


def returns_the_variance(mean, squares, count, block):
    mean, squares = merge_moments(mean, squares, count, block)
    return mean, squares / (count + block.shape[1])


def forgets_the_past(mean, squares, count, block):
    return block.mean(1), block.shape[1] * block.var(1)


def squares_of_all_rows(block):
    return np.full(len(block), ((block - block.mean()) ** 2).sum())


def merges_in_place(mean, squares, count, block):
    mean[...], squares[...] = merge_moments(mean, squares, count, block)
    return mean, squares


def rows_are_independent(run, arguments):
    block = arguments["block"].copy()
    block[1:] = block[1:, ::-1] + np.ptp(block)
    return all(agree(a[:1], b[:1]) for a, b in zip(run(block=block), run(), strict=True))


def squares_ignore_brightness(run, arguments):
    mean, block = arguments["mean"], arguments["block"]
    shift = np.ptp(block)
    return agree(run(mean=mean + shift, block=block + shift)[1], run()[1])


PAST = np.array([[1.0, 3.0], [5.0, 9.0]])
NEXT = np.array([[6.0, 8.0, 14.0, 4.0], [1.0, 1.0, 3.0, 11.0]])
ALIKE = np.array([[6.0, 8.0, 14.0, 4.0], [4.0, 14.0, 6.0, 8.0]])
TURNED = ALIKE[:, ::-1]

MERGING_ASPECTS = (
    Aspect(
        "first-block",
        1,
        "When nothing came before (count = 0), the moments are those of the block.",
        public=(after(np.empty((2, 0)), NEXT),),
        hidden=lambda rng: [first_rows(rng) for _ in range(2)],
        judges=(0, 1),
    ),
    Aspect(
        "mean",
        1,
        "The mean of all values: each value counts the same, in whichever block it came.",
        public=(after(PAST, NEXT), after(NEXT, PAST)),
        hidden=lambda rng: [rows_in_blocks(rng) for _ in range(3)],
    ),
    Aspect(
        "squares",
        2,
        "The sum of squared deviations of all values from their common mean.",
        public=(after(PAST, NEXT), after(NEXT, PAST)),
        hidden=lambda rng: [rows_in_blocks(rng) for _ in range(3)],
        judges=(1,),
    ),
    Aspect(
        "large-offset",
        1,
        "A mean a million times the spread costs no digits.",
        public=tuple(after(lift + 1.1 * ALIKE, lift + 1.1 * TURNED) for lift in (3.7e6, 6.3e6)),
        hidden=lambda rng: [alike(rng, rng.uniform(1e6, 2e6)) for _ in range(3)],
        judges=(1,),
    ),
    Aspect(
        "array",
        1,
        "Right values, in two new float64 arrays (R,); no argument is changed.",
        public=(after(ALIKE, TURNED), after(ALIKE / 3, TURNED / 3)),
        hidden=lambda rng: [alike(rng, rng.uniform(3, 9)) for _ in range(2)],
        judges=(0, 1),
        strict=True,
    ),
)
SQUARES = ("first-block", "squares", "large-offset", "array")

MERGING = Exercise(
    id="merge-moments",
    signature="merge_moments(mean, squares, count, block)",
    returns=("mean", "squares"),
    reference=merge_moments,
    aspects=MERGING_ASPECTS,
    misconceptions=(
        Misconception(
            "averages-the-means",
            "Your mean lies half-way between the old mean and that of the block. That would be "
            "right if both stood for equally many values. How much should a block of 10 move the "
            "mean of a million?",
            merging(share=lambda count, size: 0.5),
            ("first-block", "mean"),
        ),
        Misconception(
            "moves-by-one-value",
            "Your mean moves by 1 / n of the way to the mean of the block, as if one value had "
            "arrived. There are B of them.",
            merging(share=lambda count, size: 1 / (count + size)),
            ("first-block", "mean"),
        ),
        Misconception(
            "shares-exchanged",
            "Your mean gives each side the weight of the other: the past that of the block, and "
            "the block that of the past. Where nothing came before, the block should decide "
            "alone.",
            merging(share=lambda count, size: count / (count + size)),
            ("first-block", "mean"),
        ),
        Misconception(
            "forgets-the-past",
            "Your result is what the block alone would give. What came before is in count, mean "
            "and squares, and nowhere else.",
            forgets_the_past,
            ("mean", "squares", "large-offset", "array"),
        ),
        Misconception(
            "forgets-the-spread-between",
            "Your squares add up the spread within the past and the spread within the block. Two "
            "blocks of constant values, one black and one white, would then have no variance at "
            "all. What is missing when the means differ?",
            merging(weight=lambda count, size: 0),
            ("squares",),
        ),
        Misconception(
            "deviations-from-the-old-mean",
            "Your squares take the block's deviations from the old mean. All deviations are meant "
            "to be from the common mean, which is a new one, for the old values too.",
            merging(weight=lambda count, size: size),
            ("first-block", "squares"),
        ),
        Misconception(
            "deviations-from-the-new-mean",
            "Your squares take the block's deviations from the new mean, and leave the old squares "
            "as they are. But those are deviations from the old mean; they grow too when the mean "
            "moves away from it.",
            merging(weight=lambda count, size: size * (count / (count + size)) ** 2),
            ("squares",),
        ),
        Misconception(
            "mean-updated-too-early",
            "Your squares take the distance of the block's mean from the new mean, which is your "
            "first result. What counts is how far apart the two means were before: keep the old "
            "one until you have used it.",
            updates_the_mean_too_early,
            ("squares",),
        ),
        Misconception(
            "distance-not-weighted",
            "Your squares add the squared distance of the two means once. It counts for every "
            "value that is that far away. By what should it be multiplied, so that the result is "
            "the same if past and block change places, and 0 if either of them is empty?",
            merging(weight=lambda count, size: 1),
            ("first-block", "squares"),
        ),
        Misconception(
            "adds-a-variance",
            "Your squares add the block's variance to a sum of squares. One is an average, the "
            "other a total.",
            merging(squares_of=lambda block: block.var(1)),
            SQUARES,
        ),
        Misconception(
            "returns-the-variance",
            "Your second result is the variance. It should be the sum of squares, not yet divided: "
            "that is what the next call expects.",
            returns_the_variance,
            SQUARES,
        ),
        Misconception(
            "squares-of-the-values",
            "Your squares add up the squared values of the block, rather than the squares of its "
            "deviations.",
            merging(squares_of=lambda block: (block**2).sum(1)),
            SQUARES,
        ),
        Misconception(
            "rows-share-a-mean",
            "Your block has a single mean for all rows. Each row is on its own.",
            merging(mean_of=lambda block: block.mean()),
            ("first-block", "mean", "squares"),
            also=(merging(mean_of=lambda block: block.mean(), squares_of=squares_of_all_rows),),
        ),
        Misconception(
            "swaps-the-results",
            "Your two results are right and in the wrong order: return mean, squares.",
            lambda *arguments: merge_moments(*arguments)[::-1],
            ALL,
        ),
        Misconception(
            "difference-not-squared",
            "Your squares grow by the difference of the means where its square is meant. Think of "
            "units: S is in counts squared. And the sign of the difference should not matter.",
            difference_not_squared,
            ("squares",),
        ),
        Misconception(
            "in-place",
            "Your numbers are right, but they are written into the arrays that you were given. "
            "Here the caller keeps them. (Did you write += ?)",
            merges_in_place,
            ("array",),
        ),
        Misconception(
            "one-pass-squares",
            "Your squares lose their digits when the mean is much larger than the spread. Is there "
            "a sum of x² in your function, from which something as huge is subtracted? Take "
            "deviations first, and square those.",
            merging(squares_of=lambda b: (b**2).sum(1) - b.shape[1] * b.mean(1) ** 2),
            ("large-offset",),
            resembles=lambda theirs, expected: True,  # whatever rounding left over
        ),
    ),
    properties=(
        Property(
            "The result for one row changes when another row changes. No row knows of the others.",
            rows_are_independent,
        ),
        Property(
            "Your squares change when the same number is added to all values, those of the past "
            "(so to their mean) and those of the block. A spread should not notice.",
            squares_ignore_brightness,
        ),
    ),
)
