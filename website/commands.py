"""Generates the reference of the command `sresnet` from its command line."""

from collections.abc import Iterator
from typing import Any

import typer

from pipeline.cli.command_line import app

INTRODUCTION = """# Commands

`make setup` installs the command as `.venv/bin/sresnet`. The pages of this site write `sresnet`: either type the path,
or put it on your PATH once in each shell, with `export PATH=$PWD/.venv/bin:$PATH`. `sresnet COMMAND --help` prints the
same.

Exit codes: 0 done, 1 an error or a check that failed, 2 wrong usage, 130 after Ctrl-C, 143 after SIGTERM.
"""


def commands_page() -> str:
    """Markdown with a section for each subcommand, in the order of `sresnet --help`."""
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined] # a group has it
    shown = [command for command in commands.values() if not command.hidden]
    return "\n".join([INTRODUCTION, *(line for command in shown for line in _section(command))])


def _section(command: Any) -> Iterator[str]:
    """Usage, help and parameters of one subcommand."""
    usage = " ".join(["sresnet", command.name, *map(_usage, command.params)])
    yield from (f"## {command.name}", "", "```text", usage, "```", "", command.help.replace("<", "&lt;"), "")
    if command.params:
        yield from ("| argument or option | meaning |", "| --- | --- |")
        yield from (f"| `{_name(parameter)}` | {_meaning(parameter)} |" for parameter in command.params)
        yield ""


def _usage(parameter: Any) -> str:
    return _name(parameter) if parameter.required else f"[{_name(parameter)}]"


def _name(parameter: Any) -> str:
    """An argument's placeholder, or an option with it."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar)
    return parameter.opts[0] if parameter.is_flag else f"{parameter.opts[0]} {parameter.metavar or 'NUMBER'}"


def _meaning(parameter: Any) -> str:
    """The help text, with the default if the command line shows it."""
    shown = parameter.show_default and parameter.default not in (None, False) and not parameter.required
    return f"{parameter.help}{f' Default: {parameter.default}.' if shown else ''}".replace("|", r"\|")
