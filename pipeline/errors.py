"""The one error that is the user's to mend."""


class InputError(Exception):
    """Input that cannot be used. The text says which file or key, where in it, what was expected, what to do."""
