"""Spectra, speech and series from other packages' files: what they are, and nothing else loaded."""

import socket
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from instnorm_lab import recordings
from instnorm_lab.packages import file_in


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a recording asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize(("part", "count"), [("train", 172), ("test", 43)])
def test_meat_is_fat_and_lean(part, count):
    meat = recordings.tecator(part)
    assert meat.x.shape == (count, 100)
    assert meat.y.shape == (count,)
    assert_allclose(meat.wavelength[[0, -1]], [850, 1050])
    assert 0.5 < meat.y.min() < 3
    assert 45 < meat.y.max() < 50
    # Water's absorption band near 970 nm: most spectra have their summit between 930 and 1000 nm.
    summit = meat.wavelength[meat.x[:, 40:].argmax(1) + 40]
    assert np.mean((summit > 930) & (summit < 1000)) > 0.9


def test_maize_is_the_same_on_three_instruments():
    one, two, three = (recordings.corn(k) for k in (1, 2, 3))
    assert one.x.shape == (30, 700)
    assert_allclose(one.wavelength, np.arange(1100, 2500, 2))
    for other in (two, three):
        assert_array_equal(one.y, other.y)
        assert np.abs(one.x - other.x).max() > 0.01
        # The same grain: but for small differences, the spectra rise and fall together.
        assert np.corrcoef(one.x.ravel(), other.x.ravel())[0, 1] > 0.98
    assert recordings.corn(2, "test").x.shape == (20, 700)
    assert recordings.corn(3, "transfer").x.shape == (30, 700)


@pytest.mark.parametrize(("part", "count"), [("train", 270), ("test", 370)])
def test_nine_men_speak(part, count):
    speech = recordings.japanese_vowels(part)
    assert speech.x.shape == (count, 12, 29)
    assert speech.lengths.min() == 7
    assert speech.lengths.max() <= 29
    assert set(speech.speaker) == set(range(9))
    if part == "train":
        assert_array_equal(np.bincount(speech.speaker), 30)
    spoken = np.arange(29) < speech.lengths[:, None]
    assert not np.moveaxis(speech.x, 1, 2)[~spoken].any()
    assert np.moveaxis(speech.x, 1, 2)[spoken].any(axis=1).all()


def test_flights_grow_and_lynxes_do_not():
    flights, lynx = recordings.series("airline"), recordings.series("lynx")
    assert flights.value.shape == flights.year.shape == (144,)
    assert_allclose(flights.year[[0, -1]], [1949, 1960 + 11 / 12])
    assert_array_equal(flights.value[:3], [112, 118, 132])
    assert flights.value[-12:].mean() > 3 * flights.value[:12].mean()
    assert_allclose(lynx.year[[0, -1]], [1821, 1934])
    assert_array_equal(lynx.value[:3], [269, 321, 585])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: recordings.tecator("all"), ValueError, 'part must be "train" or "test"; got'),
        (lambda: recordings.japanese_vowels(None), ValueError, "got None"),
        (lambda: recordings.corn(4), ValueError, "instrument must be 1, 2 or 3; got 4"),
        (lambda: recordings.corn(1, "train"), ValueError, "part must be one of calibration, test"),
        (lambda: recordings.series("snow"), ValueError, "name must be one of airline, lynx; got"),
        (lambda: file_in("no_such_thing", "x.csv"), ModuleNotFoundError, "package no_such_thing"),
        (lambda: file_in("sktime", "no/x.csv"), FileNotFoundError, "sktime holds no file no/x.csv"),
    ],
)
def test_bad_requests_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_neither_the_kernels_nor_the_packages_are_imported():
    code = (
        "import sys; from instnorm_lab import recordings as r; r.tecator(); r.series('lynx');"
        "print({'instnorm', 'sktime', 'pandas', 'scipy'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
