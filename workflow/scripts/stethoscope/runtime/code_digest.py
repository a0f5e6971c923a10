"""Digest of the code behind a result: a rule's script and the library modules that it imports.

Standard library only: rules import this module while the workflow is parsed.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path


def code_digest(script: str | Path, library: str | Path) -> str:
    """Digest of a script and of the library modules that it imports, directly or through others.

    As a rule's parameter it makes content, not modification times, decide what reruns.

    script: path of the rule's script. library: folder of the package, whose name is the import
    name.
    """
    library = Path(library)
    digest = hashlib.sha256()
    for path in (Path(script), *imported_modules(script, library)):
        name = path.relative_to(library).as_posix() if path.is_relative_to(library) else path.name
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{name}:{content}\n".encode())
    return digest.hexdigest()[:16]


def imported_modules(script: str | Path, library: str | Path) -> list[Path]:
    """The library's files that a script imports, directly or through others, in path order.

    Importing a module runs the `__init__` of each package above it, so these count as well.
    """
    library = Path(library)
    imported: set[Path] = set()
    pending = [Path(script)]
    while pending:
        file = pending.pop()
        inside = file.is_relative_to(library)
        package = (library.name, *file.relative_to(library).parent.parts) if inside else ()
        for name in _imports(file.read_text(encoding="utf-8"), package):
            for path in _files(name, library) - imported:
                imported.add(path)
                pending.append(path)
    return sorted(imported)


@cache
def _imports(source: str, package: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Dotted names that some code may import, as tuples, wherever in it the import stands.

    package: of the code, for relative imports. `from a import b` gives both a and a.b, since b may
    be a module. Cached, since many scripts import the same modules.
    """
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            if node.level:
                module = (*package[: len(package) - node.level + 1], *module)
            names += [module, *((*module, alias.name) for alias in node.names)]
    return names


@cache
def _files(name: tuple[str, ...], library: Path) -> set[Path]:
    """Files of the library that importing a dotted name runs; none if the name is not in it.

    Cached: while a workflow is parsed, files neither come nor go.
    """
    if not name or name[0] != library.name:
        return set()
    folder = library
    files = {folder / "__init__.py"}
    for part in name[1:]:
        module, folder = folder / f"{part}.py", folder / part
        if not folder.is_dir():
            files.add(module)
            break
        files.add(folder / "__init__.py")
    return {path for path in files if path.exists()}
