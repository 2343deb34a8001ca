"""`sresnet canaries`: checks rules of other libraries and of the network on a few numbers."""

from pipeline.ground.errors import InputError
from pipeline.verify.canaries import changed_rules, run_canaries
from pipeline.verify.rules import RULES


def try_canaries() -> None:
    """Prints one line per canary. Raises InputError that names every rule that changed."""
    outcomes = [*run_canaries(), *run_canaries(RULES)]
    for outcome in outcomes:
        canary = outcome.canary
        print(f"{outcome.state:<13}  {canary.name} ({canary.package} {outcome.version or '-'}): {canary.rule}")
    if lines := changed_rules(outcomes):
        raise InputError("\n".join([f"{len(lines)} rule(s) changed", *lines]))
