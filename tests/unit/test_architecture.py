"""docs/architecture.md names what exists, and packages import in one direction only."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "workflow" / "scripts"
LIBRARY = SCRIPTS / "stethoscope"
TEXT = (ROOT / "docs" / "architecture.md").read_text("utf-8")
STEPS, FOLDERS = TEXT.split("## Where things live")
ROWS = [row.split("|")[1:-1] for row in STEPS.splitlines() if re.match(r"\| \d", row)]
NAMED = [name for *_, library in ROWS for name in re.findall(r"`([\w.]+)`", library)]
PACKAGES = re.findall(r"^\| `(\w+)` \|", FOLDERS, re.MULTILINE)


def defined(module: Path) -> set[str]:
    """Functions, classes and constants at the top of a module."""
    names = set()
    for node in ast.parse(module.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def imported(module: Path) -> set[str]:
    """Packages of the library that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "stethoscope":
            names |= {f"stethoscope.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.split(".")[1] for name in names if name.startswith("stethoscope.")}


@pytest.mark.parametrize("name", NAMED)
def test_what_a_step_names_is_defined(name):
    *path, what = name.split(".")
    module = LIBRARY.joinpath(*path).with_suffix(".py")
    assert module.is_file() and what in defined(module)


def test_each_step_is_a_script_and_a_rule():
    rules = "".join(path.read_text("utf-8") for path in (ROOT / "rules").glob("*.smk"))
    assert len(ROWS) == 13
    for _, _, script, _ in ROWS:
        name = script.strip(" `")
        assert (SCRIPTS / f"{name}.py").is_file() and f"rule {name}:" in rules


def test_every_package_is_listed_and_imports_only_from_those_above_it():
    found = {path.stem for path in LIBRARY.iterdir() if not path.name.startswith("_")}
    assert set(PACKAGES) == found and len(PACKAGES) == len(found)
    for position, package in enumerate(PACKAGES):
        folder = LIBRARY / package
        modules = folder.rglob("*.py") if folder.is_dir() else [folder.with_suffix(".py")]
        for module in modules:
            below = imported(module) - {package, *PACKAGES[:position]}
            assert not below, f"{module.relative_to(LIBRARY)} imports {', '.join(sorted(below))}"


def test_the_folders_of_the_repository_exist():
    rows = re.findall(r"^\| ((?:`[\w/<>-]+/`(?:, )?)+) \|", FOLDERS, re.MULTILINE)
    folders = re.findall(r"`([\w/]+/)`", " ".join(rows))
    assert len(folders) >= 6 and all((ROOT / folder).is_dir() for folder in folders)
