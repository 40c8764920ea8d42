"""Verbs for the clients of the platform, as marquee_owner."""

import secrets

import click

from recommender.verbs.opening import in_database, say


@click.group()
def clients() -> None:
    """List, add, disable, enable and delete clients (as marquee_owner)."""


@clients.command("list")
def list_clients() -> None:
    """Every client: id, username, status, since when, name and e-mail."""
    from recommender import accounts

    with in_database() as connection:
        for a in accounts.listed(connection):
            say(f"{a.client_id:>6}  {a.username:<20} {a.status:<9} {a.created_at:%F}  {a.name} <{a.email}>")


@clients.command("add")
@click.argument("username")
@click.option("--name", required=True)
@click.option("--email", required=True)
@click.option(
    "--no-password", is_flag=True, help="Nobody can sign in as this client until its password is reset."
)
def add_client(username: str, name: str, email: str, no_password: bool) -> None:
    """Register a client and print its password, once."""
    from recommender import accounts

    password, username = secrets.token_urlsafe(18), accounts.new_username(username)
    with in_database() as connection:
        if accounts.find(connection, username):
            say(f"client {username} is there already")
            return
        accounts.register(connection, username, name, email, accounts.hash_password(password))
    say(f"client {username} registered" + ("" if no_password else f", password: {password}"))


@clients.command("reset-password")
@click.argument("username")
def reset_password(username: str) -> None:
    """Give a client a new password and print it, once."""
    from recommender import accounts

    password = secrets.token_urlsafe(18)
    with in_database() as connection:
        accounts.set_password(connection, username, accounts.hash_password(password))
    say(f"new password of {accounts.folded(username)}: {password}")


@clients.command()
@click.argument("username")
def disable(username: str) -> None:
    """Refuse a client at once; its tokens stop working, its data stay."""
    _set_status(username, "disabled")


@clients.command()
@click.argument("username")
def enable(username: str) -> None:
    """Let a disabled client in again."""
    _set_status(username, "active")


def _set_status(username: str, status: str) -> None:
    from recommender import accounts

    with in_database() as connection:
        accounts.set_status(connection, username, status)
    say(f"client {accounts.folded(username)} is {status}")


@clients.command("delete")
@click.argument("username")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete_client(username: str, yes: bool) -> None:
    """Delete a client with all its users and everything of theirs."""
    from recommender import accounts

    if not yes:
        click.confirm(
            f"Delete {username}, all its users and their ratings? This cannot be undone", abort=True
        )
    with in_database() as connection:
        accounts.delete(connection, username)
    say(f"client {accounts.folded(username)} is deleted")
