"""Right answers, written oddly. Whoever defends against attacks must not fail these."""

from . import CONTRAST, LOOPS, VECTORISED

ODD = """
import sys, warnings

def oddly(function):
    def odd(*arguments):
        {before}
        result = function(*arguments)
        {after}
        return result
    return odd

{name} = oddly({name})
"""


def around(name, before="pass", after="pass"):
    return ODD.format(name=name.replace("-", "_"), before=before, after=after)


# Name -> (a cell before everything, what follows each solution).
CONTROLS = {
    "plain": ("", {}),
    "noisy": (
        "import sys, warnings\nwarnings.warn('noise')\nprint('noise' * 1000, file=sys.stderr)",
        {VECTORISED: around(VECTORISED, "warnings.warn('n'); print('n' * 10**5, file=sys.stderr)")},
    ),
    "shows-more-than-there-is-room-for": (
        "from IPython.display import HTML, display\ndisplay(HTML('<p>' * 5_000_000))\nprint('on')",
        {},
    ),
    "slow": ("", {LOOPS: around(LOOPS, "__import__('time').sleep(0.05)")}),
    "in-place-on-its-own-copy": (
        "",
        {VECTORISED: around(VECTORISED, "arguments = [a + 0 for a in arguments]", "result += 0")},
    ),
    "other-memory-orders": (
        "",
        {
            LOOPS: around(LOOPS, after="result = np.asfortranarray(result)"),
            VECTORISED: around(
                VECTORISED,
                after="result = np.repeat(result, 2, 0)[::2]",
            ),
            CONTRAST: around(CONTRAST, after="result = list(result)"),
        },
    ),
    "big-endian": ("", {VECTORISED: around(VECTORISED, after="result = result.astype('>f8')")}),
    "magics-threads-and-files": (
        "%matplotlib inline\n"
        "import matplotlib.pyplot as plt\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "plt.plot([1, 2])\nplt.show()\n"
        "open('notes.txt', 'w').write('mine')\n"
        "%timeit -n1 -r1 sum(range(10))\n"
        "pool = ThreadPoolExecutor(2)",
        {
            LOOPS: "serial = instance_norm_loops\n"
            "instance_norm_loops = lambda *a: pool.submit(serial, *a).result()"
        },
    ),
    "classes-and-callables": (
        "class Norm:\n    def __init__(self, f):\n        self.f, self.calls = f, 0\n"
        "    def __call__(self, *a):\n        self.calls += 1\n        return self.f(*a)",
        {name: f"{name.replace('-', '_')} = Norm({name.replace('-', '_')})" for name in (LOOPS,)},
    ),
}
