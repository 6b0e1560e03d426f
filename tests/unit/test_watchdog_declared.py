import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from euryale import Euryale, LogHook, MailHook, Watchdog, WebhookHook
from euryale.errors import ExpectationInvalid, JobNameTaken, WatchdogInvalid
from euryale.schedules.schedule import desired_schedule
from euryale.watchdog import hooks
from euryale.watchdog.hooks import mail
from euryale.watchdog.watch import Finding
from euryale.watchdog.watchdog import WatchdogSchedule

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Lamp:
    """A service, since an application has at least one."""


def finding(job: str = "nightly", **more: Any) -> Finding:
    return Finding(
        **{
            "app": "shop",
            "job": job,
            "kind": "missing",
            "message": "no run started for the firing at 2026-01-05 04:30 UTC",
            "since": NOON,
            "found_at": NOON,
            "about": "x",
            **more,
        }
    )


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"every": timedelta(seconds=9)}, "it can't look every 0:00:09"),
        ({"every": timedelta(days=1, seconds=1)}, "it can't look every"),
        ({"every": timedelta(seconds=10.5)}, "it can't look every"),
        ({"failures": 0}, "it can't wait for 0 failures"),
        ({"hooks": []}, "it has nobody to tell"),
        ({"hooks": [LogHook(), LogHook()]}, "2 hooks are named 'log'"),
        ({"ping": "ftp://s3cret"}, "the URL is none of the web"),
    ],
)
def test_a_watchdog_that_cannot_be_meant_is_refused(declared: Any, reason: str) -> None:
    with pytest.raises(WatchdogInvalid) as caught:
        Watchdog(**declared)
    assert reason in caught.value.what
    assert caught.value.where.startswith("Watchdog(")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "s3cret", "https://", "http://[s3cret", "file:///s3cret"])
def test_a_hook_without_an_address_of_the_web_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(WatchdogInvalid) as caught:
        WebhookHook(url)
    assert "s3cret" not in str(caught.value)


def test_mail_to_a_text_is_refused() -> None:
    with pytest.raises(WatchdogInvalid, match="a list of addresses"):
        MailHook("mail.example.com", 587, "ops@example.com", "ada@example.com")


@pytest.mark.parametrize(
    ("package", "make"),
    [
        ("httpx", lambda: WebhookHook("https://example.com")),
        ("httpx", lambda: Watchdog(ping="https://example.com")),
        ("aiosmtplib", lambda: MailHook("h", 25, "a@example.com", ["b@example.com"])),
    ],
)
def test_a_hook_whose_package_is_missing_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, package: str, make: Any
) -> None:
    monkeypatch.setattr(hooks, "find_spec", lambda _: None)
    with pytest.raises(WatchdogInvalid) as caught:
        make()
    assert f"'{package}'" in caught.value.what
    assert 'pip install "euryale[watchdog]"' in caught.value.mend


def test_secrets_are_not_in_what_is_printed_of_a_watchdog() -> None:
    watchdog = Watchdog(
        hooks=[
            WebhookHook("https://example.com/s3cret", {"Authorization": "s3cret"}),
            MailHook("h", 25, "a@example.com", ["b@example.com"], "s3cret", "s3cret"),
        ],
        ping="https://example.com/s3cret",
    )
    assert "s3cret" not in repr(watchdog)


def test_looks_come_half_a_minute_after_the_full_one_and_one_at_a_time() -> None:
    schedule = WatchdogSchedule("shop", Watchdog(), "queue").schedule()
    (interval,) = schedule.spec.intervals
    assert (interval.every, interval.offset) == (timedelta(minutes=1), timedelta(seconds=30))
    often = WatchdogSchedule("shop", Watchdog(every=timedelta(seconds=10)), "queue")
    (interval,) = often.schedule().spec.intervals
    assert interval.offset == timedelta(seconds=5)


def test_a_mail_names_the_first_job_and_how_many_more() -> None:
    recovered = finding("hourly", kind="recovered", recovered_from="running_long", run="shop/x")
    told = mail([finding(), recovered], sender="Ops <ops@example.com>", to=["a@x.org", "b@x.org"])
    assert told["Subject"] == "[shop] nightly: missing and 1 more"
    assert told["To"] == "a@x.org, b@x.org"
    assert told["Message-ID"].endswith("@example.com>")
    assert told.get_content() == (
        "nightly: missing\n"
        "  no run started for the firing at 2026-01-05 04:30 UTC\n"
        "\n"
        "hourly: recovered from running long\n"
        "  no run started for the firing at 2026-01-05 04:30 UTC\n"
        "  run shop/x\n"
    )


def test_a_mail_that_is_sent_again_bears_the_same_id() -> None:
    def message_id(*findings: Finding) -> str:
        return str(mail(findings, sender="a@x.org", to=["b@x.org"])["Message-ID"])

    again = finding(found_at=NOON + timedelta(minutes=1))
    assert message_id(finding()) == message_id(again)
    assert message_id(finding()) != message_id(finding("hourly"))


JOB = """
from euryale import ScheduledJobConfig

config = ScheduledJobConfig(
    name="{name}",
    schedule="30 4 * * *",
    expect="{expect}",
)


async def handler(container): ...
"""


def application(root: Path, name: str, expect: str, watchdog: Watchdog | None) -> Euryale:
    folder = root / f"jobs_{uuid.uuid4().hex}"
    folder.mkdir()
    (folder / "a.py").write_text(JOB.format(name=name, expect=expect))
    return Euryale(name="shop", services={"lamp": Lamp}, jobs=[folder.name], watchdog=watchdog)


def test_an_expectation_that_means_nothing_names_its_line(tmp_path: Path) -> None:
    registry = application(tmp_path, "nightly", "soon", None).load(tmp_path)
    (error,) = registry.errors
    assert isinstance(error, ExpectationInvalid)
    assert error.where.endswith("/a.py:7")
    assert not registry.jobs


def test_an_expectation_changes_no_schedule(tmp_path: Path) -> None:
    hashes = set()
    for expect in ("every day by 09:30", "every hour"):
        job = application(tmp_path, "nightly", expect, None).load(tmp_path).jobs["nightly"]
        hashes.add(desired_schedule("shop", job, "shop", since=NOON).hash)
    assert len(hashes) == 1


def test_a_job_cannot_bear_the_name_of_the_watchdogs_workflow(tmp_path: Path) -> None:
    registry = application(tmp_path, "euryale-watchdog", "every hour", Watchdog()).load(tmp_path)
    (error,) = registry.errors
    assert isinstance(error, JobNameTaken)
