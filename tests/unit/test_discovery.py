import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from euryale.errors import (
    ConfigInvalid,
    ConfigMissing,
    EuryaleError,
    HandlerInvalid,
    HandlerMissing,
    JobImportFailed,
    JobNameTaken,
    JobsFolderMissing,
    JobSyntaxInvalid,
    JobUnreadable,
    PluginNameTaken,
    ScheduleInvalid,
)
from euryale.jobs.discovery import discover
from euryale.jobs.job import JobSource
from euryale.jobs.job_names import Discovery, ReplacedJob

JOBS = JobSource(path=Path("jobs"))
REVIEWS = JobSource(path=Path("reviews/jobs"), plugin="reviews")
BACKUPS = JobSource(path=Path("backups/jobs"), plugin="backups")

Write = Callable[[str, str], Path]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A project of the test's own, whose modules and path are forgotten at its end."""
    path, modules = list(sys.path), set(sys.modules)
    (tmp_path / "jobs").mkdir()
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def write(root: Path) -> Write:
    def write(place: str, text: str) -> Path:
        file = root / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return write


def job(name: str, *, schedule: str = "0 0 * * *", before: str = "") -> str:
    return (
        f"{before}\nconfig = {{'name': '{name}', 'schedule': '{schedule}'}}\n\n"
        "async def handler(container): ...\n"
    )


def names(discovery: Discovery) -> list[str]:
    return [job.name for job in discovery.jobs]


def the_error(discovery: Discovery, kind: type[EuryaleError]) -> str:
    assert [type(error) for error in discovery.errors] == [kind]
    return str(discovery.errors[0])


def test_a_job_file_becomes_a_job(root: Path, write: Write) -> None:
    file = write(
        "jobs/reports/daily.py",
        "from pydantic import BaseModel\n"
        "from euryale.config import ScheduledJobConfig\n\n"
        "class Input(BaseModel):\n    limit: int\n\n"
        "config = ScheduledJobConfig(name='daily', schedule='0 0 * * *', data={'limit': 3})\n\n"
        "async def handler(container, data: Input): ...\n",
    )
    source = JobSource(path=Path("jobs"), plugin_options={"a": 1})
    discovery = discover([source], root=root)
    assert discovery.errors == ()
    [found] = discovery.jobs
    assert found.module == "jobs.reports.daily"
    assert found.file == file
    assert found.where == "jobs/reports/daily.py:9"
    assert found.parameters == ("container", "data")
    assert found.validate_data(found.config.data).limit == 3
    assert found.source is source


def test_files_are_found_in_the_order_of_their_paths_and_with_hyphens(
    root: Path, write: Write
) -> None:
    for place in ("jobs/z.py", "jobs/m/b.py", "jobs/m/a-a.py", "jobs/a.py"):
        write(place, job(place.replace("/", ".")))
    assert names(discover([JOBS], root=root)) == [
        "jobs.a.py",
        "jobs.m.a-a.py",
        "jobs.m.b.py",
        "jobs.z.py",
    ]


def test_what_holds_no_jobs_is_not_even_imported(root: Path, write: Write) -> None:
    for place in (
        "__init__.py",
        "__main__.py",
        "_helper.py",
        "_private/x.py",
        "test_a.py",
        "a_test.py",
        "conftest.py",
        ".hidden.py",
        ".hidden/x.py",
        "__pycache__/x.py",
        "tests/x.py",
        "notes.txt",
    ):
        text = "" if place == "__init__.py" else "raise AssertionError"
        write(f"jobs/{place}", text)
    assert discover([JOBS], root=root) == Discovery(jobs=(), errors=())


def test_broken_files_name_themselves_and_stop_no_other_job(root: Path, write: Write) -> None:
    write("jobs/a.py", "x = (\n")
    write("jobs/b.py", job("b"))
    write("jobs/c.py", "import nowhere_at_all\n" + job("c"))
    write("jobs/d.py", job("d", schedule="61 0 * * *"))
    discovery = discover([JOBS], root=root)
    assert names(discovery) == ["b"]
    assert [(type(error), error.where) for error in discovery.errors] == [
        (JobSyntaxInvalid, "jobs/a.py:1"),
        (JobImportFailed, "jobs/c.py:1"),
        (ScheduleInvalid, "jobs/d.py:2"),
    ]


def test_a_failed_import_tells_the_line_of_the_job_file_and_the_original_error(
    root: Path, write: Write
) -> None:
    write("jobs/_helper.py", "def fail():\n    raise LookupError('no\\nluck')\n")
    write("jobs/a.py", "from jobs._helper import fail\n\n\ndef run():\n    fail()\n\n\nrun()\n")
    message = the_error(discover([JOBS], root=root), JobImportFailed)
    assert message.startswith("jobs/a.py:5: importing the file raised LookupError: no luck.")
    assert "jobs.a" not in sys.modules


def test_a_job_file_cannot_end_the_process(root: Path, write: Write) -> None:
    write("jobs/a.py", "import sys\nsys.exit(3)\n")
    message = the_error(discover([JOBS], root=root), JobImportFailed)
    assert message.startswith("jobs/a.py:2: importing the file raised SystemExit: 3.")
    assert "__main__" in message


def test_a_keyboard_interrupt_is_no_error_of_the_job_file(root: Path, write: Write) -> None:
    write("jobs/a.py", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        discover([JOBS], root=root)


def test_a_syntax_error_in_an_imported_file_is_told_at_the_import(root: Path, write: Write) -> None:
    write("jobs/_helper.py", "x = (\n")
    write("jobs/a.py", "\nimport jobs._helper\n")
    message = the_error(discover([JOBS], root=root), JobImportFailed)
    assert message.startswith("jobs/a.py:2: importing the file raised SyntaxError")


def test_a_file_without_config_and_handler_is_told_both(root: Path, write: Write) -> None:
    write("jobs/a.py", "Config = {}\nasync def publish(container): ...\n")
    discovery = discover([JOBS], root=root)
    assert [type(error) for error in discovery.errors] == [ConfigMissing, HandlerMissing]
    assert discovery.errors[0].mend == "rename 'Config' to 'config'"
    assert discovery.errors[1].mend == "rename 'publish' to 'handler'"


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        ("def handler(container): ...", "is a plain function"),
        ("async def handler(cont): ...", "did you mean 'container'?"),
        ("handler = 3", "is of type int"),
    ],
)
def test_an_invalid_handler_is_told_with_its_line(
    root: Path, write: Write, handler: str, told: str
) -> None:
    write("jobs/a.py", f"config = {{'name': 'a', 'schedule': '0 0 * * *'}}\n{handler}\n")
    message = the_error(discover([JOBS], root=root), HandlerInvalid)
    assert message.startswith("jobs/a.py:2: ")
    assert told in message


@pytest.mark.parametrize("opening", ["config = dict(", "config = ScheduledJobConfig("])
def test_each_field_that_a_config_refuses_is_told_with_its_line(
    root: Path, write: Write, opening: str
) -> None:
    write(
        "jobs/a.py",
        "from euryale.config import ScheduledJobConfig\n\n"
        f"{opening}\n"
        "    name='a b',\n"
        "    schedule='0 0 * * *',\n"
        "    numberOfExecutions=3,\n"
        ")\n\n"
        "async def handler(container): ...\n",
    )
    discovery = discover([JOBS], root=root)
    assert [type(error) for error in discovery.errors] == [ConfigInvalid, ConfigInvalid]
    name, executions = discovery.errors
    assert (name.where, name.what.partition(":")[0]) == ("jobs/a.py:4", "config field 'name'")
    assert executions.where == "jobs/a.py:6"
    assert executions.mend == "did you mean 'number_of_executions'?"


def test_a_config_that_raises_and_a_missing_handler_are_both_told(root: Path, write: Write) -> None:
    write(
        "jobs/a.py",
        "from euryale.config import ScheduledJobConfig\nconfig = ScheduledJobConfig(name='a')\n",
    )
    discovery = discover([JOBS], root=root)
    assert [type(error) for error in discovery.errors] == [ConfigInvalid, HandlerMissing]
    assert "'schedule': field required" in str(discovery.errors[0])


def test_an_invalid_retry_is_told_as_a_field_of_the_config(root: Path, write: Write) -> None:
    write("jobs/a.py", "from euryale.config import Retry\nr = Retry(maximum_attempts=-1)\n")
    discovery = discover([JOBS], root=root)
    assert "config field 'retry.maximum_attempts'" in str(discovery.errors[0])


def test_another_models_failure_is_a_failed_import_that_repeats_no_input(
    root: Path, write: Write
) -> None:
    write(
        "jobs/a.py",
        "from pydantic import BaseModel\n\nclass Keys(BaseModel):\n    port: int\n\n"
        "Keys(port='hunter2')\n",
    )
    message = the_error(discover([JOBS], root=root), JobImportFailed)
    assert message.startswith("jobs/a.py:6: importing the file raised ValidationError: Keys: port")
    assert "hunter2" not in message


def test_a_config_of_another_type_is_refused(root: Path, write: Write) -> None:
    write("jobs/a.py", "config = '0 0 * * *'\nasync def handler(): ...\n")
    assert "config is of type str" in the_error(discover([JOBS], root=root), ConfigInvalid)


def test_the_configs_own_data_has_to_be_what_the_handler_declares(root: Path, write: Write) -> None:
    write(
        "jobs/a.py",
        "from pydantic import BaseModel\n\nclass Input(BaseModel):\n    limit: int\n\n"
        "config = {'name': 'a', 'schedule': '0 0 * * *',\n"
        "          'data': {'limit': 'all'}}\n"
        "async def handler(data: Input): ...\n",
    )
    message = the_error(discover([JOBS], root=root), ConfigInvalid)
    assert message.startswith("jobs/a.py:7: config field 'data.limit': input should be a valid")


def test_an_unknown_time_zone_is_told_beside_an_invalid_schedule(root: Path, write: Write) -> None:
    write(
        "jobs/a.py",
        "config = {'name': 'a', 'schedule': 'daily',\n          'time_zone': 'Europe/Berlinn'}\n"
        "async def handler(): ...\n",
    )
    discovery = discover([JOBS], root=root)
    assert [type(error) for error in discovery.errors] == [ScheduleInvalid, ScheduleInvalid]
    assert [error.where for error in discovery.errors] == ["jobs/a.py:1", "jobs/a.py:2"]


def test_a_schedule_may_be_a_list_with_exceptions(root: Path, write: Write) -> None:
    write(
        "jobs/a.py",
        "from datetime import date, timedelta\n"
        "config = {'name': 'a', 'schedule': ['0 9 * * MON', timedelta(hours=6)],\n"
        "          'time_zone': 'Europe/Berlin', 'except': [date(2026, 12, 25), '* 0-6 * * *']}\n"
        "async def handler(): ...\n",
    )
    discovery = discover([JOBS], root=root)
    assert discovery.errors == ()
    timetable = discovery.jobs[0].timetable
    assert timetable.zone == "Europe/Berlin"
    assert len(timetable.entries) == len(timetable.exceptions) == 2


@pytest.mark.parametrize(
    "schedule",
    ["3600", "[]", "'0 9 * *'", "['0 9 * * *', 5]", "__import__('datetime').datetime(2030, 1, 1)"],
)
def test_a_schedule_that_means_nothing_certain_is_refused(
    root: Path, write: Write, schedule: str
) -> None:
    write(
        "jobs/a.py",
        f"config = {{'name': 'a', 'schedule': {schedule}}}\nasync def handler(): ...\n",
    )
    discovery = discover([JOBS], root=root)
    assert discovery.jobs == ()
    assert discovery.errors[0].where == "jobs/a.py:1"


def test_two_jobs_of_one_name_in_one_source_are_both_refused(root: Path, write: Write) -> None:
    write("jobs/a.py", job("same"))
    write("jobs/b.py", job("other"))
    write("jobs/c.py", job("same"))
    discovery = discover([JOBS], root=root)
    assert names(discovery) == ["other"]
    message = the_error(discovery, JobNameTaken)
    assert message.startswith("jobs/a.py:2: the name 'same' is also borne by jobs/c.py:2")


def test_two_jobs_of_one_name_in_two_of_the_applications_folders_are_both_refused(
    root: Path, write: Write
) -> None:
    write("jobs/a.py", job("same"))
    write("more/jobs/b.py", job("same"))
    write("more/jobs/c.py", job("other"))
    discovery = discover([JOBS, JobSource(path=Path("more/jobs"))], root=root)
    assert [job.module for job in discovery.jobs] == ["more.jobs.c"]
    message = the_error(discovery, JobNameTaken)
    assert message.startswith("jobs/a.py:2: the name 'same' is also borne by more/jobs/b.py:2")


@pytest.mark.parametrize("paths", [("jobs", "jobs/more"), ("jobs/more", "jobs"), ("jobs", "jobs")])
def test_a_file_that_lies_in_two_of_the_folders_is_one_job(
    root: Path, write: Write, paths: tuple[str, str]
) -> None:
    write("jobs/more/a.py", job("a"))
    write("jobs/b.py", job("b"))
    discovery = discover([JobSource(path=Path(path)) for path in paths], root=root)
    assert (sorted(names(discovery)), discovery.errors) == (["a", "b"], ())


@pytest.mark.parametrize("sources", [[JOBS, REVIEWS], [REVIEWS, JOBS]])
def test_the_applications_job_takes_the_place_of_a_plugins_and_it_is_told(
    root: Path, write: Write, sources: list[JobSource]
) -> None:
    write("reviews/jobs/a.py", job("same"))
    write("reviews/jobs/b.py", job("plugins"))
    write("jobs/z.py", job("same"))
    discovery = discover(sources, root=root)
    assert discovery.errors == ()
    assert {job.module for job in discovery.jobs} == {"jobs.z", "reviews.jobs.b"}
    assert discovery.replaced == {"same": (ReplacedJob("reviews", "reviews/jobs/a.py:4"),)}


def test_a_broken_job_of_the_application_is_not_replaced_by_a_plugins(
    root: Path, write: Write
) -> None:
    write("reviews/jobs/a.py", job("same"))
    write("jobs/z.py", job("same").replace("async def", "def"))
    discovery = discover([JOBS, REVIEWS], root=root)
    assert names(discovery) == []
    the_error(discovery, HandlerInvalid)


@pytest.mark.parametrize("broken", ["x = (\n", "import nowhere_at_all\n"])
def test_a_file_too_broken_to_tell_its_name_holds_a_plugins_job_back_if_it_names_it(
    root: Path, write: Write, broken: str
) -> None:
    write("reviews/jobs/a.py", job("same"))
    write("reviews/jobs/b.py", job("plugins"))
    write("jobs/z.py", broken + job("same"))
    discovery = discover([JOBS, REVIEWS], root=root)
    assert names(discovery) == ["plugins"]
    _, held_back = discovery.errors
    assert str(held_back) == (
        "reviews/jobs/a.py:2: plugin 'reviews': the job 'same' is not served: jobs/z.py, which is "
        "broken, seems meant to take its place. Correct jobs/z.py. [EUR108]"
    )


def test_what_is_wrong_with_a_plugins_job_names_the_plugin_unless_the_job_is_replaced(
    root: Path, write: Write
) -> None:
    write("reviews/jobs/a.py", job("same").replace("async def", "def"))
    message = the_error(discover([JOBS, REVIEWS], root=root), HandlerInvalid)
    assert message.startswith("reviews/jobs/a.py:4: plugin 'reviews': the handler is a plain")
    write("jobs/z.py", job("same"))
    assert discover([JOBS, REVIEWS], root=root).errors == ()
    gone = JobSource(path=Path("gone"), plugin="reviews")
    message = the_error(discover([gone], root=root), JobsFolderMissing)
    assert message.startswith("gone: plugin 'reviews': the folder")


def test_two_plugins_with_a_job_of_one_name_are_both_refused_unless_the_application_has_it(
    root: Path, write: Write
) -> None:
    write("reviews/jobs/a.py", job("same"))
    write("backups/jobs/b.py", job("same"))
    discovery = discover([JOBS, REVIEWS, BACKUPS], root=root)
    assert names(discovery) == []
    message = the_error(discovery, PluginNameTaken)
    assert message.startswith(
        "reviews/jobs/a.py:2: plugin 'reviews': the name 'same' is also borne by "
        "backups/jobs/b.py:2 (plugin 'backups'), and none of them is served"
    )
    write("jobs/z.py", job("same"))
    discovery = discover([JOBS, REVIEWS, BACKUPS], root=root)
    assert discovery.errors == ()
    assert [job.module for job in discovery.jobs] == ["jobs.z"]
    assert [str(each) for each in discovery.replaced["same"]] == [
        "replaces reviews' job (reviews/jobs/a.py:4)",
        "replaces backups' job (backups/jobs/b.py:4)",
    ]


def test_two_jobs_of_one_name_in_one_plugin_are_both_refused(root: Path, write: Write) -> None:
    write("reviews/jobs/a.py", job("same"))
    write("reviews/jobs/b.py", job("same"))
    message = the_error(discover([REVIEWS], root=root), JobNameTaken)
    assert message.startswith("reviews/jobs/a.py:2: plugin 'reviews': the name 'same' is also")


def test_a_source_outside_the_root_is_named_from_its_entry_of_the_path(
    root: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("site.packages/backups/jobs/a.py", job("backup"))
    monkeypatch.syspath_prepend(str(root / "site.packages"))
    source = JobSource(path=root / "site.packages" / "backups" / "jobs")
    discovery = discover([source], root=root / "jobs")
    assert [job.where for job in discovery.jobs] == ["backups/jobs/a.py:4"]


def test_a_folder_that_is_not_there_or_is_the_root_is_told(root: Path, write: Write) -> None:
    write("jobs/a.py", job("a"))
    discovery = discover([JobSource(path=Path("job")), JOBS], root=root)
    assert names(discovery) == ["a"]
    assert the_error(discovery, JobsFolderMissing).startswith("job: ")
    the_error(discover([JobSource(path=Path())], root=root), JobsFolderMissing)


def test_an_edited_file_is_read_anew_even_within_one_second(root: Path, write: Write) -> None:
    file = write("jobs/a.py", job("a", before="from jobs._shared import NAME"))
    helper = write("jobs/_shared.py", "NAME = 1\n")
    assert discover([JOBS], root=root).jobs[0].config.schedule == "0 0 * * *"
    stamps = [(path, path.stat()) for path in (file, helper)]
    write("jobs/a.py", job("a", schedule="1 0 * * *", before="from jobs._shared import NAME"))
    write("jobs/_shared.py", "NAME = 2\n")
    for path, stat in stamps:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    [found] = discover([JOBS], root=root).jobs
    assert found.config.schedule == "1 0 * * *"
    assert sys.modules["jobs.a"].NAME == 2
    file.unlink()
    assert discover([JOBS], root=root).jobs == ()


def test_a_broken_file_that_was_mended_is_served(root: Path, write: Write) -> None:
    write("jobs/a.py", "raise ValueError\n")
    assert discover([JOBS], root=root).jobs == ()
    write("jobs/a.py", job("a"))
    assert names(discover([JOBS], root=root)) == ["a"]


def test_links_that_lead_in_circles_end(root: Path, write: Write) -> None:
    write("jobs/inner/a.py", job("a"))
    (root / "jobs" / "inner" / "loop").symlink_to(root / "jobs")
    (root / "jobs" / "self").symlink_to(root / "jobs" / "self")
    assert names(discover([JOBS], root=root)) == ["a"]


def test_a_linked_folder_is_followed(root: Path, write: Write) -> None:
    write("elsewhere/a.py", job("a"))
    (root / "jobs" / "linked").symlink_to(root / "elsewhere")
    assert [job.module for job in discover([JOBS], root=root).jobs] == ["jobs.linked.a"]


def test_files_that_cannot_be_read_or_are_no_utf_8_are_told(root: Path, write: Write) -> None:
    (root / "jobs" / "gone.py").symlink_to(root / "nothing.py")
    (root / "jobs" / "latin.py").write_bytes(b"# one\n# caf\xe9\n")
    discovery = discover([JOBS], root=root)
    assert [type(error) for error in discovery.errors] == [JobUnreadable, JobUnreadable]
    assert [error.where for error in discovery.errors] == ["jobs/gone.py", "jobs/latin.py:2"]


def test_null_bytes_and_bottomless_nesting_are_invalid_syntax(root: Path, write: Write) -> None:
    write("jobs/a.py", "x = 1\x00\n")
    write("jobs/b.py", "x = " + "(" * 5000 + ")" * 5000 + "\n")
    discovery = discover([JOBS], root=root)
    assert [type(error) for error in discovery.errors] == [JobSyntaxInvalid, JobSyntaxInvalid]


def test_a_dot_in_a_file_name_is_told(root: Path, write: Write) -> None:
    write("jobs/a.b.py", job("a"))
    assert "with a dot in its name" in the_error(discover([JOBS], root=root), JobImportFailed)


def test_a_name_that_leads_to_another_module_is_told(root: Path, write: Write) -> None:
    write("json/a.py", job("a"))
    discovery = discover([JobSource(path=Path("json"))], root=root)
    message = the_error(discovery, JobImportFailed)
    assert "the name 'json.a' does not lead to this file, but to" in message


def test_a_module_beside_a_folder_of_its_name_is_told(root: Path, write: Write) -> None:
    write("jobs/a.py", job("a"))
    write("jobs/a/b.py", job("b"))
    discovery = discover([JOBS], root=root)
    assert names(discovery) == ["a"]
    assert the_error(discovery, JobImportFailed).startswith("jobs/a/b.py: ")


def test_a_failing_package_is_told_for_its_files(root: Path, write: Write) -> None:
    write("jobs/sub/__init__.py", "raise ValueError('broken package')\n")
    write("jobs/sub/a.py", job("a"))
    write("jobs/b.py", job("b"))
    discovery = discover([JOBS], root=root)
    assert names(discovery) == ["b"]
    message = the_error(discovery, JobImportFailed)
    assert message.startswith("jobs/sub/a.py: importing the file raised ValueError")


def test_a_config_and_handler_that_are_imported_are_found(root: Path, write: Write) -> None:
    write("jobs/_shared.py", job("shared"))
    write("jobs/a.py", "from jobs._shared import config, handler\n")
    assert [job.where for job in discover([JOBS], root=root).jobs] == ["jobs/a.py:1"]
