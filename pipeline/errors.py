"""The errors that are the user's to mend."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

REMEDY = "fetch or record the file again"
"""What to do about a damaged recording."""


class InputError(Exception):
    """Input that cannot be used. The text says which file or key, where in it, what was expected, what to do."""


class RecordingError(InputError):
    """A recording that cannot be used. The text says which file, which byte or event, what was expected, what to do."""


@contextmanager
def afterwards(do: Callable[[], None], say: Callable[[str], None]) -> Iterator[None]:
    """Does something after the block. If that failed, its error stays, and an InputError of `do` is only said."""
    try:
        yield
    except BaseException:
        try:
            do()
        except InputError as error:
            say(str(error))
        raise
    do()
