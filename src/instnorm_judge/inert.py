"""What students wrote, made harmless to whatever shows it: it can be read, and does nothing.

Graded notebooks are opened in nbgrader's formgrader, in JupyterLab, in editors. Each has a Markdown
parser of its own, and some let HTML through, with the rights of whoever looks: in formgrader a
`<script>` could run commands as the instructor. So nothing here relies on how a parser reads a
text. Where a construct needs two characters side by side, an invisible one (U+2060, WORD JOINER) is
put between them, and no parser of any kind sees that construct any more:

    <script>  <https://...>         HTML, SVG, autolinks: nothing may follow <, but what folds hints
    [text](target) [name]: target   links, pictures, attachments
    https://  www.  name@host       addresses that are made links by themselves
    {directive}  mermaid            what extensions make pictures and frames of
    # heading                       would get an id, and forms look their fields up by id
    \\href \\style \\def                commands of LaTeX; a list of harmless ones stays
"""

import base64
import io
import re
import unicodedata

from PIL import Image

JOINER = "\N{WORD JOINER}"
MAX_PIXELS = 4_000_000  # of a picture, as a figure of 16 x 12 inches at 140 dots per inch
MAX_IMAGE = 2_000_000  # bytes of it, as it comes
FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG"}

# Commands of LaTeX that show something and do nothing else.
LATEX = """
alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi
varpi rho varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi
Pi Sigma Upsilon Phi Psi Omega partial nabla infty ell hbar Re Im aleph emptyset varnothing forall
exists nexists neg lnot land lor in notin ni subset subseteq supset supseteq cup cap setminus
times cdot cdots ldots dots vdots ddots div pm mp ast star circ bullet oplus ominus otimes odot le
leq ge geq ll gg ne neq equiv approx sim simeq cong propto mid nmid parallel perp to gets mapsto
leftarrow rightarrow leftrightarrow Leftarrow Rightarrow Leftrightarrow implies iff uparrow
downarrow longrightarrow longmapsto sum prod coprod int iint iiint oint bigcup bigcap bigoplus
bigotimes frac dfrac tfrac binom sqrt root over overline underline overbrace underbrace hat
widehat tilde widetilde bar vec dot ddot acute grave breve check overrightarrow stackrel overset
underset substack limits nolimits left right big Big bigg Bigg bigl bigr Bigl Bigr middle langle
rangle lfloor rfloor lceil rceil lvert rvert lVert rVert vert Vert sin cos tan cot sec csc arcsin
arccos arctan sinh cosh tanh log ln lg exp lim limsup liminf max min sup inf arg det dim ker deg
gcd Pr operatorname mathrm mathbf mathit mathsf mathtt mathcal mathbb mathfrak mathscr boldsymbol
bm text textbf textit textrm texttt displaystyle textstyle scriptstyle quad qquad prime top bot
dagger angle triangle square therefore because not bmod pmod mod backslash begin end hline cases
matrix pmatrix bmatrix label tag nonumber notag colon lbrace rbrace
"""
_HARMLESS = frozenset(LATEX.split())

# What stands before, and what stands after, a place that gets something invisible.
_PLACES = (
    ("<", r"(?!/?(?:details|summary)>)"),
    (r"\]", r"[(\[:]"),
    (":", "//"),
    ("[wW]{3}", r"\."),
    ("", "@"),
    ("[mM][eE][rR]", "[mM][aA][iI][dD]"),
    ("[`~:]", r"\s{0,80}\{"),
    (r"\}", "`"),
)
_APART = re.compile("|".join(f"(?<={before})(?={after})" for before, after in _PLACES))
_HEADING = re.compile(r"(?<!&)(#+[ \t]*)(?=[^#\s])")
_UNDERLINED = re.compile(r"(?<=\S)(?=[ \t]*\n[ \t>]{0,12}(?:=+|-+)[ \t]*(?:\n|$))")
# Control characters, halves of characters, and what turns the direction of reading.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_COMMAND = re.compile(r"\\(?=([A-Za-z]+))")


def markdown(source):
    """A student's Markdown (or a raw cell) that means the same and makes nothing happen."""
    source = _HEADING.sub(rf"\1{JOINER}", _UNPRINTABLE.sub("", source))
    source = _UNDERLINED.sub(JOINER, source)
    source = _APART.sub(JOINER, source)
    return _COMMAND.sub(lambda found: found[0] if found[1] in _HARMLESS else f"\\{JOINER}", source)


def text(output):
    """What code has printed: shown as it is, but for addresses, which would be made links.

    Nor are there lone surrogates in it, which can't be written to a file.
    """
    output = output.encode("utf-8", "replace").decode()
    return re.sub(r"(?<=:)(?=//)|(?<=[wW]{3})(?=\.)", JOINER, output)


def image(kind, data):
    """A picture drawn anew, in base64, of the pixels in `data` alone; None if it is no picture.

    A few kilobytes can claim to be a picture of any size: what is too large is never unpacked.
    """
    if kind not in FORMATS or not isinstance(data, str) or len(data) > 4 * MAX_IMAGE / 3:
        return None
    try:
        file = io.BytesIO(base64.b64decode(data))
        with Image.open(file, formats=[FORMATS[kind]]) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                return None
            picture.load()
            mode = picture.mode if picture.mode in ("L", "LA", "RGB", "RGBA") else "RGBA"
            pixels = picture.convert("RGB" if kind == "image/jpeg" else mode)
        fresh = io.BytesIO()
        # Made from bytes, so that nothing but pixels comes along: no profile, no comment.
        Image.frombytes(pixels.mode, pixels.size, pixels.tobytes()).save(fresh, FORMATS[kind])
    # What Pillow raises for nonsense depends on the nonsense.
    except Exception:
        return None
    return base64.b64encode(fresh.getvalue()).decode("ascii")


def trouble_with_name(name):
    """Why the name of a student or of a file is not fit to be shown on a page; None if it is.

    nbgrader's pages show names as they are.
    """
    if found := sorted(set(name) & set("<>&\"'`\\")):
        return f"it has {' '.join(found)} in it"
    if any(unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp") for each in name):
        return "it has characters in it that can't be seen"
    return None
