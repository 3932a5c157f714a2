"""Who takes part: imported from a CSV file as spreadsheets and learning platforms write it."""

import csv
import re

from .hand_ins import same
from .rebuild import decoded

# What columns are called, by spreadsheets, nbgrader, Canvas and Moodle, without spaces. The first
# that is there counts: the login is what a platform finds students by.
COLUMNS = {
    "id": ("username", "sisloginid", "loginid", "login", "id", "studentid", "idnumber"),
    "first_name": ("firstname", "givenname"),
    "last_name": ("lastname", "surname", "familyname"),
    "email": ("email", "emailaddress"),
    "lms_user_id": ("lmsuserid",),
}


def read(content):
    """The students in the bytes of a CSV file: [{"id": ..., "first_name": ..., ...}].

    Raises ValueError, in words, if there is no column with their logins, or an id twice.
    """
    text = decoded(content)
    heading = text.splitlines()[0] if text.strip() else ""
    rows = csv.DictReader(text.splitlines(), delimiter=max(",;\t", key=heading.count))
    columns = {re.sub(r"[\W_]", "", same(name)): name for name in rows.fieldnames or () if name}
    names = {
        key: next((columns[each] for each in wanted if each in columns), None)
        for key, wanted in COLUMNS.items()
    }
    if names["id"] is None:
        raise ValueError(
            f"there is no column with the students' logins, such as id, Username or SIS Login ID; "
            f"there are: {', '.join(columns.values()) or 'none'}"
        )
    canvas = "sisloginid" in columns and "student" in columns
    if canvas:  # the gradebook as Canvas exports it
        names["lms_user_id"] = columns.get("id")
    students = {}
    for row in rows:
        one = {key: (row[name] or "").strip() or None for key, name in names.items() if name}
        if one["id"] is None:
            continue  # an empty line, or the points possible
        if canvas:
            last, _, first = (row[columns["student"]] or "").partition(",")
            one.update(first_name=first.strip() or None, last_name=last.strip() or None)
        if one["id"] in students:
            raise ValueError(f"{one['id']!r} is there twice")
        students[one["id"]] = one
    return list(students.values())


def enter(gradebook, students):
    """Add students to an open Gradebook, or bring what it knows of them up to date."""
    for each in students:
        about = dict(each)
        gradebook.update_or_create_student(about.pop("id"), **about)
