"""Atomic writing of files, and their digests. Standard library only."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"


def sha256_bytes(data: bytes) -> str:
    """Hex sha256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: str | Path) -> str:
    """Hex sha256 of a file's bytes, read in blocks."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that becomes `path` when the block ends well.

    The file is fsynced before it is renamed, so that a file under its own name is whole; when the
    block raises, the temporary file is removed and an earlier `path` stays.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield temporary
        _fsync(temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: str | Path) -> Iterator[Path]:
    """A temporary folder that becomes `folder`, with a manifest, when the block ends well.

    The manifest lists the sha256 of each file. Rules declare it as their output, since Snakemake
    does not notice a file that is missing inside a `directory()`.
    """
    target = Path(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        write_json(temporary / MANIFEST, {"files": folder_digests(temporary)})
        for path in temporary.rglob("*"):
            if path.is_file():
                _fsync(path)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def folder_digests(folder: str | Path) -> dict[str, str]:
    """sha256 of each file below a folder by its relative path; the manifest itself is left out."""
    folder = Path(folder)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in paths
        if path != folder / MANIFEST
    }


def folder_digest(manifest: str | Path) -> str:
    """One digest of all files that a manifest lists: the identity of a model or an adapter."""
    files = read_json(manifest)["files"]
    return sha256_bytes(json.dumps(files, sort_keys=True).encode())


def read_json(path: str | Path) -> Any:
    """A JSON file's content; one line that names the file when it is not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a JSON file: {error}") from None


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON with sorted keys, so that equal content is equal bytes; NaN is refused."""
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_jsonl(path: str | Path) -> list[dict]:
    """The objects of a JSON Lines file; one line that names file and line where one is broken."""
    rows = []
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line.decode("utf-8"))
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise ValueError(f"{path}:{number}: not a JSON object: {error}") from None
            if not isinstance(row, dict):
                raise ValueError(f"{path}:{number}: not a JSON object: {line[:40]!r}")
            rows.append(row)
    return rows


def write_jsonl(path: str | Path, rows: list[dict]) -> None:
    """Write objects as JSON Lines."""
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows]
    write_text(path, "".join(lines))


def write_table(path: str | Path, table: Any) -> None:
    """Write a pandas table as TSV, without its index."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _fsync(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())
