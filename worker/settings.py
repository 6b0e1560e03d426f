"""What the shop's process is told by its environment."""

from email.headerregistry import Address
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from euryale.app import project_root
from worker.catalog_address import check_catalog_token, parse_catalog_url
from worker.mail_address import parse_sender
from worker.smtp_server import SmtpServer, parse_smtp_url

_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
}
"""Schemes that people and hosting platforms write, and the async driver that each one means."""


def parse_database_url(text: str) -> URL:
    """A database URL with its async driver, and with an absolute path where it names a file.

    Raises:
        ValueError: It is no URL, or no SQLite file or Postgres database. The message never
            repeats the URL, which may hold a password.

    Example:
        >>> parse_database_url("postgres://shop@localhost/shop").drivername
        'postgresql+psycopg'
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(
            "the database URL can't be parsed: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE "
            "or sqlite:///FILE, with special characters in the password percent-encoded"
        ) from None
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        known = ", ".join(f"{scheme}://" for scheme in _DRIVERS)
        raise ValueError(f"the database URL begins with {url.drivername}://; known are {known}")
    url = url.set(drivername=driver)
    if url.get_backend_name() == "postgresql":
        return url
    if not url.database or url.database == ":memory:":
        raise ValueError(
            "an SQLite database in memory is lost with its process, and no second connection "
            "sees it: name a file, such as sqlite:///.euryale/shop.db"
        )
    # A later change of the working directory must not lead to another, empty file.
    return url.set(database=str(Path(url.database).expanduser().absolute()))


def _with_driver(secret: SecretStr) -> SecretStr:
    url = parse_database_url(secret.get_secret_value())
    return SecretStr(url.render_as_string(hide_password=False))


_SENDER = "The shop <news@shop.example>"
"""Who mails are from where they only go to a folder."""


def _absolute(path: Path) -> Path:
    # A later change of the working directory must not lead to another folder.
    return path.expanduser().absolute()


class Settings(BaseSettings):
    """The shop's settings, each from the environment variable of its name.

    Attributes:
        database_url: Where the shop's data are: `DATABASE_URL`, by default an SQLite file under
            the project's root. Kept secret in every representation.
        smtp_url: Where mails go: `SMTP_URL`, see `worker.smtp_server`. Without it they become
            files in the folder `outbox_dir`. Kept secret, too.
        mail_from: Who mails are from: `MAIL_FROM`, such as `The shop <news@shop.example>`. Needed
            where there is an `SMTP_URL`.
        mails_per_second: How fast each worker sends mails at the most: `MAILS_PER_SECOND`.
        outbox_dir: The folder for mails that go nowhere: `OUTBOX_DIR`, by default
            `.euryale/outbox` under the project's root.
        export_dir: The folder that exports are written into: `EXPORT_DIR`, by default
            `.euryale/exports` under the project's root. All workers must see the same one.
        catalog_url: Where the catalog is that products are synced to: `CATALOG_URL`. Without it
            nothing is synced.
        catalog_token: What authorizes the shop there, as a bearer token: `CATALOG_TOKEN`.

    Raises:
        pydantic.ValidationError: A value is invalid; the message doesn't repeat it.

    Example:
        >>> Settings(database_url="postgres://shop:secret@localhost/shop")
        Settings(database_url=SecretStr('**********'))
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True
    )

    # The project's root, so that a command in a subfolder means the same shop.
    database_url: Annotated[SecretStr, AfterValidator(_with_driver)] = Field(
        default_factory=lambda: SecretStr(f"sqlite:///{project_root() / '.euryale' / 'shop.db'}")
    )
    smtp_url: SecretStr | None = None
    mail_from: str = ""
    mails_per_second: Annotated[float, Field(ge=0.1, le=1_000)] = 10
    outbox_dir: Path = Field(default_factory=lambda: project_root() / ".euryale" / "outbox")
    export_dir: Annotated[Path, AfterValidator(_absolute)] = Field(
        default_factory=lambda: project_root() / ".euryale" / "exports"
    )

    @field_validator("smtp_url")
    @classmethod
    def _names_a_server(cls, secret: SecretStr | None) -> SecretStr | None:
        # An empty variable is how a compose file says that there is none.
        if secret is None or not secret.get_secret_value():
            return None
        parse_smtp_url(secret.get_secret_value())
        return secret

    @field_validator("mail_from")
    @classmethod
    def _names_a_sender(cls, text: str, info: ValidationInfo) -> str:
        if not text and info.data.get("smtp_url") is not None:
            raise ValueError(
                "with SMTP_URL, MAIL_FROM must say who mails are from, such as "
                "The shop <news@shop.example>"
            )
        return str(parse_sender(text or _SENDER))

    catalog_url: str | None = None
    catalog_token: SecretStr | None = None

    @field_validator("catalog_url")
    @classmethod
    def _names_a_catalog(cls, text: str | None) -> str | None:
        return parse_catalog_url(text) if text else None

    @field_validator("catalog_token")
    @classmethod
    def _is_a_token(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if secret is None or not secret.get_secret_value():
            return None
        check_catalog_token(secret.get_secret_value(), url=info.data.get("catalog_url"))
        return secret

    @property
    def url(self) -> URL:
        """The database URL in parts; its representation hides the password."""
        return make_url(self.database_url.get_secret_value())

    @property
    def smtp(self) -> SmtpServer | None:
        """The mail server; None where there is none."""
        return parse_smtp_url(self.smtp_url.get_secret_value()) if self.smtp_url else None

    @property
    def sender(self) -> Address:
        """Who mails are from."""
        return parse_sender(self.mail_from)


def refused(error: ValidationError) -> str:
    """Which variables are invalid and why, in a sentence that repeats no value."""
    return "; ".join(
        f"{str(each['loc'][0]).upper()} is invalid: {each['msg']}"
        for each in error.errors(include_url=False, include_input=False)
    )
