"""Makes programs use UTF-8 regardless of the locale."""

import io
import os
import sys


def use_utf8() -> None:
    """Restarts this program in Python's UTF-8 mode if the locale has another encoding for file names.

    Arrow, DVC and all our files use only UTF-8. `print` escapes characters that the terminal cannot encode, as \\u2028.
    """
    if sys.getfilesystemencoding() != "utf-8":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this program itself
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
