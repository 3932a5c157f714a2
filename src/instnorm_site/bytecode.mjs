// Runs in Node, in a folder with Pyodide's files, and does the tasks in tasks.json: see bytecode.py.

import { readFileSync, writeFileSync } from "node:fs";
import { loadPyodide } from "./pyodide.mjs";

const COMPILE = `
import importlib.util, io, re
from importlib._bootstrap_external import _code_to_hash_pyc
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

def compiled(archive, where, away):
    """The archive with the bytecode of each module in place of its source."""
    made = io.BytesIO()
    with ZipFile(io.BytesIO(archive.to_bytes())) as old, ZipFile(made, "w", ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name.endswith("/") or re.match(away, name):
                continue
            content = old.read(name)
            if name.endswith(".py"):
                try:
                    code = compile(content, where + name, "exec", dont_inherit=True)
                except SyntaxError:
                    pass  # a file that is no module, such as a template
                else:
                    name += "c"
                    # False: never to be checked against a source.
                    hashed = importlib.util.source_hash(content)
                    content = bytes(_code_to_hash_pyc(code, hashed, False))
            new.writestr(ZipInfo(name), content, ZIP_DEFLATED)
    return made.getvalue()

compiled
`;

// An error's last line says what it was; Node would show the line of Pyodide's where it came up.
process.on("uncaughtException", (error) => {
  console.error(String(error?.message ?? error).slice(0, 2000));
  process.exit(1);
});

// The order of a set, and so the bytecode, must not differ from build to build.
const python = await loadPyodide({ env: { PYTHONHASHSEED: "0" } });
const compiled = python.runPython(COMPILE);
const { tasks, away } = JSON.parse(readFileSync("tasks.json", "utf-8"));
for (const { archive, out, where } of tasks) {
  const made = compiled(new Uint8Array(readFileSync(archive)), where, away);
  writeFileSync(out, made.toJs());
  made.destroy();
}
