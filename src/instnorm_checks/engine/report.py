"""What the student reads: the message first and the traceback last, as text and as HTML.

Of hidden cases nothing is shown but shapes, the place of the first wrong value and the property
that broke: no inputs, no expected values, no text that the student's code could have filled with
them.
"""

import html
import re
import textwrap
from dataclasses import dataclass
from importlib import metadata

import numpy as np

from .compare import agree, close, first_disagreement
from .mark import Mark, mark_of

WIDTH = 92
MARGIN = 4  # of what stands under an aspect
SIDE_BY_SIDE = 8  # rows and columns that are shown of an array, at most

try:
    VERSION = metadata.version("instnorm")
except metadata.PackageNotFoundError:  # run from sources that were never installed
    VERSION = "of no known version"


@dataclass(frozen=True)
class Report:
    """What there is to say about one answer, and the mark for it.

    `text` is for terminals, logs and screen readers, `html` for a notebook or a page: one element,
    in the colours of what surrounds it, with everything escaped that a student's code could fill.
    """

    mark: Mark
    blocks: tuple

    @property
    def text(self):
        return "\n\n".join(block.text for block in self.blocks)

    @property
    def html(self):
        return f'<div class="instnorm-report">{STYLE}{"".join(b.html for b in self.blocks)}</div>'

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": self.text, "text/html": self.html}


def report_on(examination):
    """The whole report on an examined answer."""
    exercise = examination.exercise
    mark = mark_of(examination)
    if _is_blank(examination):
        return Report(
            mark,
            (
                Paragraph(
                    f"{exercise.id}: {exercise.function_name} is not written yet. Replace the line "
                    "that raises NotImplementedError, run that cell, then this one."
                ),
            ),
        )
    missed = [trial for trial in examination.trials if not trial.passed]
    blocks = [
        Headline(_headline(examination)),
        *_names(examination),
        *map(Paragraph, _troubles(exercise, missed)),
        *map(Paragraph, examination.broken),
        Aspects(tuple(_aspects(examination))),
        *_printed(missed),
        *_traceback(missed),
    ]
    if not missed and examination.seed is None:
        blocks.append(Paragraph("Grading adds hidden cases of other shapes and values."))
    return Report(mark, tuple(blocks))


def not_adapted(exercise):
    """The report on a function that a cell of the notebook should have wrapped."""
    return _no_points(
        exercise,
        f"{exercise.id}: run the cell above this one first, and again after each change of "
        f"{exercise.function_name}: it gives your function the arrays that it is written for.",
    )


def not_a_function(exercise, thing):
    """The report on something that can't be called."""
    return _no_points(
        exercise,
        f"{exercise.id}: the check needs the function itself, as in "
        f'check("{exercise.id}", {exercise.function_name}), with no brackets after its name. '
        f"It was given an object of type {type(thing).__name__}.",
    )


def _no_points(exercise, says):
    evidence = {"exercise": exercise.id, "points": 0.0, "of": exercise.points}
    return Report(Mark(0, evidence), (Paragraph(says),))


# --- What a report is made of ---------------------------------------------------------------------


@dataclass(frozen=True)
class Headline:
    says: str

    @property
    def text(self):
        return self.says

    @property
    def html(self):
        return f"<p><strong>{_escaped(self.says)}</strong></p>"


@dataclass(frozen=True)
class Paragraph:
    says: str
    name: str = ""  # of what was recognised

    @property
    def text(self):
        return _fill(f"{self.name}: {self.says}" if self.name else self.says)

    @property
    def html(self):
        name = f"<strong>{_escaped(self.name)}:</strong> " if self.name else ""
        return f"<p>{name}{_escaped(self.says)}</p>"


@dataclass(frozen=True)
class Verbatim:
    """Lines that keep their shape, under a title."""

    title: str
    lines: tuple[str, ...]

    @property
    def text(self):
        return "\n".join([self.title, *self.lines]).rstrip()

    @property
    def html(self):
        lines = _escaped(textwrap.dedent("\n".join(self.lines)))
        return f"<p>{_escaped(self.title)}</p><pre>{lines}</pre>"


@dataclass(frozen=True)
class Comparison:
    """Two small arrays, or the same part of two larger ones."""

    place: str  # "[0, 1]", or "" where it is all there is
    theirs: tuple[tuple[str, ...], ...]
    ours: tuple[tuple[str, ...], ...]
    wrong: tuple[tuple[bool, ...], ...]

    @property
    def text(self):
        columns = [
            [title, *(" ".join(cell.rjust(_widest(rows)) for cell in row) for row in rows)]
            for title, rows in (("Yours", self.theirs), ("Expected", self.ours))
        ]
        wide = max(map(len, columns[0]))
        columns[0][0] += f" {self.place}" if self.place else ""
        wide = max(wide, len(columns[0][0]))
        return "\n".join(f"{a:{wide}}    {b}".rstrip() for a, b in zip(*columns, strict=True))

    @property
    def html(self):
        return (
            '<div class="instnorm-pair">'
            f"{self._table(f'Yours {self.place}', self.theirs, self.wrong)}"
            f"{self._table('Expected', self.ours)}</div>"
        )

    def _table(self, title, rows, wrong=None):
        def cell(text, off):
            return f"<td><b>{_escaped(text)}</b></td>" if off else f"<td>{_escaped(text)}</td>"

        marks = wrong or [[False] * len(row) for row in rows]
        body = "".join(
            f"<tr>{''.join(map(cell, row, off))}</tr>" for row, off in zip(rows, marks, strict=True)
        )
        return f"<table><caption>{_escaped(title.strip())}</caption>{body}</table>"


@dataclass(frozen=True)
class Flaw:
    """What is wrong in one case, and how to see it for oneself if the case is public."""

    says: str
    case: str
    call: str | None
    comparison: Comparison | None

    @property
    def text(self):
        lines = [_fill(self.says, width=WIDTH - MARGIN)]
        if self.comparison:
            lines.append(self.comparison.text)
        case = f"Case:      {self.case}"
        lines.append(_fill(case, rest=len("Case:      ") * " ", width=WIDTH - MARGIN))
        if self.call:
            lines.append(f"To see it: {self.call}")
        return "\n".join(lines)

    @property
    def html(self):
        pair = self.comparison.html if self.comparison else ""
        call = f"<br>To see it: <code>{_escaped(self.call)}</code>" if self.call else ""
        return f"<p>{_escaped(self.says)}</p>{pair}<p>Case: {_escaped(self.case)}{call}</p>"


@dataclass(frozen=True)
class Row:
    """One aspect."""

    passed: bool
    points: float
    says: str
    flaw: Flaw | None

    @property
    def worth(self):
        return f"{self.points:g} point{'s' if self.points != 1 else ''}"

    @property
    def text(self):
        margin = MARGIN * " "
        state = "\N{CHECK MARK}" if self.passed else "\N{BALLOT X}"
        line = _fill(f"{state}  {self.worth:9} {self.says}", rest=14 * " ")
        flaw = [textwrap.indent(self.flaw.text, margin)] if self.flaw else []
        return "\n".join([line, *flaw])

    @property
    def html(self):
        sign, word = ("\N{CHECK MARK}", "passed") if self.passed else ("\N{BALLOT X}", "missed")
        flaw = f'<div class="instnorm-flaw">{self.flaw.html}</div>' if self.flaw else ""
        return (
            f'<li><span aria-hidden="true">{sign}</span>'
            f'<span class="instnorm-said">{word}, </span> '
            f"<b>{self.worth}</b> {_escaped(self.says)}{flaw}</li>"
        )


@dataclass(frozen=True)
class Aspects:
    rows: tuple[Row, ...]

    @property
    def text(self):
        return "\n".join(row.text for row in self.rows)

    @property
    def html(self):
        return f"<ul>{''.join(row.html for row in self.rows)}</ul>"


# Colours are those of the notebook or page around it, light or dark.
STYLE = """<style>
.instnorm-report { max-width: 60rem; overflow-wrap: break-word; }
.instnorm-report p { margin: .5em 0; }
.instnorm-report ul { list-style: none; padding: 0; margin: .5em 0; }
.instnorm-report li { padding-left: 1.6em; text-indent: -1.6em; margin: .3em 0; }
.instnorm-report li > span:first-child { display: inline-block; width: 1.6em; text-indent: 0; }
.instnorm-report .instnorm-flaw { text-indent: 0; border-left: 3px solid #c2410c;
  padding-left: .8em; margin: .3em 0; }
.instnorm-report .instnorm-pair { display: flex; flex-wrap: wrap; gap: .5em 2em; }
.instnorm-report table { border-collapse: collapse; width: auto; margin: 0; text-align: right;
  font-variant-numeric: tabular-nums; background: none; color: inherit; }
.instnorm-report caption { text-align: left; white-space: nowrap; color: inherit; padding: 0; }
.instnorm-report tr, .instnorm-report td { background: none; border: 0; color: inherit; }
.instnorm-report td { padding: 0 .5em; text-align: right; }
.instnorm-report td b { text-decoration: underline; }
.instnorm-report pre { overflow-x: auto; }
.instnorm-said { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap; }
</style>"""


# --- What goes into it ----------------------------------------------------------------------------


def _is_blank(examination):
    return all(
        trial.outcome.failure and trial.outcome.failure.type is NotImplementedError
        for trial in examination.trials
    )


def _headline(examination):
    exercise, seed = examination.exercise, examination.seed
    cases = "public cases" if seed is None else f"public and hidden cases, seed {seed}"
    points = f"{examination.points:g} of {exercise.points:g} points"
    return f"{exercise.id}: {points} ({cases}; instnorm {VERSION})"


def _names(examination):
    """One paragraph for each misconception that was recognised."""
    for misconception in dict.fromkeys(examination.named.values()):
        yield Paragraph(misconception.says, misconception.name)


def _troubles(exercise, missed):
    """One sentence for each way in which calls gave nothing to compare."""
    sentences = {}
    for trial in missed:
        failure = trial.outcome.failure
        if failure:
            key = failure.type, failure.where
            sentences.setdefault(key, _crash(exercise, trial))
        else:
            for part in _judged(trial):
                if isinstance(part, str):
                    sentences.setdefault(part, part)
    return [sentence[0].upper() + sentence[1:] for sentence in sentences.values()]


def _crash(exercise, trial):
    failure, wanted = trial.outcome.failure, trial.expected.failure
    if not failure.where:  # the call itself was refused, before any line of the function ran
        return f"your function can't be called as {exercise.signature}: {failure.message}."
    quoted = "" if trial.hidden or not failure.message else f" ({failure.message})"
    instead = f", where {wanted.name} is wanted," if wanted else ""
    return f"your function raised {failure.name}{quoted}{instead} at {failure.where}"


def _aspects(examination):
    """One row for each aspect; what disagrees first is shown once for each explanation."""
    shown = set()
    for aspect in examination.exercise.aspects:
        missed = examination.missed(aspect)
        explanation = examination.named.get(aspect.name)
        comparable = [trial for trial in missed if _wrong_in(examination.exercise, trial)]
        flaw = None
        if comparable and explanation not in shown:
            shown.add(explanation)
            flaw = _flaw(examination.exercise, comparable[0])
        yield Row(not missed, aspect.points, aspect.says + _pace(examination, aspect), flaw)


def _pace(examination, aspect):
    """How fast a right answer is, if it is fast enough; otherwise its flaw says so."""
    found = [t.speed for t in examination.trials if t.aspect is aspect and t.passed]
    if not aspect.pace or not found or np.inf in found:
        return ""
    if None in found:
        return " This machine is too busy to tell how long yours takes."
    return f" Yours takes {100 / min(found):.0f} %."


def _flaw(exercise, trial):
    says, comparison = _wrong_in(exercise, trial)
    values = [
        _argument(name, value)
        for name, value in trial.arguments.items()
        if not (trial.hidden and isinstance(value, float))
    ]
    call = None
    if not trial.hidden:
        k = next(k for k, case in enumerate(trial.aspect.public) if case is trial.arguments)
        case = f'public_case("{exercise.id}", "{trial.aspect.name}", {k})'
        call = f"{exercise.function_name}(**{case})"
    return Flaw(
        f"{says[0].upper()}{says[1:]}.",
        f"{'hidden, ' if trial.hidden else ''}{', '.join(values)}",
        call,
        comparison,
    )


def _argument(name, value):
    """An argument in a few words, which stay on one line."""
    if isinstance(value, np.ndarray):
        words = f"{name} {value.shape}"
    elif isinstance(value, float):
        words = f"{name} = {value:g}"
    else:
        words = f"{name} = {value!r}"
    return words.replace(" ", "\N{NO-BREAK SPACE}")


def _wrong_in(exercise, trial):
    """What is wrong with the arrays that came back, and a Comparison; None if there is nothing."""
    if trial.expected.failure and not trial.outcome.failure:
        wanted = trial.expected.failure.name
        return f"your function returned something, where it should raise {wanted}", None
    if trial.outcome.failure or any(isinstance(part, str) for part in _judged(trial)):
        return None
    if trial.is_slow:
        return _slowness(trial.speed, trial.aspect.pace.times), None
    for k in trial.aspect.judges:
        name = "output" if len(exercise.returns) == 1 else exercise.returns[k]
        part, expected = trial.outcome.parts[k], trial.expected.parts[k]
        if not agree(part, expected, trial.aspect.tolerance):
            return _difference(name, part, expected, trial)
    if trial.outcome.changed:
        names = " and ".join(trial.outcome.changed)
        return f"the values are right, but your function changed its argument {names}", None
    theirs, ours = (
        ", ".join(sorted({str(outcome.parts[k].dtype) for k in trial.aspect.judges}))
        for outcome in (trial.outcome, trial.expected)
    )
    if theirs == ours:
        return "the values are right to some 7 digits, where float64 has 16", None
    return f"the values are right, but their dtype is {theirs}, where {ours} is needed", None


def _slowness(speed, needed):
    if speed == 0:
        return "the values are right at first, and not when your function is called again"
    return (
        f"the values are right, but your function takes {100 / speed:.0f} % of the naive version's "
        f"time, where {100 / needed:.0f} % is the most. (No points depend on it)"
    )


def _difference(name, part, expected, trial):
    if part.shape != expected.shape:
        return f"your {name} should have shape {expected.shape}, and has {part.shape}", None
    place = first_disagreement(part, expected, trial.aspect.tolerance)
    comparison = None if trial.hidden else _side_by_side(part, expected, place)
    if not np.isfinite(part).all():
        bad = np.argwhere(~np.isfinite(part))
        count = f"{len(bad)} of {part.size} values, the first at {_index(bad[0])}"
        return f"there is NaN or infinity in your {name} ({count})", comparison
    if trial.hidden:
        return f"your {name} differs from what is right, first at {_index(place)}", None
    theirs, ours = _apart(part[place], expected[place])
    return f"your {name} at {_index(place)} is {theirs}, expected {ours}", comparison


def _side_by_side(part, expected, place):
    """The part of both arrays, of no more than two axes, in which they first disagree."""
    kept = min(part.ndim, 2)
    outer = place[: part.ndim - kept]
    theirs, ours = (np.atleast_2d(array[outer]) for array in (part, expected))
    if part.ndim == 0 or part.size == 1 or max(theirs.shape) > SIDE_BY_SIDE:
        return None
    digits = _digits_apart(part[place], expected[place])
    where = _index(outer) if any(size > 1 for size in part.shape[: len(outer)]) else ""
    return Comparison(
        where,
        *(
            tuple(tuple(_short(value, digits, scale) for value in row) for row in rows.tolist())
            for rows, scale in ((theirs, _scale(theirs)), (ours, _scale(ours)))
        ),
        tuple(map(tuple, (~close(theirs, ours)).tolist())),
    )


def _printed(missed):
    """What the function printed in a public case, for those who look for mistakes by printing."""
    texts = (trial.outcome.printed for trial in missed if not trial.hidden)
    text = next((text for text in texts if text.strip()), None)
    if text:
        lines = [
            "    " + "".join(c if c.isprintable() else " " for c in line[:80])
            for line in text.split("\n")[:8]
        ]
        yield Verbatim("Your function printed:", tuple(lines))


def _traceback(missed):
    """The student's own lines that led to the first exception in a public case."""
    failures = (trial.outcome.failure for trial in missed if not trial.hidden)
    failure = next((failure for failure in failures if failure and failure.where), None)
    if failure and failure.trace:
        yield Verbatim("Traceback (your own lines):", tuple(failure.trace.split("\n")))


def _judged(trial):
    return [trial.outcome.parts[k] for k in trial.aspect.judges]


def _index(place):
    return "[" + ", ".join(str(int(i)) for i in place) + "]"


def _digits_apart(theirs, ours):
    """As few digits as tell two numbers apart, but no fewer than 4."""
    for digits in (4, 6, 9, 12, 17):
        if f"{theirs:.{digits}g}" != f"{ours:.{digits}g}":
            break
    return digits


def _scale(rows):
    return max((abs(value) for value in rows.ravel() if np.isfinite(value)), default=0.0)


def _short(value, digits, scale):
    """A number in few digits; what is rounding error next to its neighbours is 0."""
    return "0" if abs(value) < 1e-14 * scale else f"{value:.{digits}g}"


def _apart(theirs, ours):
    digits = _digits_apart(theirs, ours)
    return f"{theirs:.{digits}g}", f"{ours:.{digits}g}"


def _widest(rows):
    return max(len(cell) for row in rows for cell in row)


def _escaped(text):
    return html.escape(text.replace("\N{NO-BREAK SPACE}", " "))


def _fill(text, rest="", width=WIDTH):
    """Wrap to `width`, keeping shapes and indices such as (2, 3, 4, 5) in one piece."""
    glued = re.sub(r"(?<=\d,) (?=\d)", "\N{NO-BREAK SPACE}", text)
    filled = textwrap.fill(
        glued,
        width,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace("\N{NO-BREAK SPACE}", " ")
