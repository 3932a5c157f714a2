"""What the student reads: plain text, the message first and the traceback last.

Of hidden cases nothing is shown but shapes, the place of the first wrong value and the property
that broke: no inputs, no expected values, no text that the student's code could have filled with
them.
"""

import re
import textwrap

import numpy as np

from .compare import agree, first_disagreement

WIDTH = 92
MARGIN = 18  # of what stands under an aspect


def render(examination):
    """The whole report on one exercise."""
    exercise = examination.exercise
    if _is_blank(examination):
        return _fill(
            f"{exercise.id}: {exercise.function_name} is not written yet. Replace the line that "
            "raises NotImplementedError, run that cell, then this one."
        )
    missed = [trial for trial in examination.trials if not trial.passed]
    blocks = [
        _headline(examination),
        *_names(examination),
        *_troubles(exercise, missed),
        *(_fill(says) for says in examination.broken),
        _aspects(examination),
        *_printed(missed),
        *_traceback(missed),
    ]
    if not missed and examination.seed is None:
        blocks.append("Grading adds hidden cases of other shapes and values.")
    return "\n\n".join(blocks)


def not_a_function(exercise, thing):
    """The report on something that can't be called."""
    return _fill(
        f"{exercise.id}: the check needs the function itself, as in "
        f'check("{exercise.id}", {exercise.function_name}), with no brackets after its name. '
        f"It was given an object of type {type(thing).__name__}."
    )


def _is_blank(examination):
    return all(
        trial.outcome.failure and trial.outcome.failure.type is NotImplementedError
        for trial in examination.trials
    )


def _headline(examination):
    exercise, seed = examination.exercise, examination.seed
    cases = "public cases" if seed is None else f"public and hidden cases, seed {seed}"
    return f"{exercise.id}: {examination.points:g} of {exercise.points:g} points ({cases})"


def _names(examination):
    """One paragraph for each misconception that was recognised."""
    for misconception in dict.fromkeys(examination.named.values()):
        yield _fill(f"{misconception.name}: {misconception.says}")


def _troubles(exercise, missed):
    """One paragraph for each way in which calls gave nothing to compare."""
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
    return [_fill(sentence[0].upper() + sentence[1:]) for sentence in sentences.values()]


def _crash(exercise, trial):
    failure, wanted = trial.outcome.failure, trial.expected.failure
    if not failure.where:  # the call itself was refused, before any line of the function ran
        return f"your function can't be called as {exercise.signature}: {failure.message}."
    quoted = "" if trial.hidden or not failure.message else f" ({failure.message})"
    instead = f", where {wanted.name} is wanted," if wanted else ""
    return f"your function raised {failure.name}{quoted}{instead} at {failure.where}"


def _aspects(examination):
    """One entry for each aspect; what disagrees first is shown once for each explanation."""
    lines, shown = [], set()
    for aspect in examination.exercise.aspects:
        missed = examination.missed(aspect)
        state = "missed" if missed else "passed"
        points = f"{aspect.points:g} point{'s' if aspect.points != 1 else ''}"
        lines.append(_fill(f"{state}  {points:9} {aspect.says}", "", MARGIN * " "))
        explanation = examination.named.get(aspect.name)
        comparable = [trial for trial in missed if _flaw(examination.exercise, trial)]
        if comparable and explanation not in shown:
            shown.add(explanation)
            lines.append(_disagreement(examination.exercise, comparable[0]))
    return "\n".join(lines)


def _disagreement(exercise, trial):
    """What is wrong, for which arguments, and how to see it for oneself if the case is public."""
    indent = MARGIN * " "
    values = [
        _argument(name, value)
        for name, value in trial.arguments.items()
        if not (trial.hidden and isinstance(value, float))
    ]
    flaw = _flaw(exercise, trial)
    lines = [
        _fill(f"{flaw[0].upper()}{flaw[1:]}.", indent, indent),
        _fill(
            f"Case:      {'hidden, ' if trial.hidden else ''}{', '.join(values)}",
            indent,
            indent + len("Case:      ") * " ",
        ),
    ]
    if not trial.hidden:
        k = next(k for k, case in enumerate(trial.aspect.public) if case is trial.arguments)
        case = f'public_case("{exercise.id}", "{trial.aspect.name}", {k})'
        lines.append(f"{indent}To see it: {exercise.function_name}(**{case})")
    return "\n".join(lines)


def _argument(name, value):
    """An argument in a few words, which are not to be torn apart at the end of a line."""
    if isinstance(value, np.ndarray):
        words = f"{name} {value.shape}"
    elif isinstance(value, float):
        words = f"{name} = {value:g}"
    else:
        words = f"{name} = {value!r}"
    return words.replace(" ", "\N{NO-BREAK SPACE}")


def _flaw(exercise, trial):
    """What is wrong with the arrays that came back; None if nothing can be compared."""
    if trial.expected.failure and not trial.outcome.failure:
        return (
            f"your function returned something, where it should raise {trial.expected.failure.name}"
        )
    if trial.outcome.failure or any(isinstance(part, str) for part in _judged(trial)):
        return None
    if trial.is_slow:
        return _slowness(trial.speed, trial.aspect.pace.times)
    for k in trial.aspect.judges:
        name = "your output" if len(exercise.returns) == 1 else f"your {exercise.returns[k]}"
        part, expected = trial.outcome.parts[k], trial.expected.parts[k]
        if not agree(part, expected):
            return _difference(name, part, expected, trial.hidden)
    if trial.outcome.changed:
        names = " and ".join(trial.outcome.changed)
        return f"the values are right, but your function changed its argument {names}"
    theirs, ours = (
        ", ".join(sorted({str(outcome.parts[k].dtype) for k in trial.aspect.judges}))
        for outcome in (trial.outcome, trial.expected)
    )
    return f"the values are right, but their dtype is {theirs}, where {ours} is needed"


def _slowness(speed, needed):
    if speed == 0:
        return "the values are right at first, and not when your function is called again"
    return (
        f"the values are right, but your function takes {100 / speed:.0f} % of the naive version's "
        f"time, where {100 / needed:.0f} % is the most"
    )


def _difference(name, part, expected, hidden):
    if part.shape != expected.shape:
        return f"{name} has shape {part.shape}, where {expected.shape} is needed"
    if not np.isfinite(part).all():
        bad = np.argwhere(~np.isfinite(part))
        count = f"{len(bad)} of {part.size} values, the first at {_index(bad[0])}"
        return f"{name} holds NaN or infinity ({count})"
    place = first_disagreement(part, expected)
    if hidden:
        return f"{name} is wrong, first at {_index(place)}"
    theirs, ours = _apart(part[place], expected[place])
    return f"{name} at {_index(place)} is {theirs}, expected {ours}"


def _printed(missed):
    """What the function printed in a public case, for those who look for mistakes by printing."""
    texts = (trial.outcome.printed for trial in missed if not trial.hidden)
    text = next((text for text in texts if text.strip()), None)
    if text:
        lines = [
            "    " + "".join(c if c.isprintable() else " " for c in line[:80])
            for line in text.split("\n")[:8]
        ]
        yield "\n".join(["Your function printed:", *lines]).rstrip()


def _traceback(missed):
    """The student's own lines that led to the first exception in a public case."""
    failures = (trial.outcome.failure for trial in missed if not trial.hidden)
    failure = next((failure for failure in failures if failure and failure.where), None)
    if failure and failure.trace:
        yield f"Traceback (your own lines):\n{failure.trace}"


def _judged(trial):
    return [trial.outcome.parts[k] for k in trial.aspect.judges]


def _index(place):
    return "[" + ", ".join(str(int(i)) for i in place) + "]"


def _apart(theirs, ours):
    """Both numbers, with as few digits as tell them apart."""
    for digits in (4, 6, 9, 12, 17):
        pair = f"{theirs:.{digits}g}", f"{ours:.{digits}g}"
        if pair[0] != pair[1]:
            break
    return pair


def _fill(text, first="", rest=""):
    """Wrap to WIDTH, keeping shapes and indices such as (2, 3, 4, 5) in one piece."""
    glued = re.sub(r"(?<=\d,) (?=\d)", "\N{NO-BREAK SPACE}", text)
    filled = textwrap.fill(
        glued,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace("\N{NO-BREAK SPACE}", " ")
