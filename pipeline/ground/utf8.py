"""Programs in UTF-8, whatever the locale says."""

import io
import os
import sys


def use_utf8() -> None:
    """Starts this program again in Python's UTF-8 mode where the locale has another encoding for names of files.

    Arrow, DVC and all of our files take UTF-8 alone. `print` writes what the terminal does not have as \\u2028.
    """
    if sys.getfilesystemencoding() != "utf-8":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this program itself
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
