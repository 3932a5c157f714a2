"""Right answers with one slip each: what a program makes of them by changing their source.

A slip is one change at one place: another constant, operator or axis; `any` for `all`, `max` for
`min`; another sign; a term, a factor or an argument left out, or two exchanged; a step left out.
The answers that slips are made of are the solution of each exercise and the right answers beside
this file.

A few more slips are made around an answer, whatever its source: it ignores an argument, works in
single precision, or looks at the first image alone.
"""

import ast
import builtins
import copy
import functools
import importlib
import inspect
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from instnorm_checks import ASSIGNMENTS

ROOT = Path(__file__).parents[2]
# Answers are taken until they have given so many slips, the solution first.
ENOUGH = 60
SINGLE = "works in single precision"


@dataclass(frozen=True)
class Slip:
    answer: str  # the right answer that it was made of
    change: str  # "old line -> new line"
    function: object

    @property
    def name(self):
        return f"{self.answer}: {self.change}"


# --- Right answers as source ----------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """The definitions that an answer consists of, and the names that they refer to."""

    name: str
    definitions: tuple
    function_name: str
    names: dict

    def build(self, definitions=None):
        namespace = dict(self.names)
        module = ast.Module(list(definitions or self.definitions), [])
        exec(compile(ast.fix_missing_locations(module), f"<{self.name}>", "exec"), namespace)
        return namespace[self.function_name]


def sources(exercise):
    """The solution of an exercise, and its other right answers."""
    found = []
    solution = _solutions(_assignment_of(exercise)).get(exercise.id)
    if solution:
        found.append(solution)
    return found + [_source_of(answer) for answer in right_answers(exercise)]


def right_answers(exercise):
    module = _assignment_of(exercise).__name__.rpartition(".")[2]
    return importlib.import_module(f"right_answers.{module}").RIGHT[exercise.id]


def _assignment_of(exercise):
    return next(a for a in ASSIGNMENTS if any(each is exercise for each in a.EXERCISES))


@functools.cache
def _solutions(assignment):
    """Exercise id -> Source, from the notebook in solutions/."""
    slug = assignment.__name__.rpartition(".")[2].replace("_", "-")
    text = (ROOT / "solutions" / slug / f"{slug}.md").read_text(encoding="utf-8")
    cells = re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", text, re.M | re.S)
    names, definitions, found = {}, [], {}
    for cell in cells:
        tag = re.match(r":nbgrader: \{grade_id: ([\w-]+), (solution|locked): true\}\n", cell)
        if not tag or tag[1] == "cupy-kernel-answer":
            continue
        source = cell[tag.end() :]
        exec(compile(source, f"<{slug}>", "exec"), names)
        definitions += [
            node
            for node in ast.parse(source).body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        ]
        for exercise in assignment.EXERCISES:
            if exercise.function_name in names and exercise.id not in found:
                own = _needed(exercise.function_name, definitions)
                found[exercise.id] = Source("solution", own, exercise.function_name, names)
    return found


def _source_of(answer):
    module = inspect.getmodule(answer)
    tree = ast.parse(inspect.getsource(module))
    definitions = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    own = _needed(answer.__name__, definitions)
    return Source(answer.__name__, own, answer.__name__, vars(module))


def _needed(name, definitions):
    """The definition of that name and those that it refers to, in their order."""
    by_name, wanted, needed = {d.name: d for d in definitions}, [name], set()
    while wanted:
        name = wanted.pop()
        if name in by_name and name not in needed:
            needed.add(name)
            wanted += [n.id for n in ast.walk(by_name[name]) if isinstance(n, ast.Name)]
    return tuple(d for d in definitions if d.name in needed and by_name[d.name] is d)


# --- Slips in the source --------------------------------------------------------------------------

SWAPPED_NAMES = {
    "any": ["all"],
    "all": ["any"],
    "max": ["min", "mean"],
    "min": ["max"],
    "amax": ["amin"],
    "amin": ["amax"],
    "ptp": ["max"],
    "maximum": ["minimum"],
    "minimum": ["maximum"],
    "mean": ["sum", "median"],
    "sum": ["mean", "max"],
    "var": ["std", "mean"],
    "std": ["var"],
    "sin": ["cos"],
    "cos": ["sin"],
    "pvariance": ["variance"],
    "stdev": ["pstdev"],
    "inv": ["transpose"],
    "outer": ["multiply"],
    "zeros": ["ones"],
    "ones": ["zeros"],
    "zeros_like": ["ones_like"],
    "clip": ["maximum"],
}
# Calls whose first argument may stand for them, when the step is forgotten.
DROPPABLE = {
    *("sqrt", "abs", "exp", "log", "sign", "diag", "svd", "inv", "pinv", "cholesky", "relu"),
    *("square", "float", "sorted", "nan_to_num", "norm"),
}
METHODS_DROPPED = {"copy", "astype", "transpose", "swapaxes", "abs", "square", "sqrt"}
SWAPPED_OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.MatMult: ast.Mult,
}
SWAPPED_COMPARISONS = {
    ast.Lt: [ast.LtE, ast.Gt],
    ast.LtE: [ast.Lt, ast.GtE],
    ast.Gt: [ast.GtE, ast.Lt],
    ast.GtE: [ast.Gt, ast.LtE],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
}
ORDER_MATTERS = ast.Sub | ast.Div | ast.Pow | ast.MatMult
# Calls whose two arguments may be exchanged.
SYMMETRIC = {"maximum", "minimum", "max", "min", "hypot", "swapaxes", "range", "isinstance"}


def _instead(node, parameters):
    """What may stand in place of `node` after a slip."""
    match node:
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int()):
            for value in sorted({node.value + 1, node.value - 1, 0} - {node.value}):
                yield ast.Constant(value)
        case ast.Constant(value=float()):
            for value in sorted({2 * node.value, 0.0} - {node.value}) or [1.0]:
                yield ast.Constant(value)
        case ast.BinOp():
            for kind, other in SWAPPED_OPERATORS.items():
                if isinstance(node.op, kind):
                    yield ast.BinOp(node.left, other(), node.right)
            if isinstance(node.op, ORDER_MATTERS):
                yield ast.BinOp(node.right, node.op, node.left)
            yield node.left
            if not isinstance(node.op, ast.Pow | ast.Mod):
                yield node.right
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int())):
            yield from map(ast.Constant, (0, -1 - node.operand.value))
        case ast.UnaryOp(op=ast.USub()):
            yield node.operand
        case ast.Compare(ops=[op]):
            for other in SWAPPED_COMPARISONS.get(type(op), ()):
                yield ast.Compare(node.left, [other()], node.comparators)
        case ast.BoolOp():
            yield ast.BoolOp(ast.And() if isinstance(node.op, ast.Or) else ast.Or(), node.values)
        case ast.Call():
            yield from _other_calls(node)
        case ast.Tuple(elts=[_, *_], ctx=ast.Load()):
            yield from _other_tuples(node)
        case ast.Attribute(attr="T" | "mT", ctx=ast.Load()):
            yield node.value
        case ast.IfExp():
            yield node.body
            yield node.orelse
        case ast.Name(ctx=ast.Load()) if node.id in parameters:
            for other in parameters:
                if other != node.id and parameters[other] == parameters[node.id]:
                    yield ast.Name(other, ast.Load())
        case ast.AugAssign():
            for kind, other in SWAPPED_OPERATORS.items():
                if isinstance(node.op, kind):
                    yield ast.AugAssign(node.target, other(), node.value)
            yield ast.Pass()
        case ast.If():
            yield ast.If(ast.Constant(False), node.body, node.orelse)
            yield ast.If(ast.Constant(True), node.body, node.orelse)


def _other_calls(node):
    function, name = node.func, None
    if isinstance(function, ast.Attribute):
        name = function.attr
        if name in METHODS_DROPPED and not _is_module(function.value):
            yield function.value
    elif isinstance(function, ast.Name):
        name = function.id
    for other in SWAPPED_NAMES.get(name, ()):
        renamed = copy.copy(function)
        setattr(renamed, "attr" if isinstance(function, ast.Attribute) else "id", other)
        yield ast.Call(renamed, node.args, node.keywords)
    if name in DROPPABLE and node.args:
        yield node.args[0]
    for k in range(len(node.keywords)):
        if node.keywords[k].arg not in ("strict", "keepdims", "keepdim", "out", "rcond"):
            yield ast.Call(function, node.args, node.keywords[:k] + node.keywords[k + 1 :])
    if len(node.args) == 2 and name not in SYMMETRIC:
        yield ast.Call(function, node.args[::-1], node.keywords)
    if len(node.args) > 1:
        yield ast.Call(function, node.args[:-1], node.keywords)


def _is_module(node):
    return isinstance(node, ast.Name) and node.id in ("np", "torch", "xp", "math", "linalg")


def _other_tuples(node):
    """Axes: one left out, or the batch, or the channels, among them. Results: two exchanged."""
    values = [getattr(each, "value", None) for each in node.elts]
    for k in range(len(node.elts)):
        yield ast.Tuple(node.elts[:k] + node.elts[k + 1 :], ast.Load())
    if all(type(value) is int for value in values):
        for axis in (0, 1):
            if axis not in values:
                yield ast.Tuple([ast.Constant(axis), *node.elts], ast.Load())
    else:
        for k in range(len(node.elts) - 1):
            elements = list(node.elts)
            elements[k : k + 2] = elements[k + 1], elements[k]
            yield ast.Tuple(elements, ast.Load())


def in_the_source(source, exercise):
    """One slip at each place of the source, and of each kind that fits there."""
    seen, kinds = set(), _kinds(exercise)
    for d, definition in enumerate(source.definitions):
        whole = ast.unparse(definition)
        hands_off = _left_alone(definition, definition.name == source.function_name)
        for k, node in enumerate(ast.walk(definition)):
            if id(node) in hands_off:
                continue
            names = _parameters_around(definition, node)
            parameters = {name: kinds[name] for name in names if name in kinds}
            for other in _instead(node, parameters):
                changed = copy.deepcopy(definition)
                if not _replace(changed, list(ast.walk(changed))[k], copy.deepcopy(other)):
                    continue
                text = ast.unparse(ast.fix_missing_locations(changed))
                if text == whole or text in seen:
                    continue
                seen.add(text)
                definitions = (*source.definitions[:d], changed, *source.definitions[d + 1 :])
                try:
                    function = source.build(definitions)
                except Exception:  # no program any more
                    continue
                yield Slip(source.name, _difference(whole, text), function)


def _left_alone(definition, is_the_answer):
    """What is not a matter of right and wrong: messages, `strict=`, the sign of a number's node.

    Nor are the defaults of helpers: an answer states what it calls them with.
    """
    found = set()
    for node in ast.walk(definition):
        if isinstance(node, ast.JoinedStr):
            found |= {id(n) for n in ast.walk(node)}
        if isinstance(node, ast.keyword) and node.arg == "strict":
            found.add(id(node.value))
        if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
            found.add(id(node.operand))
        if isinstance(node, ast.FunctionDef) and not (is_the_answer and node is definition):
            found |= {id(default) for default in node.args.defaults}
    return found


def _kinds(exercise):
    """Argument -> its kind: only arguments of one kind are taken for each other."""
    kinds = {}
    for aspect in exercise.aspects:
        for arguments in aspect.public:
            for name, value in arguments.items():
                kinds[name] = f"{np.ndim(value)} axes" if np.ndim(value) else type(value)
    return kinds


def _parameters_around(definition, node):
    """The parameters of the innermost function that `node` stands in, of all its kind."""
    names = []
    for function in ast.walk(definition):
        if isinstance(function, ast.FunctionDef) and any(n is node for n in ast.walk(function)):
            names = [a.arg for a in function.args.args if a.arg not in ("ctx", "self")]
    return names


def _replace(tree, old, new):
    """Put `new` where `old` stands; False where it stands in no expression or body."""
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, field, new)
                return True
            if isinstance(value, list) and any(each is old for each in value):
                setattr(parent, field, [new if each is old else each for each in value])
                return True
    return False


def _difference(before, after):
    """The lines that differ, without what surrounds them."""
    old, new = before.splitlines(), after.splitlines()
    while old and new and old[0] == new[0]:
        old, new = old[1:], new[1:]
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    return " -> ".join(" ".join(textwrap.dedent("\n".join(part)).split()) for part in (old, new))


# --- Slips around an answer -----------------------------------------------------------------------


def around(exercise):
    """Slips that need no source: they are made of the reference."""
    right = exercise.reference
    asked = ast.parse(f"def {exercise.signature}: ...").body[0].args
    defaults = dict(zip([a.arg for a in asked.args][::-1], asked.defaults[::-1], strict=False))

    def slip(change, function):
        return Slip("reference", change, function)

    def with_argument(k, value):
        def answer(*arguments):
            arguments = list(arguments)
            if len(arguments) > k:
                arguments[k] = value
            return right(*arguments)

        return answer

    plain = sources(exercise)[0].build()

    def single(*arguments):
        return _each(plain(*map(_single, arguments)), lambda a: np.asarray(a, np.float64))

    def first_alone(*arguments):
        first = arguments[0]
        if not isinstance(first, np.ndarray) or len(first) < 2:
            return right(*arguments)
        few = [
            np.broadcast_to(a[:1], a.shape).copy()
            if isinstance(a, np.ndarray) and a.shape == first.shape
            else a
            for a in arguments
        ]
        return right(*few)

    yield slip(SINGLE, single)
    yield slip("returns single precision", lambda *a: _each(right(*a), _single))
    yield slip("shows the first image to all", first_alone)
    for k, name in enumerate(a.arg for a in asked.args):
        values = [ast.literal_eval(defaults[name])] if name in defaults else []
        if name == "eps":
            values += [1e-5, 0.0, 1e-12, 1e-8]
        for value in dict.fromkeys(values):
            yield slip(f"{name} is always {value:g}", with_argument(k, value))


def _single(value):
    is_double = isinstance(value, np.ndarray) and value.dtype == np.float64
    return value.astype(np.float32) if is_double else value


def _each(result, change):
    return tuple(map(change, result)) if isinstance(result, tuple | list) else change(result)


def slips(exercise):
    """All slips of an exercise: ENOUGH or more, where its right answers give so many."""
    made = list(around(exercise))
    for source in sources(exercise):
        if len(made) >= ENOUGH:
            break
        made += in_the_source(source, exercise)
    return made


assert not set(SWAPPED_NAMES) & set(dir(builtins)) - {"any", "all", "max", "min", "sum"}
