"""Which scripts import a module of the library, found by bytecode with the standard library."""

from modulefinder import ModuleFinder
from pathlib import Path


def users_by_module(scripts: Path) -> dict[Path, set[str]]:
    """Names of the scripts that import each file of the library, also inside functions.

    Knows nothing of how the code digest reads imports.
    """
    library = scripts / "stethoscope"
    users: dict[Path, set[str]] = {path: set() for path in library.rglob("*.py")}
    for script in scripts.glob("*.py"):
        finder = ModuleFinder(path=[str(scripts)])
        finder.run_script(str(script))
        for module in finder.modules.values():
            if module.__file__ and Path(module.__file__) in users:
                users[Path(module.__file__)].add(script.stem)
    return users
