"""nbgrader for this course.

    nbgrader generate_assignment the-algorithm    register the assignment in the gradebook
    nbgrader autograde the-algorithm              grade what is in submitted/<student>/the-algorithm
    nbgrader generate_feedback the-algorithm      explain the marks, in feedback/

Run nbgrader in the folder of this file: the repository itself, or a course folder of your own with
copies of this file and of solutions/.
"""

import os
import sys
from pathlib import Path

from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader.preprocessors import GetGrades, LimitOutput, OverwriteKernelspec

from instnorm_checks import grading_seed
from instnorm_judge.assignments import make_source_notebooks
from instnorm_judge.execute import Execute, Exporter
from instnorm_judge.feedback import TEMPLATES, FeedbackExporter, HideTests
from instnorm_judge.formgrader import escape_names
from instnorm_judge.grades import SaveAutoGrades
from instnorm_judge.lateness import AssignLatePenalties
from instnorm_judge.rebuild import Rebuild

c = get_config()  # noqa: F821

# nbgrader starts `alembic` by its bare name, which only an activated environment would find.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

# nbgrader reads .ipynb; our source is text.
make_source_notebooks(Path(__file__).parent / "solutions")

c.CourseDirectory.course_id = "instance-normalization"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
# Whatever else lies in a source folder, nbgrader hands out. The text with the solutions lies there.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback", "*.md"]
# Nor do the notes of grading go to students, with their feedback.
c.CourseDirectory.ignore += [".judged.json", "grading.log"]

# exercises/ comes with the repository; without this, nbgrader would not register what is there.
c.GenerateAssignment.force = True
c.ClearSolutions.code_stub = {
    "python": "# YOUR CODE HERE, in place of the next line.\n"
    'raise NotImplementedError("not written yet")'
}

# Student code runs in a sandbox, and grading refuses to start where there is none. For work that
# you trust as your own, set INSTNORM_UNSANDBOXED=1, or c.Execute.unsandboxed = True below.
c.Autograde.exporter_class = Exporter
c.Autograde.pre_convert_hook = "instnorm_judge.rebuild.check_folder"
c.Autograde.sanitize_preprocessors = [
    OverwriteKernelspec,
    Rebuild,  # makes all metadata anew, so that CheckCellMetadata has nothing to find
]
c.Autograde.autograde_preprocessors = [
    Execute,
    LimitOutput,
    SaveAutoGrades,
    AssignLatePenalties,
]

# What being late costs; see instnorm_judge/lateness.py. It is worked out anew on every run.
c.LatePenalty.per_day = 0.0  # share of the points earned, for each started day
c.LatePenalty.grace = 0  # minutes that nobody minds
c.LatePenalty.extensions = {}  # {"the-algorithm": {"ada": 2}}: days

# Feedback is a web page with text by students in it: no scripts. And none of the hidden tests.
c.HTMLExporter.sanitize_html = True
c.GenerateFeedback.exporter_class = FeedbackExporter
# And formgrader shows the names of students as they are, unless it is told not to.
escape_names()
c.FeedbackExporter.extra_template_basedirs = [TEMPLATES]
c.FeedbackExporter.template_name = "diagnosis"
c.GenerateFeedback.preprocessors = [GetGrades, HideTests, CSSHTMLHeaderPreprocessor]

c.Execute.timeout = 30  # seconds for one cell
c.Execute.error_on_timeout = {
    "ename": "CellTimeoutError",
    "evalue": "",
    "traceback": ["This cell took too long and was stopped. Is there a loop that never ends?"],
}
c.Execute.shutdown_kernel = "immediate"

# One seed for the hidden cases of a whole run, handed down to the kernels through the environment.
# It is drawn afresh unless INSTNORM_GRADING_SEED is set; every report states it.
try:
    grading_seed()
except ValueError as error:
    raise SystemExit(f"nbgrader_config.py: {error}") from None
