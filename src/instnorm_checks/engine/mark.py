"""The value of a test cell: a number for nbgrader, with the evidence attached."""

MIME = "application/vnd.instnorm.mark+json"


class Mark(float):
    """Points earned.

    nbgrader reads the text of a test cell's value as the score. The notebook also stores, under
    MIME, how the score came about, so that grading can tell a mark of ours from any other number.
    """

    def __new__(cls, points, evidence):
        mark = super().__new__(cls, points)
        mark.evidence = evidence
        return mark

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": repr(float(self)), MIME: self.evidence}


def mark_of(examination):
    """The Mark of an examination."""
    exercise = examination.exercise
    return Mark(
        examination.points,
        {
            "exercise": exercise.id,
            "points": examination.points,
            "of": exercise.points,
            "seed": None if examination.seed is None else str(examination.seed),
            "aspects": {a.name: examination.earned(a) for a in exercise.aspects},
            "misconceptions": sorted({wrong.name for wrong in examination.named.values()}),
        },
    )
