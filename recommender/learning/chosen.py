"""What this platform's models are trained with: the defaults, or what was chosen on its data."""

from recommender.days import TRAINING
from recommender.files import Store
from recommender.model import DEFAULTS
from recommender.tuning.choice import Choice

PARAMETERS, JOURNAL = f"{TRAINING}/parameters.json", f"{TRAINING}/tuning.journal"  # beside the snapshots


def chosen(data: Store) -> Choice:
    if not data.exists(PARAMETERS):
        return Choice(DEFAULTS, None)
    return Choice.read(data.read(PARAMETERS), data.named(PARAMETERS))


def choose(data: Store, choice: Choice) -> None:
    data.write(PARAMETERS, choice.written())


def forget_choice(data: Store) -> bool:
    """Whether there was one."""
    there = data.exists(PARAMETERS)
    for path in (PARAMETERS, JOURNAL):
        data.delete(path)
    return there
