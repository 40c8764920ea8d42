from sqlalchemy import Engine, text

from recommender.local.urls import PerRole


def test_each_role_connects_as_itself_to_a_database_of_its_own(engines: PerRole[Engine]) -> None:
    def who(engine: Engine) -> tuple[str, str]:
        with engine.connect() as connection:
            row = connection.execute(text("SELECT current_user, current_database()")).one()
            return row[0], row[1]

    roles, databases = zip(
        *(who(engine) for engine in (engines.admin, engines.owner, engines.api, engines.pipeline)),
        strict=True,
    )
    assert roles == ("postgres", "marquee_owner", "marquee_api", "marquee_pipeline")
    assert len(set(databases)) == 1
