"""The digest of a script follows its imports through packages, and nothing else."""

import os
import shutil
from pathlib import Path

import pytest
from imports import users_by_module

from stethoscope.runtime.code_digest import code_digest

SCRIPTS = Path(__file__).parents[3] / "workflow/scripts"
MODULES = sorted(
    path.relative_to(SCRIPTS).as_posix() for path in SCRIPTS.glob("stethoscope/**/*.py")
)
FILES = {
    "script.py": "import os\nfrom library.edits.build import f\n",
    "library/__init__.py": "",
    "library/edits/__init__.py": "from library.edits.names import NAME\n",
    "library/edits/build.py": "def f():\n    from ..task_vectors import norms, missing\n",
    "library/edits/names.py": "NAME = 1\n",
    "library/edits/norms.py": "value = 'the other module of this basename'\n",
    "library/task_vectors/__init__.py": "",
    "library/task_vectors/norms.py": "import library.edits.build\nfrom . import deltas\n",
    "library/task_vectors/deltas.py": "from .shapes import SHAPE\n",
    "library/task_vectors/shapes.py": "SHAPE = 1\n",
    "library/report/__init__.py": "",
    "library/report/render.py": "value = 1\n",
}
UNUSED = {"library/edits/norms.py", "library/report/__init__.py", "library/report/render.py"}


@pytest.fixture
def code(tmp_path):
    """A script and a library of packages, with what the digest of the script is now."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def digest() -> str:
        return code_digest(tmp_path / "script.py", tmp_path / "library")

    return tmp_path, digest


@pytest.mark.parametrize("changed", FILES)
def test_the_digest_changes_with_exactly_the_files_that_an_import_runs(code, changed):
    folder, digest = code
    before = digest()
    (folder / changed).write_text((folder / changed).read_text() + "# changed\n")
    assert (digest() != before) == (changed not in UNUSED)


def test_the_digest_changes_when_two_modules_of_one_basename_swap_contents(code):
    folder, digest = code
    (folder / "library/edits/build.py").write_text("from library.edits import norms, names\n")
    (folder / "library/edits/names.py").write_text("from library.task_vectors import norms\n")
    before = digest()
    one, other = folder / "library/edits/norms.py", folder / "library/task_vectors/norms.py"
    texts = one.read_text(), other.read_text()
    one.write_text(texts[1])
    other.write_text(texts[0])
    assert digest() != before


def test_the_digest_does_not_depend_on_times_or_on_the_folder(code, tmp_path_factory):
    folder, digest = code
    before = digest()
    for path in folder.rglob("*.py"):
        os.utime(path, (0, 0))
    assert digest() == before
    moved = folder.rename(tmp_path_factory.mktemp("elsewhere") / "moved")
    assert code_digest(moved / "script.py", moved / "library") == before


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of scripts and library, which scripts import a module, and digests of the scripts."""
    scripts = tmp_path_factory.mktemp("copy") / "scripts"
    shutil.copytree(SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))

    def digests() -> dict[str, str]:
        return {
            path.stem: code_digest(path, scripts / "stethoscope") for path in scripts.glob("*.py")
        }

    return scripts, users_by_module(scripts), digests(), digests


@pytest.mark.parametrize("module", MODULES)
def test_editing_a_module_changes_the_digest_of_exactly_the_scripts_that_import_it(copied, module):
    scripts, users, before, digests = copied
    path = scripts / module
    text = path.read_text()
    path.write_text(text + "\n# edited\n")
    after = digests()
    path.write_text(text)
    assert {script for script in before if before[script] != after[script]} == users[path]
