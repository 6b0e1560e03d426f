"""Mails on their way: to a real mail server, encrypted and not, into a folder, and at a pace."""

import asyncio
import ssl
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr, ValidationError
from shop_support.mail_server import DROP, USER, MailServer, mail_server

from worker.mail_address import AddressInvalid, parse_address, parse_sender
from worker.services.mail import (
    MAIL_POLICY,
    MailRefused,
    MailServerUnavailable,
    MailUncertain,
    wire_bytes,
)
from worker.services.mailer import make_mailer
from worker.services.newsletter_mail import Edition, Offer, newsletter_mail
from worker.settings import Settings

WEEK = "2026-W47"
SENDER = parse_sender("The shop <news@shop.example>")


def mail_to(
    address: str, *, first_name: str | None = "Ada", offers: tuple[Offer, ...] = ()
) -> EmailMessage:
    return newsletter_mail(
        Edition(week=WEEK, offers=offers),
        sender=SENDER,
        receiver=parse_address(address),
        first_name=first_name,
        date=datetime(2026, 11, 16, 8, tzinfo=UTC),
    )


def settings_for(url: str, *, mails_per_second: float = 1_000) -> Settings:
    return Settings(
        database_url=SecretStr("sqlite:///unused.db"),
        smtp_url=SecretStr(url),
        mail_from=str(SENDER),
        mails_per_second=mails_per_second,
    )


async def send(url: str, *mails: EmailMessage) -> None:
    async with make_mailer(settings_for(url)).open() as post:
        for mail in mails:
            await post.send(mail)


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ssl.SSLContext:
    """What a server proves by that it is localhost, to who trusts this machine's authorities."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


# --- Encryption and login ---------------------------------------------------------------------


async def test_mail_goes_over_starttls_with_a_password(tls: ssl.SSLContext) -> None:
    async with mail_server(starttls=tls, login=True) as server:
        url = f"smtp://{USER}:hunter2%26co@localhost:{server.port}"
        await send(url, mail_to("ada@example.com"))
        assert server.receivers == {"ada@example.com": 1}


async def test_mail_goes_over_tls_from_the_first_byte(tls: ssl.SSLContext) -> None:
    async with mail_server(tls=tls) as server:
        await send(f"smtps://localhost:{server.port}", mail_to("ada@example.com"))
        assert server.receivers == {"ada@example.com": 1}


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_server_that_cant_prove_who_it_is_gets_neither_mail_nor_password(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    which = {"tls" if scheme == "smtps" else "starttls": tls}
    async with mail_server(**which, login=True) as server:
        url = f"{scheme}://{USER}:hunter2%26co@localhost:{server.port}"
        with pytest.raises(
            MailServerUnavailable, match=r"localhost:\d+ can't prove who it is"
        ) as caught:
            await send(url, mail_to("ada@example.com"))
        assert "hunter2" not in str(caught.value)
        assert not server.mails
        assert not server.logins


async def test_no_password_is_sent_where_the_server_offers_no_encryption() -> None:
    async with mail_server() as server:
        with pytest.raises(MailServerUnavailable, match="STARTTLS"):
            await send(f"smtp://{USER}:hunter2%26co@localhost:{server.port}")
        assert not server.logins


async def test_a_wrong_password_is_told_without_it(tls: ssl.SSLContext) -> None:
    async with mail_server(starttls=tls, login=True) as server:
        url = f"smtp://{USER}:wrong-s3cret@localhost:{server.port}"
        with pytest.raises(MailServerUnavailable, match="answers 535") as caught:
            await send(url, mail_to("ada@example.com"))
        assert "s3cret" not in str(caught.value)


async def test_a_server_that_isnt_there_is_told_by_its_address() -> None:
    async with mail_server() as gone:
        port = gone.port
    with pytest.raises(MailServerUnavailable, match=f"127.0.0.1:{port} can't be used"):
        await send(f"smtp+plain://127.0.0.1:{port}")


# --- What the server answers ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "for_good"),
    [
        ("550 5.1.1 no such user", True),
        ("553 mailbox name not allowed", True),
        ("450 4.2.0 greylisted", False),
        # By policy: mostly it is the sender who lacks a permission.
        ("554 5.7.1 relay access denied", False),
    ],
)
async def test_a_refused_mail_tells_whether_asking_again_can_help(
    server: MailServer, answer: str, for_good: bool
) -> None:
    for answers in (server.to_receiver, server.to_mail):
        answers["ada@example.com"] = [answer]
        with pytest.raises(MailRefused) as caught:
            await send(plain(server), mail_to("ada@example.com"))
        assert (caught.value.reason, caught.value.for_good) == (answer, for_good)
        assert "example.com" not in str(caught.value)
    assert not server.mails


async def test_after_a_refusal_the_connection_carries_the_next_mail(server: MailServer) -> None:
    server.to_receiver["ada@example.com"] = ["550 5.1.1 no such user"]
    async with make_mailer(settings_for(plain(server))).open() as post:
        with pytest.raises(MailRefused):
            await post.send(mail_to("ada@example.com"))
        await post.send(mail_to("bob@example.com"))
    assert server.receivers == {"bob@example.com": 1}
    assert server.connections == 1


async def test_only_a_mail_that_was_handed_over_whole_is_uncertain(server: MailServer) -> None:
    server.to_mail["ada@example.com"] = [DROP]
    with pytest.raises(MailUncertain):
        await send(plain(server), mail_to("ada@example.com"))
    server.to_receiver["ada@example.com"] = [DROP]
    with pytest.raises(MailServerUnavailable):
        await send(plain(server), mail_to("ada@example.com"))
    server.to_mail["ada@example.com"] = ["421 4.3.0 going down"]
    with pytest.raises(MailServerUnavailable):
        await send(plain(server), mail_to("ada@example.com"))


# --- The mail itself --------------------------------------------------------------------------


async def test_lines_of_dots_arrive_as_they_are(server: MailServer) -> None:
    mail = EmailMessage(policy=MAIL_POLICY)
    mail["From"], mail["To"] = SENDER, parse_address("ada@example.com")
    mail.set_content(".\n..\nfrom\n.\n")
    await send(plain(server), mail)
    assert server.mails[0].get_content().splitlines() == [".", "..", "from", "."]


async def test_nothing_that_people_write_becomes_a_header_or_html(server: MailServer) -> None:
    evil = "Eve\r\nBcc: all@example.com\r\n\r\n<script>alert(1)</script>\u2028\x00"
    mail = mail_to(
        "ada@example.com", first_name=evil, offers=(Offer(title=evil, description=evil),)
    )
    await send(plain(server), mail)
    (got,) = server.mails
    assert got.keys() == mail.keys()
    text, html = (part.get_content() for part in got.iter_parts() if isinstance(part, EmailMessage))
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert text.startswith("Hello Eve Bcc: all@example.com <script>alert(1)</script>,\r\n")


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example.com> SIZE=1\r\nRCPT TO:<eve@example.com",
        "ada@example.com, eve@example.com",
        "<ada@example.com>",
        "ada",
        "@example.com",
        "ada@",
        "ada@localhost",
        "ada@exa mple.com",
        "ada\x00@example.com",
        "ädä@example.com",
        f"{'a' * 250}@example.com",
        "",
        None,
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(address: str | None) -> None:
    with pytest.raises(AddressInvalid) as caught:
        parse_address(address)
    assert "ada" not in str(caught.value)


def test_a_long_way_to_unsubscribe_stays_in_one_piece() -> None:
    sender = parse_sender(f"The shop <{'news' * 15}@{'shop.' * 10}example>")
    mail = newsletter_mail(
        Edition(week=WEEK),
        sender=sender,
        receiver=parse_address("ada@example.com"),
        first_name=None,
        date=datetime(2026, 11, 16, 8, tzinfo=UTC),
    )
    wanted = f"List-Unsubscribe: <mailto:{sender.addr_spec}?subject=unsubscribe>\r\n"
    assert wanted.encode() in wire_bytes(mail)


def test_mails_of_one_edition_to_one_reader_bear_one_id() -> None:
    first, again, other = (
        mail_to(address) for address in ("ada@example.com", "Ada@Example.com", "bob@example.com")
    )
    assert first["Message-ID"] == again["Message-ID"] != other["Message-ID"]
    assert first["Message-ID"].endswith("@shop.example>")


# --- Where mails go ---------------------------------------------------------------------------


async def test_without_a_mail_server_mails_become_files_for_their_owner_alone(
    tmp_path: Path,
) -> None:
    outbox = tmp_path / "new" / "outbox"
    settings = Settings(database_url=SecretStr("sqlite:///unused.db"), outbox_dir=outbox)
    mailer = make_mailer(settings)
    async with mailer.open() as post:
        for address in ("ada@example.com", "bob@example.com", "ada@example.com"):
            await post.send(mail_to(address))
    files = sorted(outbox.iterdir())
    assert len(files) == 2
    assert {file.suffix for file in files} == {".eml"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert any(b"To: bob@example.com\r\n" in file.read_bytes() for file in files)


async def test_a_folder_that_cant_be_written_to_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    settings = Settings(
        database_url=SecretStr("sqlite:///unused.db"), outbox_dir=tmp_path / "file" / "outbox"
    )
    with pytest.raises(MailServerUnavailable, match="set SMTP_URL, or OUTBOX_DIR"):
        async with make_mailer(settings).open():
            pass


async def test_mails_leave_no_faster_than_the_settings_say() -> None:
    mailer = make_mailer(settings_for("smtp+plain://127.0.0.1:25", mails_per_second=50))
    loop = asyncio.get_running_loop()
    began = loop.time()
    # Side by side, as two batches on one worker are.
    await asyncio.gather(*(mailer.turn() for _ in range(11)))
    assert loop.time() - began >= 10 / 50


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"smtp_url": "smtp://shop:hunter2@mail.example.com"}, "MAIL_FROM must say"),
        ({"smtp_url": "smtp+plain://shop:hunter2@mail.example.com"}, "anybody on the way can read"),
        ({"smtp_url": "http://shop:hunter2@mail.example.com"}, "smtps://"),
        ({"smtp_url": "smtp://shop:hunter2@mail.example.com:notaport"}, "can't be parsed"),
        ({"smtp_url": "smtp://shop:hunter2@mail.example.com/?tls=no"}, "smtps://"),
        ({"mail_from": "hunter2"}, "not one address"),
        ({"mail_from": "a@b.example, c@d.example"}, "not one address"),
        ({"mails_per_second": 0}, "greater than or equal"),
    ],
)
def test_settings_that_mean_nothing_are_told_without_their_secrets(
    values: dict[str, object], reason: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(values)
    assert reason in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_settings_never_show_the_mail_servers_password() -> None:
    settings = settings_for("smtps://shop:hunter2@mail.example.com")
    assert settings.smtp is not None
    assert (settings.smtp.port, settings.smtp.password) == (465, "hunter2")
    assert "hunter2" not in f"{settings!r} {settings} {settings.smtp!r} {settings.model_dump()}"


def plain(server: MailServer) -> str:
    return f"smtp+plain://127.0.0.1:{server.port}"
