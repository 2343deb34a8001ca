"""Which names are accepted, and how they are written.

Names in params.yaml become folders, DVC stages and keys, and shell words: only letters, digits, - and _ are safe in all
of these. Names of the user's own folders, files and classes are data and may be nearly anything. They are normalised to
Unicode NFC, because macOS writes other bytes for the same letters, and refused only if a file system or program would
lose, hide or confuse them. Data may use names that Windows reserves, because nothing here runs on Windows.
"""

import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Annotated, TypeVar

from pydantic import AfterValidator

from pipeline.ground.errors import InputError

_LONGEST = 64
SEED_DIGITS = 21
"""Additional length of a run's name, <experiment>-<seed>: a hyphen and up to 20 digits."""
PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
RESERVED = {"audit-checkpoint", "con", "prn", "aux", "nul"} | {
    f"{port}{n}" for port in ("com", "lpt") for n in range(10)
}
"""A folder in results/ that is not an experiment, and names that a checkout on Windows cannot have."""
NAME_RULE = (
    f"a name has at most {_LONGEST} letters (a to z), digits, - and _, and begins with a letter or digit, "
    "because it names folders and DVC stages"
)
FILE_NAME_BYTES = 255
"""Maximum length of a file name on Linux and macOS."""
INVISIBLE = {"Cc", "Cf", "Zl", "Zp"}
"""Unicode categories of control characters, format and direction characters, and line and paragraph separators."""
JOINERS = "\u200c\u200d"
"""Invisible characters that are allowed, because words of some scripts and emoji contain them."""

_LOOK_ALIKES = str.maketrans(
    "АВЕЗІЈКМНОРСТУХЅԌԜѴавеһіјкмнорстухѕԁԍӏԛԝѵг"  # Cyrillic
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹϳαβεικνορτυχγη"  # Greek
    "օոսհցզ"  # Armenian
    "ɑɡıɩᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ|",  # Latin small capitals and others
    "ABE3IJKMHOPCTYXSGWVabehijkmhopctyxsdglqwvrABEZHIKMNOPTYXCjabeikvoptuxynonuhgqagiiabcdefghijklmnoprstuvwyzl",
)
"""Letters that look like those of titles, after the Unicode consortium's confusables.txt (UTS 39)."""

Value = TypeVar("Value")
Kept = TypeVar("Kept")


def checked(where: str, rule: Callable[[Value], Kept], value: Value) -> Kept:
    """The result of a rule of this file. Raises InputError that says where the name is."""
    try:
        return rule(value)
    except ValueError as reason:
        raise InputError(f"{shown(where)}: {reason}") from None


def check_name(name: str, longest: int = _LONGEST) -> str:
    """The name, if a dataset, an experiment or a profile may have it. Raises ValueError."""
    if not PATTERN.fullmatch(name) or len(name) > longest:
        raise ValueError(NAME_RULE)
    if name.lower() in RESERVED:
        raise ValueError("this name is reserved; choose another one")
    return name


def check_run_name(name: str) -> str:
    """The name, if a run may have it. Raises ValueError."""
    return check_name(name, _LONGEST + SEED_DIGITS)


def check_spelling(named: Mapping[str, Value]) -> Mapping[str, Value]:
    """The same mapping, if no two of its keys differ only in case. Raises ValueError."""
    one_spelling(named)
    return named


Name = Annotated[str, AfterValidator(check_name)]
RunName = Annotated[str, AfterValidator(check_run_name)]
DistinctNames = AfterValidator(check_spelling)


def line(text: str) -> str:
    """The text, if it is one nonempty line without invisible characters. Raises ValueError."""
    kinds = {unicodedata.category(character) for character in text if character not in JOINERS}
    if "Cs" in kinds:
        raise ValueError("it is not UTF-8; rename it")
    if kinds & INVISIBLE:
        raise ValueError("it contains a control character or another invisible one; rename it")
    if not text:
        raise ValueError("it is empty; write a name")
    if text != text.strip():
        raise ValueError("it begins or ends with a space; rename it")
    return text


def label(text: str) -> str:
    """The name of a class, or a title, normalised to NFC. Raises ValueError."""
    return unicodedata.normalize("NFC", line(text))


def labels(where: str, names: Iterable[str]) -> tuple[str, ...]:
    """The names of classes, normalised to NFC. Raises InputError if two are equal or one is not allowed."""
    found = tuple(checked(f"{where}: class {name}", label, name) for name in names)
    for before, after in itertools.pairwise(sorted(found)):
        if before == after:
            raise InputError(f"{where}: two classes are named {before}; rename one of them")
    return found


def file_name(text: str) -> str:
    """The name of one file or folder of a dataset, normalised to NFC. Raises ValueError."""
    name = label(text)
    if "/" in name or "\\" in name:
        raise ValueError("it contains a slash or a backslash, which separate folders; rename it")
    if name.endswith("."):
        raise ValueError("it ends with a dot, which Windows and its network drives remove; rename it")
    if len(name.encode()) > FILE_NAME_BYTES:
        raise ValueError(f"it has more than {FILE_NAME_BYTES} bytes; rename it")
    return name


def file_path(path: str) -> str:
    """A relative path with slashes; each part is checked and normalised by `file_name`. Raises ValueError."""
    return "/".join(file_name(part) for part in PurePosixPath(path).parts)


def one_spelling(names: Iterable[str]) -> None:
    """Raises ValueError if two names, or folders of two paths, differ only in case or Unicode normalisation."""
    paths = dict.fromkeys(names)
    for path in list(paths):
        while (path := path.rpartition("/")[0]) and path not in paths:
            paths[path] = None
    spelled: dict[str, str] = {}
    for path in paths:
        other = spelled.setdefault(_folded(path), path)
        if other != path:
            raise ValueError(
                f"{shown(other)} and {shown(path)} differ only in case or Unicode normalisation, and would be "
                "the same file on another file system; rename one of them"
            )


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def alike(one: str, other: str) -> bool:
    """Whether two titles look alike, ignoring case, spaces, punctuation and look-alike letters of other scripts."""
    return _looks(one) == _looks(other)


def _looks(text: str) -> str:
    """Letters and digits of a text, with look-alikes merged: I, l and 1 are the same, and so are O and 0."""
    plain = unicodedata.normalize("NFKD", text).translate(_LOOK_ALIKES).casefold()
    return "".join(filter(str.isalnum, plain)).translate(str.maketrans("ilo", "110"))


def shown(text: str) -> str:
    """The text on one line: bytes that are not UTF-8 escaped as \\xe1, control characters as \\n."""
    return text if text.isprintable() else "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that Python could not decode
        return f"\\x{ord(character) - 0xDC00:02x}"
    invisible = unicodedata.category(character) in INVISIBLE | {"Cs"}
    return character.encode("unicode_escape").decode() if invisible else character


def markdown(text: object) -> str:
    """The text escaped for a cell of a Markdown table: no markup, no HTML, on one line."""
    return re.sub(r"([\\`*_\[\]<>&|~])", r"\\\1", shown(str(text)))
