"""A release only adds to the schema: the one before it serves on meanwhile, and after a rollback."""

import re
from collections.abc import Iterator
from importlib.metadata import version

import pytest
from alembic import command
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Engine, event

from recommender.local.urls import PerRole
from recommender.schema import alembic_config

FIRST_BOUND = "0003"  # what came before was never released
THINGS = "TABLE|COLUMN|CONSTRAINT|VIEW|FUNCTION|TRIGGER|SCHEMA|TYPE|INDEX|POLICY|DEFAULT|SEQUENCE"
RULES = "CONSTRAINT|PRIMARY|UNIQUE|CHECK|FOREIGN|EXCLUDE"
CONTRACTS = {
    "drops": rf"\bDROP\s+({THINGS})\b",
    "renames": r"\bRENAME\b",
    "changes a type": r"\bALTER\s+(COLUMN\s+)?\w+\s+(SET\s+DATA\s+)?TYPE\b",
    "asks for what older code does not write": r"\bSET\s+NOT\s+NULL\b",
    "adds a column that older code does not fill": (
        rf"\bADD\s+(?!{RULES})(COLUMN\s+)?(?![^,;]*\bDEFAULT\b)[^,;]*\bNOT\s+NULL\b"
    ),
    "adds a rule that older code may break": rf"\bADD\s+({RULES})\b|\bCREATE\s+UNIQUE\s+INDEX\b",
    "takes a right away": r"\bREVOKE\b[^;]*\bFROM\b[^;]*\bmarquee_(api|pipeline)\b",
    "restricts what is read": r"\bAS\s+RESTRICTIVE\b",
}
BODY = re.compile(r"(\bCREATE\s+(?:OR\s+REPLACE\s+)?FUNCTION\b[^$]*)\$\$.*?\$\$", re.IGNORECASE | re.DOTALL)
UNUSED = re.compile(r"Unused since (\d+\.\d+\.\d+): \S")


def contractions(statement: str) -> list[str]:
    """What a statement does that the release before may not survive."""
    code = BODY.sub(r"\1", re.sub(r"--[^\n]*", "", statement))  # a function's body does not run now
    return [what for what, pattern in CONTRACTS.items() if re.search(pattern, code, re.IGNORECASE)]


def may_contract(docstring: str, current: str) -> bool:
    """Its docstring names the release that stopped using it, which is older than this one."""
    said = UNUSED.search(docstring)
    return said is not None and _number(said[1]) < _number(current)


def _number(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split(".")[:3])


def scripts() -> Iterator[Script]:
    """From the oldest."""
    yield from reversed(list(ScriptDirectory.from_config(alembic_config()).walk_revisions()))


def test_a_release_only_adds_to_the_schema(
    engines: PerRole[Engine], urls: PerRole[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the statements that each migration really sends."""
    monkeypatch.setenv("DATABASE_URL", urls.owner)
    command.downgrade(alembic_config(), "base")
    sent = list[str]()

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        for script in scripts():
            sent.clear()
            command.upgrade(alembic_config(), script.revision)
            found = [what for statement in sent for what in contractions(statement)]
            bound = script.revision >= FIRST_BOUND and not may_contract(script.doc, version("marquee"))
            assert not (bound and found), f"{script.revision} {', '.join(found)}: see migrations/README.md"
            assert any("alembic_version" in statement for statement in sent)
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("ALTER TABLE users DROP COLUMN taste", "drops"),
        ("drop table\n  drift", "drops"),
        ("ALTER TABLE users RENAME COLUMN taste TO vector", "renames"),
        ("ALTER TABLE users ALTER COLUMN space TYPE bigint USING 1", "changes a type"),
        ("ALTER TABLE users ALTER space SET NOT NULL", "asks for what older code does not write"),
        ("ALTER TABLE users ADD COLUMN age int NOT NULL", "adds a column that older code does not fill"),
        ("ALTER TABLE users ADD age int NOT NULL", "adds a column that older code does not fill"),
        ("ALTER TABLE users ALTER space TYPE bigint", "changes a type"),
        ("CREATE UNIQUE INDEX ON users (external_id)", "adds a rule that older code may break"),
        ("ALTER TABLE users ADD CHECK (age > 17)", "adds a rule that older code may break"),
        ("ALTER TABLE users ADD CONSTRAINT grown CHECK (age > 17)", "adds a rule that older code may break"),
        ("REVOKE DELETE ON users FROM marquee_api", "takes a right away"),
        ("CREATE POLICY p ON users AS RESTRICTIVE USING (false)", "restricts what is read"),
        ("DO $$ BEGIN DROP TABLE users; END $$", "drops"),
    ],
)
def test_what_contracts_is_found(statement: str, found: str) -> None:
    assert contractions(statement) == [found]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE t (id bigint NOT NULL, CONSTRAINT t_pkey PRIMARY KEY (id))",
        "ALTER TABLE users ADD COLUMN age int",
        "ALTER TABLE users ADD COLUMN age int NOT NULL DEFAULT 0, ADD COLUMN name text",
        "-- DROP TABLE users\nCREATE INDEX ON users (space)",
        "REVOKE CREATE ON SCHEMA analysis FROM marquee_views",
        "CREATE OR REPLACE VIEW analysis.drift AS SELECT 1",
        "CREATE OR REPLACE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE t; END $$",
    ],
)
def test_what_adds_is_let_pass(statement: str) -> None:
    assert contractions(statement) == []


@pytest.mark.parametrize(
    ("docstring", "may"),
    [
        ("Let go of users.taste.", False),
        ("Let go of users.taste.\n\nUnused since 0.2.0: users.taste", True),
        ("Let go of users.taste.\n\nUnused since 0.3.0: users.taste", False),
        ("Let go of users.taste.\n\nUnused since 0.10.0: users.taste", False),
    ],
)
def test_what_an_older_release_stopped_using_may_go(docstring: str, may: bool) -> None:
    assert may_contract(docstring, "0.3.0") is may
