"""The class report: one page, for the instructor, that asks nothing of any server.

It shows how the marks are spread, how hard each exercise was and whether it told students apart,
which misconceptions the class holds, and which submissions a person should look at.
"""

import html
import statistics
from collections import Counter
from string import Template

from instnorm_checks import EXERCISES

BINS = 10
FEW = 5  # students; with fewer, a correlation says nothing


def render(results, *, date=""):
    """The page, as text."""
    return PAGE.substitute(
        title=html.escape(results.assignment),
        date=html.escape(date),
        summary=_summary(results),
        distribution=_distribution(results),
        exercises=_exercises(results),
        misconceptions=_misconceptions(results),
        attention=_attention(results),
    )


# --- Numbers --------------------------------------------------------------------------------------


def difficulty(results, name):
    """The mean share of the points that was earned; None if nobody handed anything in."""
    shares = [each.points.get(name, 0) / results.exercises[name] for each in results.handed_in]
    return statistics.fmean(shares) if shares else None


def discrimination(results, name):
    """Correlation of an exercise's points with the points of the rest of the assignment.

    Near 1: who does well elsewhere does well here. Near 0 or below: look at the exercise. None if
    there are too few students, or no differences.
    """
    here = [each.points.get(name, 0) for each in results.handed_in]
    rest = [sum(each.points.values()) - each.points.get(name, 0) for each in results.handed_in]
    if len(here) < FEW or len(set(here)) == 1 or len(set(rest)) == 1:
        return None
    return statistics.correlation(here, rest)


def histogram(results):
    """How many students have 0 up to 10 %, 10 up to 20 %, ..., 90 to 100 % of the points."""
    counts = [0] * BINS
    for each in results.handed_in:
        share = max(each.score, 0) / results.max_score if results.max_score else 0
        counts[min(int(share * BINS + 1e-9), BINS - 1)] += 1
    return counts


def misconceptions(results, name):
    """Misconception -> the students who hold it, most common first."""
    held = {}
    for each in results.handed_in:
        for wrong in each.misconceptions.get(name, ()):
            held.setdefault(wrong, []).append(each.student)
    return dict(sorted(held.items(), key=lambda item: (-len(item[1]), item[0])))


# --- Pieces of the page ---------------------------------------------------------------------------


def _summary(results):
    scores = [each.score for each in results.handed_in]
    if not scores:
        return "<p>Nobody has been graded yet.</p>"
    missing = len(results.submissions) - len(scores)
    return (
        f"<p>{len(scores)} of {len(results.submissions)} students handed something in"
        f"{f', {missing} did not' if missing else ''}. "
        f"Of {results.max_score:g} points the median is {statistics.median(scores):g} and the mean "
        f"{statistics.fmean(scores):.1f}; the least is {min(scores):g}, the most {max(scores):g}."
        "</p>"
    )


def _distribution(results):
    """A column chart, drawn as SVG."""
    counts = histogram(results)
    top = max(*counts, 1)
    wide, high, step = 640, 200, 60
    columns = []
    for k, count in enumerate(counts):
        x, tall = 20 + k * step, round(high * count / top)
        says = f"{10 * k} to {10 * k + 10} %: {_students(count)}"
        columns.append(
            f'<g><title>{says}</title><rect x="{x}" y="{high + 24 - tall}" width="{step - 8}" '
            f'height="{tall}"/><text x="{x + 26}" y="{high + 16 - tall}">{count or ""}</text>'
            f'<text x="{x + 26}" y="{high + 44}">{10 * k}–{10 * k + 10}</text></g>'
        )
    label = "; ".join(f"{10 * k} to {10 * k + 10} %: {count}" for k, count in enumerate(counts))
    return (
        f'<svg viewBox="0 0 {wide} {high + 60}" role="img" aria-label="Students by share of the '
        f'points. {label}">{"".join(columns)}</svg>'
        "<p class=note>Students, by the share of the points that they earned, in per cent.</p>"
    )


def _exercises(results):
    rows = []
    for name, points in results.exercises.items():
        share, together = difficulty(results, name), discrimination(results, name)
        full = sum(each.points.get(name, 0) >= points for each in results.handed_in)
        none = sum(each.points.get(name, 0) == 0 for each in results.handed_in)
        rows.append(
            f"<tr><th scope=row>{html.escape(name)}</th><td>{points:g}</td><td>{_bar(share)}</td>"
            f"<td>{full}</td><td>{none}</td><td>{_number(together)}</td></tr>"
        )
    return (
        "<table><thead><tr><th scope=col>Exercise</th><th scope=col>Points</th>"
        "<th scope=col>Earned on average</th><th scope=col>Full marks</th><th scope=col>None</th>"
        f"<th scope=col>Discrimination</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
        "<p class=note>Discrimination is the correlation of an exercise with the rest of the "
        "assignment: near 1, those who do well elsewhere do well here; near 0 or below, look at "
        f"the exercise. It is left out below {FEW} students.</p>"
    )


def _misconceptions(results):
    sections = []
    for name in results.exercises:
        held = misconceptions(results, name)
        lost = [
            each for each in results.handed_in if each.points.get(name, 0) < results.exercises[name]
        ]
        unexplained = [each.student for each in lost if not each.misconceptions.get(name)]
        if not lost:
            continue
        rows = [_misconception(name, wrong, who, results) for wrong, who in held.items()]
        if unexplained:
            rows.append(_row("not recognised", "", unexplained, results))
        sections.append(
            f"<h3>{html.escape(name)}</h3><table class=wrong><thead><tr>"
            "<th scope=col>Misconception</th><th scope=col>Students</th>"
            "<th scope=col>What they were told</th></tr></thead>"
            f"<tbody>{''.join(rows)}</tbody></table>"
        )
    return "".join(sections) or "<p>Nobody lost a point.</p>"


def _misconception(name, wrong, who, results):
    known = (
        {each.name: each.says for each in EXERCISES[name].misconceptions}
        if name in EXERCISES
        else {}
    )
    return _row(wrong, known.get(wrong, ""), who, results)


def _row(wrong, says, who, results):
    share = len(who) / len(results.handed_in)
    return (
        f"<tr><th scope=row>{html.escape(wrong)}</th><td class=who>{_bar(share, str(len(who)))}"
        f"<details><summary>who</summary>{html.escape(', '.join(who))}</details></td>"
        f"<td class=told>{html.escape(says)}</td></tr>"
    )


def _attention(results):
    rows = []
    for each in results.submissions:
        what = list(each.flags)
        if each.to_grade_by_hand:
            what.append(f"to be graded by hand: {', '.join(each.to_grade_by_hand)}")
        if each.seconds_late:
            what.append(f"{each.seconds_late / 3600:.1f} hours late")
        if what:
            items = "".join(f"<li>{html.escape(item)}</li>" for item in what)
            rows.append(
                f"<tr><th scope=row>{html.escape(each.student)}</th><td><ul>{items}</ul></td></tr>"
            )
    absent = [each.student for each in results.submissions if not each.handed_in]
    missing = (
        f"<p>Nothing was handed in by: {html.escape(', '.join(absent))}.</p>" if absent else ""
    )
    if not rows:
        return missing or "<p>Nothing.</p>"
    counts = Counter(flag for each in results.submissions for flag in each.flags)
    same = [f"“{html.escape(flag)}” {n} times" for flag, n in counts.most_common(3) if n > 2]
    often = f"<p class=note>Most often: {', '.join(same)}.</p>" if same else ""
    return (
        "<table><thead><tr><th scope=col>Student</th><th scope=col>What was found</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>{often}{missing}"
    )


def _students(count):
    return f"{count} student{'s' if count != 1 else ''}"


def _number(value):
    return "" if value is None else f"{value:.2f}".replace("-", "−")


def _bar(share, text=None):
    if share is None:
        return ""
    percent = round(100 * share)
    return (
        f'<span class=bar aria-hidden=true><span style="width:{percent}%"></span></span> '
        f"{text or f'{percent} %'}"
    )


PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Class report: $title</title>
<style>
:root { --paper: #fcfbf8; --surface: #f3f1ea; --ink: #1d1f21; --muted: #5c6067; --grid: #dcd9d0;
  --bar: #0a63c9; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181b; --surface: #1f2226; --ink: #e7e5df;
  --muted: #a4a8ae; --grid: #383c42; --bar: #a3c4ff; } }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1, h2, h3 { line-height: 1.2; margin: 2rem 0 .6rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem;
  border-bottom: 1px solid var(--grid); }
tbody th { font-weight: 600; }
td.who { min-width: 8.5rem; }
@media (max-width: 40rem) { .wrong thead { display: none; }
  .wrong tr { display: block; padding: .6rem 0; border-bottom: 1px solid var(--grid); }
  .wrong th, .wrong td { display: block; padding: .1rem 0; border: 0; } }
td ul { margin: 0; padding-left: 1.2rem; }
.note { color: var(--muted); font-size: .9rem; }
.bar { display: inline-block; width: 6rem; height: .8em; background: var(--surface);
  border: 1px solid var(--grid); }
.bar span { display: block; height: 100%; background: var(--bar); }
svg { width: 100%; max-width: 40rem; height: auto; }
svg rect { fill: var(--bar); }
svg text { fill: var(--ink); font-size: 14px; text-anchor: middle; }
@media print { details { display: none; } }
</style>
</head>
<body>
<h1>Class report: $title</h1>
<p class=note>$date</p>
$summary
<h2>Marks</h2>
$distribution
<h2>Exercises</h2>
<div class=scroll tabindex=0 role=region aria-label="Exercises">$exercises</div>
<h2>What the class misunderstood</h2>
<div class=scroll tabindex=0 role=region aria-label="Misconceptions">$misconceptions</div>
<h2>For a person to look at</h2>
<div class=scroll tabindex=0 role=region aria-label="Submissions to look at">$attention</div>
</body>
</html>
""")
