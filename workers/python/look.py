"""Says what functions Python modules have, without importing them.

Owns the reading of modules by their syntax: names of functions, what they take, what is imported. The paths come as
a JSON list on standard input, what is found goes to standard output. Must not run anything of a module. Standard
library alone, CPython 3.8 and newer.
"""

import ast
import json
import os
import sys
from typing import Any, Dict, Iterable, List, Optional, Set

LOCAL_LIMIT = 500


class Names:
    """What a module's top level gives names to."""

    def __init__(self) -> None:
        #: By name: what is wrong with it as a task's function, or nothing.
        self.found: Dict[str, Optional[str]] = {}
        #: Those that come from elsewhere, and may be of anything.
        self.brought: Set[str] = set()
        #: Whether there may be names that can't be seen.
        self.open = False
        self.imports: Set[str] = set()

    def read(self, body: Iterable[ast.stmt]) -> None:
        for node in body:
            self.statement(node)

    def statement(self, node: ast.stmt) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            # A decorator may make anything of it.
            self.name(node.name, None if node.decorator_list else unfit(node))
            self.open = self.open or node.name == "__getattr__"
        elif isinstance(node, ast.ClassDef):
            self.name(node.name, "is a class and no function")
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self.imported(node)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self.assigned(target, node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self.assigned(node.target, node.value)
        else:
            for field in ("body", "orelse", "finalbody"):
                self.read(getattr(node, field, []))
            for part in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]:
                self.read(part.body)

    def assigned(self, target: ast.expr, value: ast.expr) -> None:
        wrong = "is a value and no function" if isinstance(value, (ast.Constant, ast.List, ast.Dict, ast.Set)) else None
        for node in ast.walk(target):
            if isinstance(node, ast.Name):
                self.name(node.id, wrong if node is target else None)

    def imported(self, node: Any) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.open = True
            else:
                name = alias.asname or alias.name.split(".")[0]
                self.name(name, None)
                self.brought.add(name)

    def name(self, name: str, wrong: Optional[str]) -> None:
        """What has two meanings may have the one that will do."""
        self.found[name] = wrong and self.found.get(name, wrong)


def unfit(node: Any) -> Optional[str]:
    """What is wrong with a function that is to be called with ctx alone."""
    given = node.args
    most = len(given.posonlyargs) + len(given.args)
    least = most - len(given.defaults)
    needed = [arg.arg for arg, default in zip(given.kwonlyargs, given.kw_defaults) if default is None]
    if least > 1:
        return "takes %d arguments: a task's function takes one, ctx" % least
    if most == 0 and given.vararg is None:
        return "takes no argument: a task's function takes one, ctx"
    if needed:
        return "needs the argument %s: a task's function takes one, ctx" % needed[0]
    return None


def look(path: str) -> Dict[str, Any]:
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read(), path)
    except SyntaxError as error:
        where = "" if error.lineno is None else " (line %d, column %d)" % (error.lineno, error.offset or 0)
        return {"error": "%s%s" % (error.msg, where)}
    except OSError as error:
        return {"error": error.strerror or str(error)}
    except (ValueError, RecursionError, MemoryError) as error:
        return {"error": str(error) or type(error).__name__}
    names = Names()
    names.read(tree.body)
    return {
        "names": names.found,
        "imported": sorted(names.brought),
        "open": names.open,
        "imports": sorted(imports_of(tree)),
    }


def imports_of(tree: ast.Module) -> Set[str]:
    """Modules that it imports anywhere, by their whole names; of `from a import b`, both `a` and `a.b`."""
    found: Set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module)
            found.update("%s.%s" % (node.module, alias.name) for alias in node.names)
    return found


def local_files(path: str) -> List[str]:
    """The module and all of its folder that it imports, by their paths relative to that folder."""
    folder = os.path.dirname(path)
    found: List[str] = []
    todo = [os.path.basename(path)]
    while todo and len(found) < LOCAL_LIMIT:
        name = todo.pop()
        if name in found:
            continue
        found.append(name)
        for module in look(os.path.join(folder, name)).get("imports", []):
            todo += files_of(folder, module)
    return sorted(found)


def files_of(folder: str, module: str) -> List[str]:
    """Files of a module in the folder, those of the packages around it among them."""
    found: List[str] = []
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        stem = "/".join(parts[:count])
        for name in (stem + ".py", stem + "/__init__.py"):
            if os.path.isfile(os.path.join(folder, name)):
                found.append(name)
    return found


def main() -> None:
    asked = json.load(sys.stdin)
    told = {path: look(path) for path in asked["look"]}
    print(json.dumps({"look": told, "files": {path: local_files(path) for path in asked["files"]}}))


main()
