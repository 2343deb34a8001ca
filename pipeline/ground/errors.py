"""The errors that are the user's to mend."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager

RECORDING_REMEDY = "fetch or record the file again"
"""What to do about a damaged recording."""

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ENAMETOOLONG)
"""What a disk says when it is full, over quota or not ours to write, or when a path is too long."""


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


def refusal(error: OSError) -> str | None:
    """One line for what the disk refuses, None for every other error."""
    if error.errno not in DISK:
        return None
    reason = (error.strerror or "refused").lower()
    return f"{error.filename or 'the disk'}: {reason}; mend that and run it again"
