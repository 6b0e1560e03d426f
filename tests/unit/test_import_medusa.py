"""Medusa's job files become jobs that fire as cron-parser says."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from euryale.errors import ImportUnreadable
from euryale.imports.entry import Reading
from euryale.imports.importer import ProvenJob, prove
from euryale.imports.job_file_text import job_file_text
from euryale.imports.medusa import read_medusa

AFTER = datetime(2026, 11, 1, tzinfo=UTC)

V1 = """
import { type ScheduledJobConfig } from "@medusajs/medusa"

export default async function handler({ container, data, pluginOptions }: ScheduledJobArgs) {
  await container.resolve("productService").list({})
}

export const config: ScheduledJobConfig = {
  name: "publish-once-a-day",
  schedule: "0 0 * * *",
  data: { limit: 10 },
}
"""
V2 = """
export default async function (container: MedusaContainer) {}
export const config = { name: "sync", schedule: %s, numberOfExecutions: 3 }
"""


def read(folder: Path, text: str, zone: str | None = "UTC") -> Reading:
    (folder / "job.ts").write_text(text)
    return read_medusa(folder, zone=zone)


def proven(folder: Path, text: str, zone: str | None = "UTC") -> ProvenJob:
    (job,) = read(folder, text, zone).jobs
    told = prove(job, after=AFTER)
    assert isinstance(told, ProvenJob)
    return told


def test_a_job_of_version_1_keeps_its_data_and_its_handlers_text(tmp_path: Path) -> None:
    told = proven(tmp_path, V1)
    config = told.config
    assert (config.name, config.schedule) == ("publish-once-a-day", "0 0 * * *")
    assert (config.data, config.paused, config.overlap) == ({"limit": 10}, True, "skip")
    assert told.comparison.differences == ()
    assert '#       await container.resolve("productService").list({})' in job_file_text(told)


def test_a_job_of_version_2_keeps_its_number_of_executions(tmp_path: Path) -> None:
    told = proven(tmp_path, V2 % "'*/5 * * * *'")
    assert told.config.number_of_executions == 3
    assert any("whole life" in note for note in told.job.notes)


@pytest.mark.parametrize(
    ("theirs", "schedule"),
    [
        ("'0 9 * * 1'", "0 9 * * 1"),
        ("{ cron: '30 0 9 * * *' }", "30 0 9 * * *"),
        ("'0 0 13 * 5'", "0 0 13 * 5"),
        ("'0 0 */2 * 1'", "0 0 1-31/2 * 1"),
        ("'0 0 * * 5L'", "0 0 * * 5L"),
        ("'0 0 * * 1,5L'", "0 0 * * 1,5L"),
        ("'0 0 L * *'", "0 0 L * *"),
        ("'0 0 * * 1#2'", "0 0 * * 1#2"),
        ("'0 0 20 * 5#2'", "0 0 * * 5#2"),
        ("'0 0 13 * 0-6'", "0 0 13 * 0-6"),
        ("'* *'", "* * * * *"),
        ("'5'", "* * * * 5"),
        ("'@daily'", "@daily"),
        ("{ interval: 15 * 60 * 1000 }", timedelta(minutes=15)),
        ("3600000", timedelta(hours=1)),
    ],
)
def test_a_schedule_fires_alike(tmp_path: Path, theirs: str, schedule: object) -> None:
    told = proven(tmp_path, V2 % theirs)
    assert told.config.schedule == schedule
    assert told.comparison.differences == ()


def test_too_few_fields_are_said_to_be_filled_up(tmp_path: Path) -> None:
    (job,) = read(tmp_path, V2 % "'12 1'").jobs
    assert any("it fires as '0 * * * 12 1'" in note for note in job.notes)


def test_an_interval_is_said_to_drift_in_medusa(tmp_path: Path) -> None:
    (job,) = read(tmp_path, V2 % "{ interval: 60000 }").jobs
    assert any("drifts" in note for note in job.notes)


def test_the_night_when_clocks_go_forward_is_a_difference(tmp_path: Path) -> None:
    told = proven(tmp_path, V2 % "'30 2 * * *'", "Europe/Berlin")
    assert {each.words for each in told.comparison.differences} == {
        "the clocks go forward from 02:00 to 03:00: Euryale fires earlier"
    }
    assert "cron-parser" in told.job.nights


def test_without_a_zone_the_servers_is_taken_to_be_utc_and_that_is_said(tmp_path: Path) -> None:
    assert any("--tz" in note for note in read(tmp_path, V1, None).notes)
    assert not any("--tz" in note for note in read(tmp_path, V1).notes)
    assert proven(tmp_path, V1, "Asia/Kolkata").config.time_zone == "Asia/Kolkata"


def test_a_folder_is_read_as_medusa_reads_it(tmp_path: Path) -> None:
    for name in (
        "a.ts",
        "deep/b.js",
        "index.ts",
        "_c.ts",
        "d.test.ts",
        "e.spec.js",
        "__tests__/f.ts",
        "g.d.ts",
        "h.txt",
    ):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(V1)
    jobs = read_medusa(tmp_path, zone="UTC").jobs
    assert [job.origin for job in jobs] == ["a.ts", "deep/b.js"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (V2 % "process.env.WHEN", "isn't written out"),
        (V2 % "'61 * * * *'", "cron-parser throws"),
        (V2 % "{}", "no schedule"),
        ("export const config = { schedule: '* * * * *' }", "no name"),
        ("export default 1", "exports no `config`"),
        ("export const config = make()", "make()"),
        (V2 % "{ interval: 10 }", "less than a second"),
    ],
)
def test_a_file_that_is_no_job_is_refused_beside_the_others(
    tmp_path: Path, text: str, reason: str
) -> None:
    (tmp_path / "good.ts").write_text(V1)
    reading = read(tmp_path, text)
    assert len(reading.jobs) == 1
    assert reason in reading.refusals[0].reason


def test_names_that_are_none_here_are_made_valid(tmp_path: Path) -> None:
    text = "export const config = { name: 'Sync products!', schedule: '@daily' }"
    assert proven(tmp_path, text).config.name == "Sync-products"


def test_a_path_without_jobs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportUnreadable, match="no job file"):
        read_medusa(tmp_path)
    with pytest.raises(ImportUnreadable, match="no such file"):
        read_medusa(tmp_path / "nothing")
    (tmp_path / "a.ts").write_bytes(b"\xff\xfe")
    with pytest.raises(ImportUnreadable, match="UTF-8"):
        read_medusa(tmp_path)
