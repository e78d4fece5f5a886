"""What of the code a result depends on: hashes of modules, of all that they import, and of the libraries' versions.

A cache whose key holds such a hash never serves what an older state of the code computed.
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
    """Hash of the code that modules run: their own, that of every module of lib which they import, directly or not.

    Comments and docstrings do not count, versions of Python and of the imported libraries do.

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
    # Lines such as `%matplotlib inline` are no Python.
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
                # What a package lies in runs too, but its own imports (of `lib.study`, say) are not what is used here.
                around.update(packages)
            else:
                libraries.add(name.split(".")[0])
    return sorted(file_of(module) for module in seen | around), libraries


@functools.lru_cache(maxsize=1024)
def _imports_of(path: Path, changed: int) -> tuple[str, ...]:
    """What a file imports; `changed` is its time, so that a file that was edited is read again."""
    return tuple(imported(ast.parse(path.read_text(encoding="utf-8"))))


def imported(tree: ast.AST) -> Iterator[str]:
    """The dotted names that code imports, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(name: str) -> str:
    """The module of lib that an imported name is, or lies in."""
    return _modules(name)[-1]


def _modules(name: str) -> list[str]:
    """The modules of lib that an imported name runs: itself, if it is one, and the packages that it lies in."""
    parts = name.split(".")
    every = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return [module for module in every if parts[0] == "lib" and file_of(module)]


def file_of(module: str) -> Path | None:
    """The file of a module of lib; None where there is none."""
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
    """The installed packages that an imported name comes from; none for what is part of Python."""
    return _distributions().get(library, [])
