"""Files that other packages carry: found on this disk, without importing the package."""

from importlib.util import find_spec
from pathlib import Path


def file_in(package, path):
    """The Path of a file inside an installed package.

    Parameters
    ----------
    package : str
        The name that one would import.
    path : str
        Below the package's folder, with slashes.

    Raises
    ------
    ModuleNotFoundError
        If the package is not installed.
    FileNotFoundError
        If it is, and holds no such file.
    """
    spec = find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(
            f"the data file {path} belongs to the package {package}, which is not installed; "
            "requirements.txt names it",
            name=package,
        )
    found = Path(spec.origin).parent / path
    if not found.is_file():
        raise FileNotFoundError(f"the installed {package} holds no file {path}; see {found.parent}")
    return found
