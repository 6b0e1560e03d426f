"""The options that commands share, each with the environment variable that says the same."""

from typing import Annotated, Literal

import typer

Output = Literal["text", "json"]

OutputOption = Annotated[
    Output,
    typer.Option(
        "--output", "-o", envvar="EURYALE_OUTPUT", help="Text for people or JSON for programs."
    ),
]

AppOption = Annotated[
    str | None,
    typer.Option(
        "--app",
        envvar="EURYALE_APP",
        metavar="MODULE:NAME",
        help="The application; by default what [tool.euryale] of pyproject.toml names.",
    ),
]

AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        envvar="TEMPORAL_ADDRESS",
        metavar="HOST:PORT",
        help="Temporal's address; by default that of temporal.toml, then 127.0.0.1:7233.",
    ),
]

NamespaceOption = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        envvar="TEMPORAL_NAMESPACE",
        metavar="NAME",
        help="Temporal's namespace; by default that of temporal.toml, then 'default'.",
    ),
]

OperatorOption = Annotated[
    str | None,
    typer.Option(
        "--operator",
        envvar="EURYALE_OPERATOR",
        metavar="NAME",
        help="Who does it, for the record; by default the user and the machine.",
    ),
]

LogLevelOption = Annotated[
    Literal["debug", "info", "warning", "error"],
    typer.Option(
        "--log-level", envvar="EURYALE_LOG_LEVEL", help="The lowest level of the lines logged."
    ),
]

ReleaseOption = Annotated[
    str | None,
    typer.Option(
        "--release",
        envvar="EURYALE_RELEASE",
        metavar="NAME",
        help="The release that the code is; by default one named by the code's content.",
    ),
]

SequenceOption = Annotated[
    int | None,
    typer.Option(
        "--sequence",
        envvar="EURYALE_SEQUENCE",
        metavar="NUMBER",
        help="The release's place among the releases; by default they are ordered by when each "
        "was first applied.",
    ),
]

RollbackOption = Annotated[
    bool,
    typer.Option(
        "--rollback",
        envvar="EURYALE_ROLLBACK",
        help="Make this release the newest one although a newer one was applied.",
    ),
]
