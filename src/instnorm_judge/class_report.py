"""The class report: one page, for the instructor, that asks nothing of any server.

It shows how the marks are spread, how hard each exercise was and whether it told students apart,
which misconceptions the class holds, and which submissions a person should look at.
"""

import statistics
from collections import Counter
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from instnorm_checks import EXERCISES
from instnorm_checks.engine.plain import SAYS

BINS = 10
# What is said to plain wrong answers of any exercise.
PLAIN = {name: says.format(what="output", which="x") for name, says in SAYS.items()}
FEW = 5  # students; with fewer, a correlation says nothing


def render(results, *, date=""):
    """The page, as text. Everything in it is escaped: names and flags are chosen by students."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates" / "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scores = [each.score for each in results.graded]
    flags = Counter(flag for each in results.submissions for flag in each.flags)
    return environment.get_template("class.html.j2").render(
        results=results,
        date=date,
        scores=scores,
        median=statistics.median(scores) if scores else None,
        mean=statistics.fmean(scores) if scores else None,
        columns=histogram(results),
        exercises=[_exercise(results, name) for name in results.exercises],
        often=[(flag, n) for flag, n in flags.most_common(3) if n > 2],
        few=FEW,
    )


def _exercise(results, name):
    """What the page says of an exercise."""
    points = [each.points.get(name, 0) for each in results.graded]
    most = results.exercises[name]
    wrong = EXERCISES[name].misconceptions if name in EXERCISES else ()
    known = PLAIN | {each.name: each.says for each in wrong}
    return {
        "name": name,
        "points": most,
        "difficulty": difficulty(results, name),
        "discrimination": discrimination(results, name),
        "full": sum(each >= most for each in points),
        "none": sum(each == 0 for each in points),
        "lost": [
            {"what": what, "says": known.get(what, ""), "who": who, "share": len(who) / len(points)}
            for what, who in {**misconceptions(results, name), **others(results, name)}.items()
        ],
    }


# --- Numbers --------------------------------------------------------------------------------------


def difficulty(results, name):
    """The mean share of the points that was earned; None if nobody handed anything in."""
    shares = [each.points.get(name, 0) / results.exercises[name] for each in results.graded]
    return statistics.fmean(shares) if shares else None


def discrimination(results, name):
    """Correlation of an exercise's points with the points of the rest of the assignment.

    Near 1: who does well elsewhere does well here. Near 0 or below: look at the exercise. None if
    there are too few students, or no differences.
    """
    here = [each.points.get(name, 0) for each in results.graded]
    rest = [sum(each.points.values()) - each.points.get(name, 0) for each in results.graded]
    if len(here) < FEW or len(set(here)) == 1 or len(set(rest)) == 1:
        return None
    return statistics.correlation(here, rest)


def histogram(results):
    """How many students have 0 up to 10 %, 10 up to 20 %, ..., 90 to 100 % of the points."""
    counts = [0] * BINS
    for each in results.graded:
        share = max(each.score, 0) / results.max_score if results.max_score else 0
        counts[min(int(share * BINS + 1e-9), BINS - 1)] += 1
    return counts


def misconceptions(results, name):
    """Misconception -> the students who hold it, most common first."""
    return _most_common(
        (wrong, each.student)
        for each in results.graded
        for wrong in each.misconceptions.get(name, ())
    )


def others(results, name):
    """Why students lost points without a misconception that was recognised -> who did."""
    return _most_common(
        (each.reasons[name], each.student) for each in results.graded if name in each.reasons
    )


def _most_common(pairs):
    held = {}
    for what, who in pairs:
        held.setdefault(what, []).append(who)
    return dict(sorted(held.items(), key=lambda item: (-len(item[1]), item[0])))
