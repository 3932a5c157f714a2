"""What becomes of a notebook on its way from a student's editor to the instructor's folder.

Each mangling takes the notebook (a dict), and returns the files that are handed in: path below the
student's folder -> bytes. NAME is what the notebook, and its assignment, were called.
"""

import copy
import io
import json
import tarfile
import unicodedata
import zipfile
from pathlib import Path

NAME = "the-algorithm"
RIGHT = f"{NAME}/{NAME}.ipynb"
HANDED_OUT = Path(__file__).parents[2] / f"exercises/{NAME}/{NAME}.ipynb"


def text(notebook, **options):
    return json.dumps(notebook, **options).encode()


def zipped(files):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path, content in files.items():
            file.writestr(path, content)
    return archive.getvalue()


def source(cell):
    return "".join(cell["source"])


def blank_notebook():
    return HANDED_OUT.read_bytes()


def nothing(notebook):
    return {RIGHT: text(notebook)}


def second_download(notebook):
    return {f"{NAME}/{NAME} (1).ipynb": text(notebook)}


def own_name(notebook):
    return {f"{NAME}/{NAME}-ada.ipynb": text(notebook)}


def another_name(notebook):
    return {f"{NAME}/Untitled7.ipynb": text(notebook)}


def text_file(notebook):
    return {f"{NAME}/{NAME}.ipynb.txt": text(notebook)}


def upper_case(notebook):
    return {"The-Algorithm/The-Algorithm.IPYNB": text(notebook)}


def a_folder_deeper(notebook):
    return {f"{NAME}/{NAME}/{NAME}.ipynb": text(notebook)}


def no_folder(notebook):
    return {f"{NAME}.ipynb": text(notebook)}


def another_folder(notebook):
    return {f"Übung 1/{unicodedata.normalize('NFD', 'Lösung')}.ipynb": text(notebook)}


def utf_16(notebook):
    return {RIGHT: json.dumps(notebook, ensure_ascii=False).encode("utf-16")}


def byte_order_mark(notebook):
    return {RIGHT: json.dumps(notebook, ensure_ascii=False).encode("utf-8-sig")}


def windows(notebook):
    notebook["cells"][0]["source"] = f"# Größe – {source(notebook['cells'][0])}"
    content = json.dumps(notebook, ensure_ascii=False, indent=1)
    return {RIGHT: content.replace("\n", "\r\n").encode("cp1252", "xmlcharrefreplace")}


def no_metadata(notebook):
    for cell in notebook["cells"]:
        cell["metadata"] = {}
        cell.pop("id", None)
    return {f"{NAME}/work.ipynb": text(notebook)}


def split(notebook):
    """Each answer in two cells, both of which keep the name."""
    cells = []
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("solution"):
            first = copy.deepcopy(cell)
            first["source"], first["id"] = source(cell), f"{cell['id']}-1"
            cells.append(first)
            cell["source"] = "# and that is all"
        cells.append(cell)
    notebook["cells"] = cells
    return {RIGHT: text(notebook)}


def joined(notebook):
    """Each answer joined to the test below it, under the name of the test."""
    cells, answer = [], None
    for cell in notebook["cells"]:
        about = cell["metadata"].get("nbgrader", {})
        if about.get("solution"):
            answer = cell
        elif about.get("grade") and answer:
            cell["source"] = f"{source(answer)}\n\n{source(cell)}"
            cells.append(cell)
            answer = None
        else:
            cells.append(cell)
    notebook["cells"] = cells
    return {RIGHT: text(notebook)}


def twice(notebook):
    return {RIGHT: text(notebook), f"{NAME}/{NAME}-copy.ipynb": text(notebook, indent=2)}


def beside_a_blank_one(notebook):
    return {RIGHT: HANDED_OUT.read_bytes(), f"{NAME}/{NAME} (1).ipynb": text(notebook)}


def archive_in_archive(notebook):
    inner = zipped({f"work/{NAME}.ipynb": text(notebook), "__MACOSX/._x": b"litter"})
    return {f"{NAME}/homework.zip": zipped({"inner.zip": inner})}


def tar_ball(notebook):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as file:
        about = tarfile.TarInfo(f"home/{NAME}.ipynb")
        about.size = len(text(notebook))
        file.addfile(about, io.BytesIO(text(notebook)))
    return {f"{NAME}/work.tar.gz": archive.getvalue()}


def checkpoint_only(notebook):
    return {f"{NAME}/.ipynb_checkpoints/{NAME}-checkpoint.ipynb": text(notebook)}


def install_first(notebook):
    first = {"cell_type": "code", "source": "%pip install -q instnorm", "metadata": {}}
    notebook["cells"].insert(0, {**first, "outputs": [], "execution_count": None, "id": "install"})
    return {RIGHT: text(notebook)}


MANGLINGS = (
    second_download,
    own_name,
    another_name,
    text_file,
    upper_case,
    a_folder_deeper,
    no_folder,
    another_folder,
    utf_16,
    byte_order_mark,
    windows,
    no_metadata,
    split,
    joined,
    twice,
    beside_a_blank_one,
    archive_in_archive,
    tar_ball,
    checkpoint_only,
    install_first,
)


# --- Beyond repair: a reason is wanted in place of a mark -----------------------------------------


def cut_off(notebook):
    return {RIGHT: text(notebook)[:-100]}


def printed(notebook):
    return {f"{NAME}/{NAME}.pdf": b"%PDF-1.7 ..."}


def another_assignment(notebook):
    for cell in notebook["cells"]:
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"]["grade_id"] += "-2"
        cell["source"] = source(cell).replace('check("', 'check("x-')
    return {f"{NAME}/limits.ipynb": text(notebook)}


def locked_archive(notebook):
    content = bytearray(zipped({f"{NAME}.ipynb": text(notebook)}))
    content[6] |= 1  # as if it had a password
    where = content.rindex(b"PK\x01\x02")
    content[where + 8] |= 1
    return {f"{NAME}/work.zip": bytes(content)}


BEYOND_REPAIR = cut_off, printed, another_assignment, locked_archive
