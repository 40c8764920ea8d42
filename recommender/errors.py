"""What can go wrong, in the words that a person reads. api/problems.py gives each its HTTP status.

MarqueeError
├── BadSettings      a setting is missing or wrong
├── BadInput         the caller sent something that breaks a rule
│   └── Rejected     too much of a file broke a rule
├── BadArtifact      a model folder is damaged, or is not what it says
├── NotFound         there is no such client, user, movie or model
├── Refused          who asks may not: a bad token or password, a disabled client
├── Taken            a name that must be unique is in use
├── Away             the database does not answer
├── Busy             the database answers, but somebody else holds what is needed
├── Failed           a step of an operation failed; the sentence says what to do
└── NothingToDo      the sentence says why; a verb exits with 99, which a DAG shows as skipped
"""


class MarqueeError(Exception):
    """One sentence that names what is wrong and where."""


class BadSettings(MarqueeError):
    pass


class BadInput(MarqueeError):
    pass


class Rejected(BadInput):
    pass


class BadArtifact(MarqueeError):
    pass


class NotFound(MarqueeError):
    pass


class Refused(MarqueeError):
    pass


class Taken(MarqueeError):
    pass


class Away(MarqueeError):
    pass


class Busy(MarqueeError):
    pass


class Failed(MarqueeError):
    pass


class NothingToDo(MarqueeError):
    pass
