import click


class SimulatorError(click.ClickException):
    """Something the person at the terminal can mend: printed as one line, exit status 1."""
