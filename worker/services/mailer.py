"""Which way mails leave, by the settings."""

from worker.services.mail import Mailer
from worker.services.outbox import OutboxMailer
from worker.services.smtp import SmtpMailer
from worker.settings import Settings


def make_mailer(settings: Settings) -> Mailer:
    """To the mail server of the settings, or into a folder where there is none."""
    server = settings.smtp
    return OutboxMailer(settings) if server is None else SmtpMailer(settings, server)
