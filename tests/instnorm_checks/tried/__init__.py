"""Answers that were tried on the checks, written as students write, without sight of the checks.

`RIGHT` and `WRONG` hold them, {exercise: {name: function}}. What has to come of the wrong ones is
in outcomes.toml: the points for public cases and for all, and the misconceptions that are
recognised. Each was compared with the source of the answer: it says what is wrong with that.
"""

import importlib
import tomllib
from pathlib import Path

FOLDER = Path(__file__).parent


def _all(kind):
    found = {}
    for path in sorted(FOLDER.glob(f"{kind}_*.py")):
        module = importlib.import_module(f"tried.{path.stem}")
        for exercise, functions in getattr(module, kind.upper()).items():
            found.setdefault(exercise, {}).update(functions)
    return found


RIGHT, WRONG = _all("right"), _all("wrong")
OUTCOMES = {
    (exercise, name): outcome
    for exercise, outcomes in tomllib.loads(
        (FOLDER / "outcomes.toml").read_text(encoding="utf-8")
    ).items()
    for name, outcome in outcomes.items()
}
