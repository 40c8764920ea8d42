"""What the built images hold, and what they do not."""

import json

import pytest

from tests.images.engine import LABELS, Engine
from tests.images.instructions import TARGETS

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]


def inside(engine: Engine, target: str, script: str) -> str:
    done = engine.run(target, "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_holds_nothing_that_lifts_rights_or_installs(engine: Engine, target: str) -> None:
    assert inside(engine, target, "find / -xdev -perm /6000 -type f 2>/dev/null; true") == ""
    assert inside(engine, target, "command -v pip pip3 uv gcc; true") == ""
    assert inside(engine, target, "ls -d /opt/venv/lib/python3.*/site-packages/pip 2>/dev/null; true") == ""


@pytest.mark.parametrize("target", TARGETS)
def test_an_images_programs_are_not_its_users_to_change(engine: Engine, target: str) -> None:
    """Even where the root is writable, as the official Airflow chart has it."""
    may = r"\( -uid $(id -u) -o -perm /002 -o -gid $(id -g) -perm /020 \)"
    found = inside(engine, target, f"find /opt /usr /entrypoint -xdev ! -type l {may} 2>/dev/null; true")
    assert set(found.split()) <= {"/opt/airflow", "/opt/airflow/logs", "/opt/airflow/airflow.cfg"}


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_says_what_this_build_made_it_of(engine: Engine, target: str) -> None:
    """Not what an earlier build, still in the cache, was made of."""
    said = json.loads(engine("image", "inspect", engine.image(target)).stdout)[0]["Config"]["Labels"]
    assert {name: said[f"org.opencontainers.image.{name.lower()}"] for name in LABELS} == LABELS


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_keeps_nothing_of_its_build(engine: Engine, target: str) -> None:
    left = "ls -d /build /code /wheels ~root/.cache /run/secrets/* /tmp/* /etc/pip.conf 2>/dev/null; true"
    assert inside(engine, target, left) == ""
    assert inside(engine, target, "find / -xdev -name direct_url.json 2>/dev/null; true") == ""


@pytest.mark.parametrize("target", ["marquee", "airflow"])
def test_every_module_comes_compiled(engine: Engine, target: str) -> None:
    """Nothing can be written at run time, and compiling anew at each start would take seconds."""
    script = """
from importlib.util import cache_from_source
from pathlib import Path
modules = [path for path in Path("/opt/venv/lib").rglob("*.py")]
print(len(modules) > 1000, [str(path) for path in modules if not Path(cache_from_source(path)).exists()])
"""
    assert inside(engine, target, f"python -c '{script}'") == "True []\n"
