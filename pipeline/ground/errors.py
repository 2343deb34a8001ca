"""Errors that the user can fix."""

import errno
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

RECORDING_REMEDY = "fetch or record the file again"
"""What to do about a damaged recording."""

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ENAMETOOLONG)
"""Error numbers of a full disk, an exceeded quota, missing write permission, and a path that is too long."""


class InputError(Exception):
    """Input that cannot be used. The text says which file or key, where in it, what was expected, what to do."""


class RecordingError(InputError):
    """A recording that cannot be used. The text says which file, which byte or event, what was expected, what to do."""


@contextmanager
def afterwards(do: Callable[[], None], say: Callable[[str], None]) -> Iterator[None]:
    """Calls `do` after the block.

    If the block failed, its error is raised, and an InputError of `do` is only reported.
    """
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
    """One line about an error in DISK, None for every other error."""
    if error.errno not in DISK:
        return None
    reason = (error.strerror or "refused").lower()
    return f"{error.filename or 'the disk'}: {reason}; fix that and run it again"


def by_reason(errors: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Lines for files and their errors: a reason that several files share stands once, before their names.

    An error begins with its file or says itself which it is about.
    """
    files_of = defaultdict[str, list[tuple[str, str]]](list)
    for file, error in errors:
        files_of[error.removeprefix(f"{file}: ")].append((file, error))
    for reason, found in files_of.items():
        yield f"  {found[0][1]}" if len(found) == 1 else "\n    ".join([f"  {reason}:", *(file for file, _ in found)])
