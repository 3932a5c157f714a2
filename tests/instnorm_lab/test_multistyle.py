"""The 26-style network of the lab: its tables, its layers, and running it."""

import base64
import io
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from instnorm import instance_norm
from instnorm.style import conditional_instance_norm
from instnorm_lab import explorables, multistyle, photos
from instnorm_site import site


@pytest.fixture(scope="module")
def picture():
    return photos.photo("coffee", size=64, grey=False)


def test_importing_it_imports_no_runtime():
    code = (
        "from instnorm_lab import multistyle\nimport sys\n"
        "print({'onnx', 'onnxruntime', 'instnorm'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_running_it_says_nothing():
    """A page of the book may not write to stderr."""
    code = (
        "import numpy as np\nfrom instnorm_lab import multistyle\n"
        "multistyle.stylise(np.zeros((32, 32, 3)), 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == run.stderr == ""


def test_tables_are_those_of_18_norms():
    layers = multistyle.layers()
    assert len(layers) == 18
    assert next(iter(layers)) == "contract.0"
    assert list(layers)[-1] == "expand.2"
    for gamma, beta in layers.values():
        assert gamma.shape == beta.shape
        assert gamma.shape[0] == multistyle.STYLES
        assert np.ptp(gamma, axis=0).min() > 0  # styles differ in every channel


def test_the_convolutions_hold_most_of_the_network():
    in_tables = sum(gamma.size + beta.size for gamma, beta in multistyle.layers().values())
    assert multistyle.shared_weights() + in_tables == 166_104


def test_every_norm_is_conditional_instance_norm(picture):
    blend = np.zeros(26)
    blend[3], blend[12] = 0.3, 0.7
    for name, (gamma, beta) in multistyle.layers().items():
        x, y = multistyle.around_norm(picture, blend, name)
        ours = conditional_instance_norm(
            x.astype(np.float64), gamma, beta, blend[None], eps=multistyle.EPS
        )
        np.testing.assert_allclose(y, ours, atol=1e-4)


def test_a_number_means_one_style(picture):
    np.testing.assert_array_equal(
        multistyle.stylise(picture, 7), multistyle.stylise(picture, np.eye(26)[7])
    )
    assert np.abs(multistyle.stylise(picture, 7) - multistyle.stylise(picture, 8)).mean() > 0.05


def test_the_output_is_a_picture(picture):
    painted = multistyle.stylise(picture[:48], 7)
    assert painted.shape == (48, 64, 3)
    assert 0 < painted.min() < painted.max() < 1


def test_statistics_are_those_of_the_picture(picture):
    found = multistyle.statistics(picture, 7)
    assert list(found) == list(multistyle.layers())
    for name in ("contract.0", "res.3.1", "expand.2"):
        x, _ = multistyle.around_norm(picture, 7, name)
        np.testing.assert_allclose(found[name].mean, x.mean((0, 2, 3)), rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(found[name].var, x.var((0, 2, 3)), rtol=1e-3)


def test_statistics_can_be_given(picture):
    own, pale = multistyle.statistics(picture, 7), 0.25 * picture + 0.1
    painted = multistyle.stylise(picture, 7)
    np.testing.assert_allclose(multistyle.stylise(picture, 7, statistics=own), painted, atol=1e-5)
    # With its own statistics the pale print is painted like the crisp one; with borrowed, not.
    assert np.abs(multistyle.stylise(pale, 7) - painted).max() < 1e-3
    assert np.abs(multistyle.stylise(pale, 7, statistics=own) - painted).mean() > 0.05


def test_given_statistics_are_used_as_given(picture):
    """With mean 0 and variance 1 - eps in the first norm, its output is an affine map of x."""
    own = multistyle.statistics(picture, 7)
    gamma, beta = (table[7] for table in multistyle.layers()["expand.2"])
    x, _ = multistyle.around_norm(picture, 7, "expand.2")
    own["expand.2"] = multistyle.Statistics(np.zeros(3), np.full(3, 1 - multistyle.EPS))
    given = multistyle.stylise(picture, 7, statistics=own)
    logit = gamma * np.moveaxis(x[0], 0, -1) + beta
    np.testing.assert_allclose(given, 1 / (1 + np.exp(-logit)), atol=1e-4)
    assert not np.allclose(instance_norm(x), x, atol=0.1)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (multistyle.stylise, (np.zeros((32, 32)), 0), r"shape \(H, W, 3\).*got \(32, 32\)"),
        (multistyle.stylise, (np.zeros((32, 30, 3)), 0), r"multiples of 4; got \(32, 30, 3\)"),
        (multistyle.stylise, (np.zeros((32, 32, 3)), 26), "from 0 to 25; got 26"),
        (multistyle.stylise, (np.zeros((32, 32, 3)), -1), "from 0 to 25; got -1"),
        (multistyle.weights, (np.ones(25),), r"26 weights; got shape \(25,\)"),
        (multistyle.around_norm, (np.zeros((32, 32, 3)), 0, "no"), "name must be one of"),
    ],
)
def test_bad_input_is_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


def test_incomplete_statistics_are_refused(picture):
    own = multistyle.statistics(picture, 7)
    del own["res.2.1"]
    with pytest.raises(ValueError, match=r"an entry for each of contract\.0"):
        multistyle.stylise(picture, 7, statistics=own)


def test_the_network_joins_the_files_of_the_site(tmp_path):
    config = SimpleNamespace(
        html_static_path=["style"],
        html_baseurl="",
        html_theme_options={},
        notfound_context={"body": ""},
    )
    handlers = {}

    def connect(event, call, priority=500):
        handlers[event] = call

    app = SimpleNamespace(connect=connect, doctreedir=tmp_path, srcdir=tmp_path)
    site.setup(app)
    handlers["config-inited"](app, config)
    assert config.html_static_path[:2] == ["style", str(multistyle.model_file())]


def test_a_picture_becomes_an_address():
    address = explorables.picture_url(photos.photo("rocket", size=32, grey=False))
    kind, data = address.split(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert picture.size == (32, 32)
        seen = np.asarray(picture) / 255
    assert np.abs(seen - photos.photo("rocket", size=32, grey=False)).mean() < 0.03


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4)), np.full((4, 4, 3), 1.5), np.zeros((0, 4, 3))]
)
def test_what_is_no_colour_photograph_becomes_none(picture):
    with pytest.raises(ValueError, match="picture must be a colour photograph"):
        explorables.picture_url(picture)
