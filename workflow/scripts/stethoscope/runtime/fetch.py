"""Published files, linked into a study's folders: from a folder, or from the Hugging Face hub.

Fetches only files that jobs read, at a pinned commit, and checks the sha256 that a study gives.
Links files instead of copying them. This is the only module that reaches a network; every job but
those that fetch runs with the hub off.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from stethoscope.runtime.files import read_json, sha256_file
from stethoscope.runtime.tensor_files import open_tensors

# Files of a base model: configuration, weights as safetensors, tokenizer, chat template.
MODEL_FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "model-*.safetensors",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
)
# MATH in one of its layouts; see `math_data`.
MATH_FILES = ("*.jsonl", "*.parquet", "*/*.parquet", "train/*/*.json", "test/*/*.json")
INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class Source:
    """Origin of files: a folder on this machine, or a commit of a repository on the hub.

    path: wins over hub if both are given. files: sha256 by path below the root, as far as the study
    gives any. kind: the hub's 'model' or 'dataset'. license: page on which a licence is accepted.
    """

    path: str | None = None
    hub: str | None = None
    revision: str | None = None
    files: Mapping[str, str] | None = None
    kind: str = "model"
    license: str | None = None

    def __str__(self) -> str:
        return str(self.path) if self.path else f"{self.hub} at {self.revision}"


def fetch(source: Source, patterns: Sequence[str]) -> dict[str, Path]:
    """The files of a source that match, by their path below its root; downloaded if need be.

    patterns: names, each of which has to be there, or patterns, of which some file has to match
    one; a '*' stays within a folder. An interrupted download continues where it stopped; a new
    run takes complete files from the hub's cache.

    Raises ValueError, in one line, if the folder or a file is missing, if the hub wants a licence
    accepted, cannot be reached or lacks the commit, or if a file has another sha256 than the study
    gives.
    """
    root = _folder(source) if source.path else _downloaded(source, patterns)
    files = {
        path.relative_to(root).as_posix(): path
        for path in sorted({path for pattern in patterns for path in root.glob(pattern)})
        if path.is_file()
    }
    missing = [] if files else [" or ".join(patterns)]
    if _are_names(patterns):
        missing = [name for name in patterns if name not in files]
    if missing:
        raise ValueError(f"{source}: has no {missing[0]}")
    for name, expected in (source.files or {}).items():
        if not _matches(name, patterns):
            continue
        if name not in files:
            raise ValueError(f"{source}: {name}: the study gives its sha256, it is not there")
        if (digest := sha256_file(files[name])) != expected:
            hint = "" if source.path else "; remove it to download it again"
            raise ValueError(
                f"{files[name]}: sha256 is {digest}, the study expects {expected}{hint}"
            )
    return files


def link(source: Path, target: Path) -> None:
    """Link a file to another path: a hard link, else a relative symbolic one.

    A hard link outlives the hub's cache. A symbolic one stays valid if the folder of `target` is
    renamed within its parent.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    whole = Path(os.path.realpath(source))
    try:
        os.link(whole, target)
    except OSError:  # another file system, or one that has none
        target.symlink_to(os.path.relpath(whole, os.path.realpath(target.parent)))


def check_model(files: Mapping[str, Path], source: Source, layers: int, hidden: int) -> None:
    """Raise ValueError unless the files are a whole model of the size that the study gives.

    Reads only headers of the weights. Rejects shards outside of the index's folder, and code of
    the repository.
    """
    if "config.json" not in files or "tokenizer.json" not in files:
        missing = "tokenizer.json" if "config.json" in files else "config.json"
        raise ValueError(f"{source}: no {missing}: not a model with its tokenizer")
    config = read_json(files["config.json"])
    if "auto_map" in config:
        raise ValueError(f"{files['config.json']}: auto_map: code of its own is not run")
    text = config.get("text_config", config)
    for key, expected, name in (
        ("num_hidden_layers", layers, "layers"),
        ("hidden_size", hidden, "hidden"),
    ):
        # Gemma 3 leaves out of text_config what is transformers' default.
        if text.get(key, expected) != expected:
            raise ValueError(
                f"{files['config.json']}: {key} is {text[key]}, model.load.{name} says {expected}"
            )
    shards = {"model.safetensors"}
    if INDEX in files:
        shards = set(read_json(files[INDEX])["weight_map"].values())
    for shard in sorted(shards):
        if PurePosixPath(shard).name != shard:
            raise ValueError(f"{files[INDEX]}: '{shard}' is not a file beside it")
        if shard not in files:
            raise ValueError(f"{source}: no {shard}: its weights are not whole")
        with open_tensors(files[shard]):
            pass


@contextmanager
def network() -> Iterator[None]:
    """Allow requests to the hub within the block; enter it before huggingface_hub is imported."""
    names = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)


def _folder(source: Source) -> Path:
    folder = Path(str(source.path)).expanduser()
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder (relative paths start at {os.getcwd()})")
    return folder


def _downloaded(source: Source, patterns: Sequence[str]) -> Path:
    """Folder of a commit in the hub's cache, with the files that match."""
    with network():
        from huggingface_hub import constants, errors, hf_hub_download, snapshot_download

        commit = {"repo_type": source.kind, "revision": source.revision}
        page = source.license or f"{constants.ENDPOINT}/{source.hub}"
        try:
            if not _are_names(patterns):
                patterns = list(patterns)
                return Path(snapshot_download(source.hub, allow_patterns=patterns, **commit))
            # Known names need no list of the repository's thousands of files.
            paths = {name: hf_hub_download(source.hub, name, **commit) for name in patterns}
            name, path = next(iter(paths.items()))
            return Path(path).parents[name.count("/")]
        except errors.GatedRepoError:
            problem = f"its licence has to be accepted: at {page}, then run `hf auth login`"
        except errors.RevisionNotFoundError:
            problem = "the repository has no such commit"
        except errors.RepositoryNotFoundError:
            problem = f"no such repository, or a private one: see {page}, run `hf auth login`"
        except errors.RemoteEntryNotFoundError as error:
            problem = f"has no {str(error.response.url).rpartition(str(source.revision) + '/')[2]}"
        except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled):
            problem = f"{constants.ENDPOINT} cannot be reached; give a path where the files are"
        except (errors.HTTPError, errors.XetDownloadError) as error:
            reason = " ".join(str(error).split())
            problem = f"broke off ({reason}); run it again, files that came whole are kept"
    raise ValueError(f"{source}: {problem}")


def _are_names(patterns: Sequence[str]) -> bool:
    return not any("*" in pattern for pattern in patterns)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a path matches a pattern, level by level."""
    parts = name.split("/")
    return any(
        len(parts) == len(wanted) and all(map(fnmatch, parts, wanted))
        for wanted in (pattern.split("/") for pattern in patterns)
    )
