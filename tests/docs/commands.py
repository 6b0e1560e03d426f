"""Commands of the documentation that aren't run: whether they could be, by what knows them."""

import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer
import yaml

from euryale.cli import cli
from tests.docs.pages import ROOT

GROUP: Any = typer.main.get_command(cli)

ELSEWHERE = {
    ".": "a shell's own",
    "cd": "a shell's own",
    "chmod": "the system's own",
    "echo": "the system's own",
    "export": "a shell's own",
    "mkdir": "the system's own",
    "pip": "installs from the network",
}
"""Programs that are nothing of this project's, and need no check."""

COMPOSE_VERBS = {"build", "logs", "ps", "run", "up"}


def commands_of(script: str) -> list[list[str]]:
    """The words of each command of a script, without redirections and comments."""
    lines = script.replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [line for line in words if line]


def check_command(words: list[str]) -> None:
    """Fail unless the command is one that exists, with options that it takes."""
    match words:
        case [program, *_] if program in ELSEWHERE:
            return
        case ["make", *arguments]:
            _check_make(arguments)
        case ["euryale", *arguments]:
            check_euryale(arguments)
        case ["python", "-m", "worker", *arguments]:
            check_euryale(["worker", *arguments])
        case ["python" | "python3", "-m", module, *_]:
            assert find_spec(module) is not None, f"there is no module {module}"
        case ["temporal", *arguments]:
            _check_temporal(arguments)
        case ["docker", "compose", *arguments]:
            _check_compose(arguments)
        case _:
            raise AssertionError(f"nothing knows the command {shlex.join(words)}")


def check_euryale(arguments: list[str]) -> None:
    """Let the command line parse the arguments, without doing anything."""
    name, *rest = arguments
    command = GROUP.commands[name]
    if hasattr(command, "commands"):
        name, *rest = rest
        command = command.commands[name]
    command.make_context(name, rest)


def parameters_of(command: Any) -> list[Any]:
    """The parameters of a command, or of all commands of a group."""
    below = getattr(command, "commands", {}).values()
    return [*command.params, *(each for one in below for each in parameters_of(one))]


def _check_make(arguments: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for argument in arguments:
        name = argument.partition("=")[0]
        pattern = rf"^{name} \?=" if "=" in argument else rf"^{name}:"
        assert re.search(pattern, makefile, re.MULTILINE), f"the Makefile has no {argument}"


def _check_temporal(arguments: list[str]) -> None:
    verbs = [word for word in arguments if re.fullmatch(r"[a-z-]+", word) and word[0] != "-"]
    binary = str(Path(sys.executable).parent / "temporal")
    told = subprocess.run(
        [binary, *verbs, "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert f"temporal {' '.join(verbs)} " in told, f"there is no command temporal {verbs}"
    for option in (word for word in arguments if word.startswith("-")):
        assert re.search(rf"(?<![\w-]){option}\b", told), f"temporal {verbs} has no {option}"


def _check_compose(arguments: list[str]) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    verb, *rest = arguments
    assert verb in COMPOSE_VERBS
    named = [word.partition("=")[0] for word in rest if not word.startswith("-")]
    if verb == "run":
        named = named[:1]
    for name in named:
        assert name in compose["services"], f"docker-compose.yml has no service {name}"
