"""Who may import whom: the folders are the layers, and the core's modules have an order."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("recommender", "api", "simulator", "migrations", "dags", "dashboards")
MAY = {
    "recommender": set(),
    "api": {"recommender"},
    "simulator": set(),
    "migrations": {"recommender"},
    "dags": set(),
    "dashboards": set(),
}
ORDER = """
    errors settings files manifests days titles catalogue history products statistics factors artifact
    parameters scores model model_store folding diversity ranking together evaluation tuning library
    backups tables database schema roles bulk unloading tombstones deletions accounts movies users visits
    registry runs exposure figures histories
    progress imports daily learning bench local spoken verbs cli
""".split()  # noqa: SIM905 - reads as a list
FRAMEWORKS = {"fastapi", "starlette", "uvicorn", "airflow", "kubernetes", "httpx", "jose"}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file names in an import, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "relative"


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", [f for f in FOLDERS if (ROOT / f).is_dir()])
def test_a_folder_imports_only_those_it_may(folder: str) -> None:
    allowed = MAY[folder] | {folder}
    for path in files(folder):
        ours = {name.split(".")[0] for name in imports(path)} & set(FOLDERS)
        assert ours <= allowed, f"{path.relative_to(ROOT)} imports {ours - allowed}"


def test_no_import_is_relative() -> None:
    for folder in FOLDERS:
        for path in files(folder):
            assert "relative" not in set(imports(path)), path


def test_migrations_know_only_tables_and_settings() -> None:
    for path in files("migrations"):
        known = {name for name in imports(path) if name.startswith("recommender")}
        assert known <= {"recommender.tables", "recommender.settings"}, path


def test_the_core_knows_no_framework() -> None:
    for path in files("recommender"):
        if "local" not in path.parts:  # one machine asks the API over HTTP
            assert not {name.split(".")[0] for name in imports(path)} & FRAMEWORKS, path


def test_each_module_of_the_core_has_its_place() -> None:
    there = {
        path.relative_to(ROOT / "recommender").parts[0].removesuffix(".py") for path in files("recommender")
    }
    assert there - {"__init__"} == set(ORDER)


def test_a_module_of_the_core_imports_only_what_stands_before_it() -> None:
    for path in files("recommender"):
        own = path.relative_to(ROOT / "recommender").parts[0].removesuffix(".py")
        if own in ("__init__", "cli"):  # the package's face, and the command line, which opens everything
            continue
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "recommender" and len(parts) > 1 and parts[1] != own:
                assert ORDER.index(parts[1]) < ORDER.index(own), f"{own} imports {parts[1]}"


def test_no_module_of_the_core_needs_itself() -> None:
    """Within a package modules have no written order, but there is one."""
    graph = {
        name_of(path): {n for n in imports(path) if n.startswith("recommender.")}
        for path in files("recommender")
    }
    list(TopologicalSorter(graph).static_order())


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_only_settings_read_the_environment() -> None:
    for folder in ("recommender", "api", "simulator"):
        for path in files(folder):
            if "local" in path.parts:  # it makes the environment of its children
                continue
            assert "os.environ" not in path.read_text(encoding="utf-8"), path
