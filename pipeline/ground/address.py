"""Addresses with keys in them (s3://KEY:SECRET@bucket), which would stand in errors, logs and reports."""

import re

_KEYS = re.compile(r"(?<=://)(?!anonymous@)[^/?#]*@|(?<=s3://)[^/?#@:]*:.*@")
"""Second case: a secret with a slash. Google's storage has a user `anonymous` without a key."""


def without_keys(address: str) -> str:
    """The address without a user's name and key."""
    return _KEYS.sub("", address)


def holds_no_keys(address: str) -> str:
    """The address. Raises ValueError if it names a user or a key."""
    if without_keys(address) != address:
        raise ValueError(
            "it contains a user's name or a key, which every report would show; remove them, and set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (of a website: ~/.netrc) instead"
        )
    return address
