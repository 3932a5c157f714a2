"""The Node that the package playwright brings: no other need be installed."""

from pathlib import Path

import playwright


def playwright_node():
    """Where it is.

    Raises
    ------
    FileNotFoundError
        If this copy of playwright has none.
    """
    driver = Path(playwright.__file__).parent / "driver"
    for path in (driver / "node", driver / "node.exe"):
        if path.is_file():
            return path
    raise FileNotFoundError(f"playwright brings no Node: there is none in {driver}")
