"""Hashes of the code that a result depends on: modules, all that they import, and the versions of libraries.

A cache with such a hash in its key never returns a result of older code.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def code_hash(*modules: str) -> str:
    """Hash of the code of modules and of every module of lib that they import, directly or not.

    Versions of Python and of the imported libraries count; comments and docstrings do not.

    Args:
        modules: dotted names below lib, such as `lib.model.network`.

    Returns:
        Hexadecimal sha256.

    Raises:
        ValueError: a module does not exist.
    """
    unknown = [module for module in modules if file_of(module) is None]
    if unknown:
        raise ValueError(f"found {', '.join(unknown)}; expected modules below {PROJECT / 'lib'}")
    files, libraries = _closure(modules)
    parts = [[path.relative_to(PROJECT).as_posix(), _meaning(path, path.stat().st_mtime_ns)] for path in files]
    versions = sorted({f"{name} {metadata.version(name)}" for library in libraries for name in _packages(library)})
    return hashlib.sha256(json.dumps([parts, versions, platform.python_version()]).encode()).hexdigest()


def notebook_imports(path: Path) -> list[str]:
    """The modules of lib that a notebook imports, as dotted names."""
    cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
    lines = [line for cell in cells if cell["cell_type"] == "code" for line in "".join(cell["source"]).splitlines()]
    # Lines such as `%matplotlib inline` are not Python.
    names = imported(ast.parse("\n".join(line for line in lines if not line.startswith("%"))))
    return sorted({module for name in names for module in _modules(name)})


def closure(*modules: str) -> list[Path]:
    """The files of modules and of all that they import from lib, directly or not, sorted."""
    return _closure(modules)[0]


def _closure(modules: tuple[str, ...] | list[str]) -> tuple[list[Path], set[str]]:
    """Files of lib, and the top-level names of everything else that they import."""
    waiting, seen, around, libraries = list(modules), set(), set(), set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        path = file_of(module)
        for name in _imports_of(path, path.stat().st_mtime_ns):
            if name.split(".")[0] == "lib":
                *packages, module = _modules(name)
                waiting.append(module)
                # The package of a module runs too. But the imports of that package (`lib.study`, say) are not used
                # here.
                around.update(packages)
            else:
                libraries.add(name.split(".")[0])
    return sorted(file_of(module) for module in seen | around), libraries


@functools.lru_cache(maxsize=1024)
def _imports_of(path: Path, changed: int) -> tuple[str, ...]:
    """The names that a file imports. `changed` is the file's time, so an edited file is read again."""
    return tuple(imported(ast.parse(path.read_text(encoding="utf-8"))))


def imported(tree: ast.AST) -> Iterator[str]:
    """The dotted names that code imports, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(name: str) -> str:
    """The module of lib that an imported name is, or that contains it."""
    return _modules(name)[-1]


def _modules(name: str) -> list[str]:
    """The modules of lib that importing a name runs: the packages that contain it, and the name itself if it is a
    module.
    """
    parts = name.split(".")
    every = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return [module for module in every if parts[0] == "lib" and file_of(module)]


def file_of(module: str) -> Path | None:
    """The file of a module of lib, or None."""
    path = PROJECT.joinpath(*module.split("."))
    found = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in found if file.is_file()), None)


@functools.lru_cache(maxsize=1024)
def _meaning(path: Path, changed: int) -> str:
    """Hash of a file's code without comments and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


def _packages(library: str) -> list[str]:
    """The installed packages that an imported name comes from; none for a part of Python."""
    return _distributions().get(library, [])
