"""The arithmetic of the explorable "RevIN on a jump", run by Node, against `instnorm.series`."""

import numpy as np
import pytest

from instnorm.series import revin, revin_inverse


@pytest.fixture
def js(js):
    return js("revin-jump")


def test_the_season_has_mean_0_and_variance_1(js):
    year = np.array([js("season", t) for t in range(12)])
    np.testing.assert_allclose([year.mean(), year.var()], [0, 1], atol=1e-12)


@pytest.mark.parametrize("since", [0, 7, 24, 30])
def test_forecasts_are_those_of_revin_around_a_model_that_knows_the_season(js, since):
    state = {"jump": 5, "since": since}
    window = np.array([js("series", t, state) for t in range(-24, 0)])
    season = np.array([[[js("season", t) for t in range(12)]]])
    _, statistics = revin(window[None, None], eps=0)
    found = js("forecasts", state)
    np.testing.assert_allclose(
        found["revin"], revin_inverse(season, statistics, eps=0)[0, 0], rtol=1e-9
    )
    mean, deviation = (js("statistics", state)[key] for key in ("mean", "deviation"))
    np.testing.assert_allclose([mean, deviation], [window.mean(), window.std()])
    np.testing.assert_allclose(np.subtract(found["real"], found["plain"]), 5)


def test_right_once_the_jump_has_left_the_window_and_not_before(js):
    def wrong(since):
        found = js("forecasts", {"jump": 5, "since": since})
        return js("error", found["revin"], found["real"])

    assert wrong(24) < 1e-9 > wrong(36)
    assert wrong(12) > 1
    assert wrong(0) > 4
