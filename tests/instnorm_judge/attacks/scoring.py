"""Wrong answers that try to be taken for right ones, from inside the student's process."""

from . import CONTRAST, LOOPS, VECTORISED, Attack, everywhere

UNREADABLE = "The kernel sent something unreadable"

ATTACKS = {
    "patched-grade": Attack(
        "import instnorm_checks\n"
        "check = grade = instnorm_checks.grade = instnorm_checks.check = lambda *a: 6.0",
        scores_in_process=True,
    ),
    "patched-numpy": Attack(
        "import numpy as np\nnp.isclose = lambda *a, **k: np.array(True)\n"
        "np.allclose = np.array_equal = lambda *a, **k: True",
        scores_in_process=True,
    ),
    "patched-builtins": Attack(
        "import builtins\n"
        "builtins.all = builtins.any = builtins.isinstance = lambda *a: True\n"
        "builtins.AssertionError = type('Never', (Exception,), {})\n",
        says="could not be interrupted|process ended while this cell was running",
    ),
    "patched-run-cell": Attack(
        "shell = get_ipython()\n"
        "def patched(ordinary):\n"
        "    return lambda source, *a, **k: ordinary(\n"
        "        '6.0' if 'import grade' in source else source, *a, **k)\n"
        "for name in ('run_cell', 'run_cell_async'):\n"
        "    setattr(shell, name, patched(getattr(shell, name)))",
        scores_in_process=True,
    ),
    "input-transformer": Attack(
        "get_ipython().input_transformers_cleanup.append(\n"
        "    lambda lines: ['6.0'] if any('import grade' in line for line in lines) else lines)",
        scores_in_process=True,
    ),
    "ast-transformer": Attack(
        "import ast\n"
        "class Six(ast.NodeTransformer):\n"
        "    def visit_Call(self, node):\n"
        "        if getattr(node.func, 'id', '') in ('check', 'grade'):\n"
        "            return ast.copy_location(ast.Constant(6.0), node)\n"
        "        return self.generic_visit(node)\n"
        "get_ipython().ast_transformers.append(Six())",
        scores_in_process=True,
    ),
    "forged-mark": Attack(
        "from IPython.display import publish_display_data\n"
        "for name in ('instance-norm-loops', 'instance-norm', 'contrast-scores'):\n"
        "    publish_display_data({'text/plain': '6.0', 'application/vnd.instnorm.mark+json':\n"
        "        {'exercise': name, 'points': 6.0, 'of': 6.0, 'seed': '1', 'aspects': {}}})",
    ),
    "shadowed-names-of-the-test": Attack(
        "print = check = grade = lambda *a: 6.0\nclass instnorm: checks = None",
    ),
    "imports-the-reference": Attack(
        answers={
            LOOPS: "from instnorm import instance_norm as instance_norm_loops",
            VECTORISED: "from instnorm.norms import instance_norm",
            CONTRAST: "from instnorm.contrast import contrast_scores",
        },
        says="NameError",
    ),
    "finds-the-reference-among-callers": Attack(
        answers=everywhere(
            "import sys\n"
            "def {f}(*arguments):\n"
            "    frame = sys._getframe()\n"
            "    while frame := frame.f_back:\n"
            "        if 'exercise' in frame.f_locals:\n"
            "            return frame.f_locals['exercise'].reference(*arguments)\n"
            "    return 0 * arguments[0]"
        ),
        scores_in_process=True,
    ),
    "finds-the-reference-in-memory": Attack(
        answers=everywhere(
            "import gc\n"
            "def {f}(*arguments):\n"
            "    for thing in gc.get_objects():\n"
            "        if getattr(thing, 'function_name', '') == '{f}':\n"
            "            return thing.reference(*arguments)\n"
            "    return 0 * arguments[0]"
        ),
        says="0 of 6 points",
    ),
    "reads-the-sources": Attack(
        "import importlib.util, os\n"
        "found = []\n"
        "for folder, folders, files in os.walk('/'):\n"
        "    folders[:] = [f for f in folders if f not in ('proc', 'lib', 'lib64', 'usr')]\n"
        "    found += [name for name in files if name.endswith(('.db', '.md', '.ipynb', '.cu'))]\n"
        "    found += [name for name in files if name in ('norms.py', 'the_algorithm.py')]\n"
        "for name in ('instnorm.norms', 'instnorm_checks.engine.report', 'instnorm_judge'):\n"
        "    try: found += [name] if importlib.util.find_spec(name) else []\n"
        "    except ModuleNotFoundError: pass\n"
        "assert not found, found\n"
        "print('nothing', 'found')",
        says="nothing found",
    ),
    "reads-the-history": Attack(
        answers=everywhere(
            "def {f}(*arguments):\n"
            "    for source in In + [line for _, _, line in get_ipython().history_manager"
            ".get_range()]:\n"
            "        assert 'import grade' not in source\n"
            "    return 0 * arguments[0]"
        ),
    ),
    "lying-array": Attack(
        "import numpy as np\n"
        "class Liar(np.ndarray):\n"
        "    __eq__ = __ne__ = __lt__ = __le__ = lambda *a: np.True_\n"
        "    __array_ufunc__ = lambda *a, **k: np.True_\n"
        "    shape = dtype = property(lambda self: type('Any', (), {'__eq__': lambda *a: True})())",
        answers=everywhere("{f} = lambda x, *rest: np.zeros(3).view(Liar)"),
        says="and has (3,)",
    ),
    "lying-number": Attack(
        "class Liar(float):\n"
        "    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = lambda *a: True\n"
        "    __float__ = lambda self: 6.0",
        answers=everywhere("{f} = lambda *a: Liar(6)"),
        says="a single number",
    ),
    "not-a-number": Attack(
        answers={
            LOOPS: "instance_norm_loops = lambda x, eps=1e-5: x * float('nan')",
            VECTORISED: "instance_norm = lambda x, *rest: x * float('inf')",
            CONTRAST: "contrast_scores = lambda s, c, n, eps=1e-5: (c * float('nan'),) * 2",
        },
        says="NaN or infinity",
    ),
    "malicious-pickle": Attack(
        "import os\n"
        "class Bomb:\n"
        "    def __reduce__(self):\n"
        "        return os.system, ('touch /tmp/HARMED-by-a-pickle',)\n",
        answers=everywhere("{f} = lambda *a: Bomb()"),
        says="an object of type __main__.Bomb",
    ),
    "raises-a-stop": Attack(
        answers=everywhere("def {f}(*a):\n    raise KeyboardInterrupt"),
        says="raised KeyboardInterrupt",
    ),
    "raises-something-that-lies": Attack(
        "class Strange(BaseException):\n"
        "    def __str__(self):\n        raise SystemExit\n"
        "    __class__ = property(lambda self: ValueError)",
        answers=everywhere("def {f}(*a):\n    raise Strange"),
        says="raised Strange",
    ),
    "calls-itself": Attack(
        answers=everywhere("def {f}(*a):\n    return {f}(*a)"),
        says="raised RecursionError",
    ),
    # --- Replies that `wire.encode` would not write ---
    "forged-size": Attack(
        "import wire\n"
        "wire.encode = lambda v, b: (b.append(b'x' * 8),"
        " {'array': 'float64', 'shape': [2**60], 'at': 0})[1]",
        says=UNREADABLE,
    ),
    "forged-emptiness": Attack(
        "import wire\n"
        "wire.encode = lambda v, b: (b.append(b''),"
        " {'array': 'float64', 'shape': [2**62, 0, 2**62], 'at': 0})[1]",
        says=UNREADABLE,
    ),
    "forged-objects": Attack(
        "import wire\n"
        "wire.encode = lambda v, b: (b.append(bytes(8)),"
        " {'array': 'object', 'shape': [1], 'at': 0})[1]",
        says="an array of object",
    ),
    "forged-kinds": Attack(
        "import wire\nwire.encode = lambda v, b: {'pickle': 'gASVCgAAAAAAAAB9lC4='}",
        says=UNREADABLE,
    ),
    "forged-depth": Attack(
        "import wire\n"
        "def deep(v, b):\n"
        "    node = None\n"
        "    for _ in range(200):\n        node = {'list': [node, node]}\n"
        "    return node\n"
        "def deep(v, b):\n"
        "    node = None\n"
        "    for _ in range(200):\n        node = {'list': [node]}\n"
        "    return node\n"
        "wire.encode = deep",
        says=UNREADABLE,
    ),
    "forged-digits": Attack(
        "import wire\nwire.encode = lambda v, b: {'int': '9' * 1_000_000}",
        says=UNREADABLE,
    ),
    "forged-frames": Attack(
        "kernel = get_ipython().kernel\n"
        "session = kernel.session\n"
        "def bomb():\n"
        "    frames = session.serialize(session.msg('stream', parent=kernel.get_parent()))\n"
        "    parts = [*frames[2:5], b'[' * 200_000 + b']' * 200_000]\n"
        "    kernel.iopub_socket.send_multipart([b'x', frames[0], session.sign(parts), *parts])\n"
        "    import time; time.sleep(1)\n"
        "bomb()",
        says=UNREADABLE,
    ),
    "forged-outputs": Attack(
        "kernel = get_ipython().kernel\n"
        "for kind, content in (('stream', {'name': 3, 'text': {'a': []}}),\n"
        "                      ('error', {'ename': 1, 'evalue': 2, 'traceback': 3}),\n"
        "                      ('display_data', {'data': {'image/png': '\" onload=\"x'}}),\n"
        "                      ('comm_open', {'comm_id': [], 'target_name': 'jupyter.widget'}),\n"
        "                      ('update_display_data', {'transient': {'display_id': 'x'}}),\n"
        "                      ('clear_output', {})):\n"
        "    kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent())",
    ),
    "forged-prompt-and-reply": Attack(
        "kernel = get_ipython().kernel\n"
        "for kind in ('status', 'execute_input'):\n"
        "    kernel.session.send(kernel.iopub_socket, kind, parent=kernel.get_parent(), content=\n"
        "        {'execution_state': 'busy', 'execution_count': '<script>{marker}()</script>'})\n"
        "async def forged(*a, **k):\n"
        "    return {'status': 'error', 'execution_count': ['<script>{marker}()</script>'],\n"
        "            'ename': ['x'], 'evalue': {}, 'traceback': '<script>{marker}()</script>'}\n"
        "kernel.do_execute = forged",
        says="NameError",
    ),
    "forged-answers-in-advance": Attack(
        "import comm\n"
        "for it in comm.get_comm_manager().comms.values():\n"
        "    for number in range(1, 500):\n"
        "        it.send({'number': number, 'callable': True, 'result': None})\n"
        "    it._publish_msg = lambda *a, **k: None",
    ),
    "forged-changes": Attack(
        "import wire\n"
        "ordinary = wire.encode\n"
        "def forged(value, buffers):\n"
        "    if isinstance(value, dict):\n"
        "        node = {'array': 'float64', 'shape': [2**20], 'at': 0}\n"
        "        return {'dict': [['0', node]] * 10_000}\n"
        "    buffers.append(bytes(2**23))\n"
        "    return ordinary(value, buffers)\n"
        "wire.encode = forged",
        says=UNREADABLE,
    ),
}
