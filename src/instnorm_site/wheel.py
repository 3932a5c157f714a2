"""Our packages as a wheel of the site: for the reader's browser, and for pip elsewhere.

Its version, and so its name, ends in a hash of the sources: a page never gets the wheel of an older
build of the site, and a reader who reports a mistake can say which one it was.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from importlib.metadata import distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

SOURCES = ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text")
EPOCH = "315619200"  # 1980, the first year that a ZIP knows: the same sources, the same bytes


def version(root):
    """The version of the wheel of these sources, for example ``0.1.0+1a2b3c4d``."""
    root = Path(root)
    declared = re.search(r'^version = "([^"]+)"', (root / "pyproject.toml").read_text(), re.M)[1]
    digest = hashlib.sha256()
    for path in [root / name for name in SOURCES] + sorted((root / "src").rglob("*")):
        if path.is_file() and not _is_by_product(path):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{declared}+{digest.hexdigest()[:8]}"


def name(root):
    """The file name of the wheel."""
    return f"instnorm-{version(root)}-py3-none-any.whl"


def build(root, folder):
    """Build the wheel of the repository `root` into `folder`; return its Path.

    Raises
    ------
    RuntimeError
        If pip fails; with what it printed.
    """
    folder = Path(folder)
    wheel = folder / name(root)
    if wheel.is_file():
        return wheel
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as copy:  # building leaves things behind in the folder of the sources
        copy = Path(copy)
        for each in SOURCES:
            shutil.copy(Path(root) / each, copy)
        unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(Path(root) / "src", copy / "src", ignore=unwanted)
        project = copy / "pyproject.toml"
        line = f'version = "{version(root)}"'
        project.write_text(re.sub(r'(?m)^version = ".*"', line, project.read_text(), count=1))
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        command += ["--no-build-isolation", "--wheel-dir", str(copy / "out"), str(copy)]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
        done = subprocess.run(command, text=True, capture_output=True, env=environment, cwd=copy)
        if done.returncode:
            raise RuntimeError(f"pip could not build our wheel:\n{done.stdout}\n{done.stderr}")
        (built,) = (copy / "out").glob("*.whl")
        for old in folder.glob("instnorm-*.whl"):
            old.unlink()
        shutil.move(built, wheel)
    return wheel


def with_plain_name(wheel, folder):
    """The same wheel under its version alone, without the hash; return its Path.

    Notebooks name the address to install it from, and that must not change with the sources.
    """
    declared, digest = re.match(r"instnorm-([^+]+)(\+[^-]+)-", wheel.name).groups()
    path = Path(folder) / wheel.name.replace(digest, "", 1)
    info = f"instnorm-{declared}.dist-info"
    record = []
    with ZipFile(wheel) as tagged, ZipFile(path, "w", ZIP_DEFLATED) as plain:
        for each in tagged.infolist():
            name, content = each.filename.replace(digest, "", 1), tagged.read(each)
            if name == f"{info}/RECORD":
                continue
            if name == f"{info}/METADATA":
                content = content.replace(f"{declared}{digest}".encode(), declared.encode(), 1)
            plain.writestr(ZipInfo(name), content, ZIP_DEFLATED)
            hashed = urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            record.append(f"{name},sha256={hashed},{len(content)}\n")
        record.append(f"{info}/RECORD,,\n")
        plain.writestr(ZipInfo(f"{info}/RECORD"), "".join(record))
    return path


def with_hash(wheel):
    """The name of a wheel with a hash of its bytes, ``instnorm-0.1.0+1a2b3c4d.5e6f7a8b-...``."""
    name, version, tags = wheel.name.split("-", 2)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()[:8]
    return f"{name}-{version}{'.' if '+' in version else '+'}{digest}-{tags}"


def pack(package, folder):
    """Pack an installed package of pure Python back into a wheel; return its Path.

    It is for the browser, where no exercise can be told to install what it needs.
    """
    installed = distribution(package)
    path = Path(folder) / f"{package.replace('-', '_')}-{installed.version}-py3-none-any.whl"
    with ZipFile(path, "w", ZIP_DEFLATED) as wheel:
        for file in sorted(installed.files):
            unwanted = {"tests", "__pycache__"}.intersection(file.parts) or ".." in file.parts
            if not unwanted and file.name not in ("INSTALLER", "REQUESTED"):
                wheel.writestr(ZipInfo(file.as_posix()), file.read_binary(), ZIP_DEFLATED)
    return path


def _is_by_product(path):
    return "__pycache__" in path.parts or any(part.endswith(".egg-info") for part in path.parts)
