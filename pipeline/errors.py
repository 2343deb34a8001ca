"""The errors that are the user's to mend."""

REMEDY = "fetch or record the file again"
"""What to do about a damaged recording."""


class InputError(Exception):
    """Input that cannot be used. The text says which file or key, where in it, what was expected, what to do."""


class RecordingError(InputError):
    """A recording that cannot be used. The text says which file, which byte or event, what was expected, what to do."""
