"""What figures to touch are made of, such as photographs, in files of its own.

A page comes with a still of each figure. What the figure itself needs is loaded with its module,
when the reader comes near: ``book/explorables/host.js`` does so.
"""

import hashlib
import re
import shutil

FOLDER = "models"
#: What is shorter stays in the page.
SHORT = 2000
MODEL = re.compile(r'<script type="application/json">([^<]*)</script>')


def empty(static):
    """Make room for the files of a new build in the folder `static`."""
    shutil.rmtree(static / FOLDER, ignore_errors=True)
    (static / FOLDER).mkdir()


def page(text, static):
    """A page's HTML, whose long models have been written to files in the folder `static`."""

    def apart(match):
        if len(match[1]) < SHORT:
            return match[0]
        name = f"{FOLDER}/{hashlib.sha256(match[1].encode()).hexdigest()[:12]}.json"
        (static / name).write_text(match[1], "utf-8")
        return f'<script type="application/json" data-model="{name}"></script>'

    return MODEL.sub(apart, text)
