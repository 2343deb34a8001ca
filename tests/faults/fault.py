"""Definition of a fault: a change that makes a clean repository wrong in one way, by mistake or by forgery."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.lab import Lab

Plant = Callable[[Lab], None]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to be wrong."""

    name: str
    """What it is, as the issue of an auditor names it."""
    form: str
    """How it is planted."""
    anew: bool
    """All digests, and all that follows, are made anew, so that the repository agrees with itself."""
    about: str
    """Regular expression that a line has to match to be about this fault, and not about anything."""
    plant: Callable[[Lab], None]
    base: str = "images"
    """Of which clean repository."""

    @property
    def id(self) -> str:
        return f"{self.name}: {self.form}"


def add(
    faults: list[Fault], name: str, form: str, about: str, *, anew: bool, base: str = "images"
) -> Callable[[Plant], Plant]:
    """A decorator: the function plants the fault, which joins the list."""

    def planted(plant: Plant) -> Plant:
        faults.append(Fault(name=name, form=form, anew=anew, about=about, plant=plant, base=base))
        return plant

    return planted
