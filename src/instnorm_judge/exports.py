"""Marks as CSV files: all there is to know, or what a learning platform wants to import."""

import csv
import io
import unicodedata

# A spreadsheet takes a cell that begins so for a formula, and names are chosen by students.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
PLATFORMS = ("plain", "moodle", "canvas")  # that take feedback


def _text(value):
    """Text that a spreadsheet shows as text; full-width signs are formulas to some of them."""
    return f"'{value}" if unicodedata.normalize("NFKC", value[:1]).startswith(FORMULA) else value


def _points(value):
    return "" if value is None else f"{value:g}"


def everything(results):
    """A line for each student: points of each exercise, why some are missing, and what was odd."""
    header = ["student", "last name", "first name", "email", "score", "of", "seconds late"]
    for name in results.exercises:
        header += [name, f"{name}: why"]
    rows = [[*header, "no mark because", "to grade by hand", "flags"]]
    for each in results.submissions:
        row = [each.student, each.last_name, each.first_name, each.email]
        row += [_points(each.score), _points(results.max_score), _points(each.seconds_late)]
        for name in results.exercises:
            why = " ".join(each.misconceptions.get(name, ())) or each.reasons.get(name, "")
            row += [_points(each.points.get(name)), why]
        row += [each.ungraded, " ".join(each.to_grade_by_hand), "; ".join(each.flags)]
        rows.append([_text(cell) for cell in row])
    return _csv(rows, "utf-8-sig")  # without the mark at its beginning Excel garbles names


def canvas(results):
    """For the import in Canvas's gradebook: students are found by their SIS login.

    The second line gives the most points possible, and is not a student.
    """
    rows = [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", results.assignment],
        ["    Points Possible", "", "", "", "", _points(results.max_score)],
    ]
    for each in results.submissions:
        name = ", ".join(part for part in (each.last_name, each.first_name) if part)
        # Names are for people. The login is matched, so it stays as it is.
        about = [_text(name or each.student), "", "", each.student, ""]
        rows.append([*about, _points(each.score)])
    return _csv(rows)


def moodle(results):
    """For Moodle's grade import, where "Username" is mapped to the user name of the same form."""
    rows = [["Username", "First name", "Last name", "Email address", results.assignment]]
    for each in results.submissions:
        about = map(_text, (each.first_name, each.last_name, each.email))
        rows.append([each.student, *about, _points(each.score)])
    return _csv(rows)


FORMATS = {"csv": everything, "canvas": canvas, "moodle": moodle}


def _csv(rows, encoding="utf-8"):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode(encoding, "replace")
