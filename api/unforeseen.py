"""An error that nobody foresaw, as a log may hold it: no row's contents and no statement's parameters."""

import re
from traceback import format_tb

import psycopg2

LONGEST = 300
QUOTED = re.compile(r"(['\"]).*\1")  # from the first mark to the last
DATA = "22"  # the class of SQLSTATE whose sentences repeat the value that is wrong


def told(error: BaseException) -> str:
    """Frames, type and sentence, the cause first, as Python prints them."""
    return "\n".join("".join(format_tb(each.__traceback__)) + _line(each) for each in _chain(error))


def _chain(error: BaseException) -> list[BaseException]:
    """Oldest first."""
    chain, before = [error], _cause(error)
    while before is not None and before not in chain:
        chain.append(before)
        before = _cause(before)
    return chain[::-1]


def _cause(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _line(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}: {_sentence(error)[:LONGEST]}"


def _sentence(error: BaseException) -> str:
    driver = getattr(error, "orig", error)  # SQLAlchemy wraps it
    return _driver_sentence(driver) if isinstance(driver, psycopg2.Error) else _first_line(error)


def _driver_sentence(error: psycopg2.Error) -> str:
    """Its DETAIL line repeats whole rows."""
    if not error.pgcode:
        return _first_line(error)
    sentence = "" if error.pgcode.startswith(DATA) else str(error.diag.message_primary)
    return f"SQLSTATE {error.pgcode} {sentence}".rstrip()


def _first_line(error: BaseException) -> str:
    """A key that is missing or a value that is wrong may be anybody's."""
    line = str(error).strip().partition("\n")[0]
    return QUOTED.sub("'...'", line) if isinstance(error, LookupError | ValueError) else line
