"""What can be asserted about the code's own order: layers, cycles, drivers in their rooms, names, sizes."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "kumofs"
MODULES = sorted(PACKAGE.rglob("*.py"))
GROUND = {"errors", "model", "config", "offload", ""}
MAY_IMPORT: dict[str, set[str]] = {
    "catalog": set(),
    "store": set(),
    "cache": {"store"},
    "staging": {"catalog", "store", "cache"},
    "accounts": {"catalog"},
    "sharing": {"catalog", "store"},
    "fs": {"catalog", "cache", "staging", "sharing", "store"},
    "daemon": {"catalog", "store", "cache", "staging", "accounts", "sharing", "fs"},
    "cli": {"daemon", "accounts", "sharing", "catalog", "staging", "store", "cache"},
    "__main__": {"cli"},
}
"""Room: the rooms it may import besides the ground floor; docs/decisions/0001 says where this differs from the first sketch."""
DRIVERS = {
    "sqlite3": ["catalog/sqlite.py", "catalog/sqlite_tables.py"],
    "pymongo": ["catalog/mongo.py", "catalog/mongo_certain.py", "catalog/mongo_errors.py", "catalog/mongo_steps.py"],
    "boto3": ["store/s3_client.py"],
    "botocore": ["store/s3_capabilities.py", "store/s3_client.py", "store/s3_errors.py", "store/s3_setup.py"],
    "bcrypt": ["accounts/passwords.py"],
    "pyfuse3": ["fs/attributes.py", "fs/boundary.py", "fs/invalidation.py", "fs/operations.py", "fs/session.py"],
}
VAGUE = {"util", "utils", "helper", "helpers", "manager", "common", "base", "misc", "stuff", "tools"}
LINES_MAX = 500


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_the_rooms_below_it(path: Path) -> None:
    rooms = {name.split(".")[1] for name in imports(path) if name.startswith("kumofs.") and name != "kumofs.__version__"}
    assert rooms - GROUND - {room(path)} <= MAY_IMPORT.get(room(path), set())


def test_the_ground_floor_needs_only_the_standard_library_and_trio_in_offload() -> None:
    for name in ("errors", "model", "config", "offload"):
        outside = {i.split(".")[0] for i in imports(PACKAGE / f"{name}.py")} & {"trio", *DRIVERS, "click", "rich"}
        assert outside <= ({"trio"} if name == "offload" else set())


def test_there_are_no_cycles() -> None:
    names = {dotted(path) for path in MODULES}
    graph = {dotted(path): {name for name in imports(path) if name in names and name != dotted(path)} for path in MODULES}
    for package in [name for name in graph if any(other.startswith(name + ".") for other in names)]:
        graph.pop(package)  # a package's docstring module is imported with each of its modules
    list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_driver_is_imported_only_in_its_room(driver: str) -> None:
    users = [str(path.relative_to(PACKAGE)) for path in MODULES if any(i.split(".")[0] == driver for i in imports(path))]
    assert users == DRIVERS[driver]


def test_names_say_what_they_are() -> None:
    assert not [path for path in MODULES if set(re.split(r"[_.]", path.stem)) & VAGUE]


def test_modules_stay_small() -> None:
    assert not [path for path in MODULES if len(path.read_text().splitlines()) > LINES_MAX]


def test_every_module_says_what_it_is_for() -> None:
    assert not [path for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))]


def test_nothing_names_a_machine() -> None:
    kept = [p for d in ("kumofs", "tests", "docs", "scripts", "bench") for p in (ROOT / d).rglob("*") if p.is_file()]
    texts = [path.read_text(errors="ignore") for path in kept if path.suffix != ".pyc" and path != Path(__file__)]
    assert not [text[:60] for text in texts if re.search(r"/(work|home)/\w", text)]
