"""A folder that mails end in where no mail server is set: to look at, and to harm nobody."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from email.message import EmailMessage
from pathlib import Path
from tempfile import NamedTemporaryFile

from worker.services.mail import Mailer, MailServerUnavailable, wire_bytes
from worker.settings import Settings


class OutboxMailer(Mailer):
    """Writes each mail as an `.eml` file, which mail programs open."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._folder = settings.outbox_dir

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["OutboxMailer"]:
        """The folder, made where it is missing."""
        with _unavailable(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        yield self

    async def send(self, mail: EmailMessage) -> None:
        """Write the mail; the same mail again replaces its file."""
        with _unavailable(self._folder):
            await asyncio.to_thread(self._write, mail)

    def _write(self, mail: EmailMessage) -> None:
        name = mail["Message-ID"].strip("<>").partition("@")[0]
        # Whoever looks finds whole mails only. Customers' addresses are in them: a temporary file
        # is its owner's alone, and stays so under its new name.
        with NamedTemporaryFile(dir=self._folder, prefix=".", delete=False) as file:
            try:
                file.write(wire_bytes(mail))
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(self._folder / f"{name}.eml")
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise


@contextlib.contextmanager
def _unavailable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MailServerUnavailable(
            f"the mail can't be written to {folder}: {error.strerror}; set SMTP_URL, or OUTBOX_DIR "
            "to a folder that can be written to"
        ) from None
