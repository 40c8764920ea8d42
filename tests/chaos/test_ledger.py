"""The ledger finds each kind of loss, and allows what nobody was promised."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.chaos.ledger import Found, Pair, Said, Story, breaches

MARK = datetime(2026, 1, 1, tzinfo=UTC)
LATER = MARK + timedelta(days=1)
FIRST = {1: Said(4.0, MARK), 2: Said(3.0, None)}
Users = dict[int, Found]


def story(name: str | None = "anna") -> Story:
    told = Story(MARK, name)
    told.tell(FIRST)
    told.confirm(FIRST)
    told.user_id = 7
    return told


def database(name: str | None = "anna") -> Users:
    return {7: Found(name, dict(FIRST))}


def without_the_user(users: Users) -> None:
    users.clear()


def without_a_rating(users: Users) -> None:
    del users[7].ratings[2]


def with_another_value(users: Users) -> None:
    users[7].ratings[2] = Said(2.0, None)


def with_another_rating(users: Users) -> None:
    users[7].ratings[3] = Said(2.0, None)


def twice(users: Users) -> None:
    users[8] = Found(None, dict(FIRST))


def with_a_stranger(users: Users) -> None:
    users[8] = Found("berta", {})


def under_another_id(users: Users) -> None:
    users[9] = users.pop(7)


def test_what_was_acknowledged_and_is_there_is_no_breach() -> None:
    assert list(breaches([story()], database())) == []


@pytest.mark.parametrize(
    "harm",
    [
        without_the_user,
        without_a_rating,
        with_another_value,
        with_another_rating,
        twice,
        with_a_stranger,
        under_another_id,
    ],
)
@pytest.mark.parametrize("name", ["anna", None])
def test_each_kind_of_harm_is_found(harm: Callable[[Users], None], name: str | None) -> None:
    users = database(name)
    harm(users)
    assert len(list(breaches([story(name)], users))) == 1


def test_a_request_without_an_answer_may_have_happened_or_not() -> None:
    told, new = story(), Said(5.0, None)
    told.tell({2: new})
    for said in (FIRST[2], new):
        users = database()
        users[7].ratings[2] = said
        assert list(breaches([told], users)) == []


def test_a_new_user_without_an_answer_may_be_there_once() -> None:
    told = Story(MARK)
    told.tell(FIRST)
    assert list(breaches([told], {})) == []
    assert list(breaches([told], database(None))) == []
    assert len(list(breaches([told], database(None) | {8: Found(None, dict(FIRST))}))) == 1


def test_an_earlier_rating_never_stands_in_for_an_acknowledged_later_one() -> None:
    pair = Pair(Said(4.0, LATER), [Said(1.0, MARK)])
    assert not pair.allows(Said(1.0, MARK))
    assert pair.allows(pair.sure)
    pair.perhaps.append(Said(2.0, LATER + timedelta(seconds=1)))
    assert pair.allows(pair.perhaps[-1])


def test_a_deleted_user_must_stay_away_unless_a_request_for_it_is_still_out() -> None:
    gone = replace(story(), gone=True)
    assert list(breaches([gone], {})) == []
    assert len(list(breaches([gone], database()))) == 1
    assert list(breaches([replace(gone, doubtful=True)], database())) == []
    assert list(breaches([replace(story(), leaving=True)], {})) == []
