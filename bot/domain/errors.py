"""The one tree of errors.

::

    XiaoerError                      anything we raise on purpose; its text is for the person who meets it
    ├── ConfigError                  config.yml or the environment is wrong
    ├── RefusedInput                 what came in from outside cannot be accepted (HTTP 4xx)
    │   ├── BadSignature             a webhook or token that does not prove its sender
    │   ├── BadPayload               not the JSON, XML or form the sender's platform promises
    │   └── TooLarge                 more than we take
    ├── NotFound                     what was asked for is not there (or not yours)
    ├── NotAllowed                   the role does not reach
    ├── Conflict                     somebody else was first, or the state does not permit it
    ├── ImportRefused                rows of a file are wrong; carries each with line and reason
    ├── ModelRefused                 a trained model does not fit its data, code or encoder
    └── StorageError                 the database cannot be used
        ├── SchemaTooNew             the database was written by a newer version
        └── SchemaTooOld             the database has not been migrated
"""

from __future__ import annotations


class XiaoerError(Exception):
    """Any failure that is raised on purpose; the text says what happened, which value, what to do."""


class ConfigError(XiaoerError):
    """The configuration is wrong; the text names the path of the key."""


class RefusedInput(XiaoerError):
    """What came from outside cannot be accepted."""


class BadSignature(RefusedInput):
    """The sender did not prove who he is."""


class BadPayload(RefusedInput):
    """The bytes are not what the platform promises."""


class TooLarge(RefusedInput):
    """More than we take."""


class NotFound(XiaoerError):
    """What was asked for is not there, or not the asker's."""


class NotAllowed(XiaoerError):
    """The person's role does not permit it."""


class Conflict(XiaoerError):
    """Somebody else was first, or the present state does not permit it."""


class ImportRefused(XiaoerError):
    """Rows of a file are wrong; nothing was imported.

    ``problems`` lists ``(line, reason)``, line counted from 1 as an editor shows it (0: the whole file).
    """

    def __init__(self, message: str, problems: tuple[tuple[int, str], ...] = ()) -> None:
        """Keep the message and the rows that are wrong."""
        super().__init__(message)
        self.problems = problems


class ModelRefused(XiaoerError):
    """A trained model does not fit its data, code or encoder; train again."""


class StorageError(XiaoerError):
    """The database cannot be used."""


class SchemaTooNew(StorageError):
    """The database was written by a newer version of Xiaoer."""


class SchemaTooOld(StorageError):
    """The database has not been migrated to this version."""
