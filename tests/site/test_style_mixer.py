"""The style mixer in a browser: the network that runs in the page does what ONNX Runtime does here.

It is served as any folder is, with no special headers.
"""

import io

import numpy as np
import pytest
from PIL import Image

from instnorm_lab import multistyle

pytestmark = pytest.mark.whole_browser

# The picture on a canvas: its size, and its pixels in rows of red, green, blue, alpha.
READ = """canvas => {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  return [width, height, Array.from(data)];
}"""


@pytest.fixture
def mixer(mounted):
    """Open the page and scroll to the mixer."""
    return lambda **options: mounted("style-mixer", **options).box


def load(box):
    box.locator("[data-name=load]").click()
    painted(box, 1)
    return box


def painted(box, times):
    """Wait until the network has painted so many times."""
    box.page.wait_for_function(
        "times => Number(document.querySelector('[data-name=painting]').dataset.painted) >= times",
        arg=times,
        timeout=120_000,
    )


def read(box, name):
    width, height, pixels = box.locator(f"[data-name={name}]").evaluate(READ)
    return np.array(pixels).reshape(height, width, 4)[..., :3] / 255


def mix(a, b, t):
    return (1 - t) * multistyle.weights(a) + t * multistyle.weights(b)


def assert_alike(seen, expected):
    """Half a step of 8 bits, and the rounding of another order of summation."""
    assert np.abs(seen - expected).max() < 2 / 255
    assert np.abs(seen - expected).mean() < 0.5 / 255


def test_nothing_is_loaded_before_it_is_asked_for(mixer):
    requests = []
    box = mixer(watch=lambda page: page.on("request", lambda r: requests.append(r.url)))
    box.page.wait_for_timeout(500)
    assert any(url.endswith("style-mixer.js") for url in requests)
    assert not [url for url in requests if "onnx" in url or "painter" in url]
    assert "MB" in box.locator("[data-name=load]").inner_text()
    assert box.locator("[data-name=controls]").evaluate("each => each.disabled")


@pytest.mark.slow  # some 10 s
def test_the_page_paints_as_the_library_does(mixer, site):
    requests = []
    box = load(mixer(watch=lambda page: page.on("request", lambda r: requests.append(r.url))))
    photograph = read(box, "photograph")
    assert photograph.shape == (256, 256, 3)
    assert_alike(read(box, "painting"), multistyle.stylise(photograph, mix(7, 19, 0.5)))

    box.get_by_label("From").select_option("3")
    painted(box, 2)
    box.get_by_label("How far").fill("0.25")
    painted(box, 3)
    blend = read(box, "painting")
    assert_alike(blend, multistyle.stylise(photograph, mix(3, 19, 0.25)))

    box.get_by_label("Cross-fade").check()
    painted(box, 4)
    ends = (multistyle.stylise(photograph, style) for style in (3, 19))
    faded = 0.75 * next(ends) + 0.25 * next(ends)
    assert_alike(read(box, "painting"), faded)
    assert np.abs(blend - faded).mean() > 0.02

    assert [url for url in requests if url.endswith(".wasm")]
    assert not [url for url in requests if not url.startswith((f"{site}/", "data:", "blob:"))]


@pytest.mark.slow  # some 10 s
def test_readers_own_picture_is_painted_and_stays_here(mixer):
    box = load(mixer())
    before = read(box, "photograph")
    sent = []
    box.page.on("request", lambda request: sent.append((request.method, request.url)))
    colours = np.random.default_rng(1).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(colours).resize((500, 300), Image.Resampling.BICUBIC).save(file, "png")
    box.get_by_label("Your own picture").set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    painted(box, 2)
    photograph = read(box, "photograph")
    assert photograph.shape == (152, 256, 3)
    assert_alike(read(box, "painting"), multistyle.stylise(photograph, mix(7, 19, 0.5)))
    assert not [url for method, url in sent if not url.startswith("blob:")]

    box.get_by_role("button", name="Reset").click()
    painted(box, 3)
    assert_alike(read(box, "photograph"), before)


@pytest.mark.slow  # some 10 s
def test_contrast_leaves_the_painting_alone_and_a_file_that_is_no_picture_is_refused(mixer):
    box = load(mixer())
    photograph, painting = read(box, "photograph"), read(box, "painting")
    box.get_by_label("Contrast").fill("0.2")
    painted(box, 2)
    assert read(box, "photograph").std() < 0.3 * photograph.std()
    assert_alike(read(box, "painting"), painting)

    box.get_by_label("Your own picture").set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": b"no picture"}
    )
    status = box.get_by_role("status")
    status.filter(has_text="not a picture").wait_for()
    box.get_by_label("How far").fill("0.25")
    painted(box, 3)  # the mixer goes on


@pytest.mark.slow  # some 5 s
def test_where_the_network_cannot_come_it_says_so(mixer):
    def block(page):
        page.route("**/*.wasm", lambda route: route.abort())

    box = mixer(watch=block)
    box.locator("[data-name=load]").click()
    box.get_by_role("status").filter(has_text="could not be loaded").wait_for()
    assert box.locator("[data-name=load]").is_hidden()
    assert box.locator("[data-name=controls]").evaluate("each => each.disabled")
    assert read(box, "painting").std() > 0.1  # the still is there
