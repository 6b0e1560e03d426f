"""Plugins that are installed, chosen, configured and refused."""

import importlib.machinery
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from installed_packages import install
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings
from temporalio import activity, workflow

from euryale import Euryale, EuryalePlugin, JobPlugin, instance, singleton
from euryale.build import build_id
from euryale.errors import (
    EuryaleError,
    PluginInvalid,
    PluginNameTaken,
    PluginOptionsInvalid,
    ServiceInvalid,
)

PLUGIN = (
    "from euryale import JobPlugin\nplugin = JobPlugin(name='reviews', jobs=['reviews.jobs'])\n"
)
JOB = "config = {'name': 'ask', 'schedule': '0 8 * * *'}\n\nasync def handler(): ...\n"
POINT = {"reviews": "reviews.plugin:plugin"}

Install = Callable[..., None]


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
def installed(root: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a distribution; by default one that has the plugin 'reviews' with one job."""
    site = root / "site-packages"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def put(
        distribution: str = "euryale-reviews",
        files: Mapping[str, str] | None = None,
        plugins: Mapping[str, str] = POINT,
        version: str = "1.0",
    ) -> None:
        files = {"reviews/plugin.py": PLUGIN, "reviews/jobs/ask.py": JOB} | dict(files or {})
        install(site, distribution, files, plugins=plugins, version=version)
        importlib.invalidate_caches()

    return put


def refusal(kind: type[EuryaleError], plugins: Any, **parts: Any) -> str:
    app = Euryale(**{"name": "shop", "services": {}, "plugins": plugins, **parts})
    with pytest.raises(kind) as refused:
        assert app.parts
    assert refused.value.__cause__ is None or kind is PluginInvalid
    return str(refused.value)


def app_with(*plugins: JobPlugin | str, **parts: Any) -> Euryale:
    return Euryale(**{"name": "shop", "services": {}, "plugins": plugins, **parts})


def test_a_job_of_an_installed_plugin_is_served_beside_the_applications(
    root: Path, installed: Install
) -> None:
    installed()
    (root / "jobs" / "own.py").write_text(JOB.replace("'ask'", "'own'"))
    registry = app_with("reviews").load(root)
    assert registry.errors == ()
    assert {name: job.where for name, job in registry.jobs.items()} == {
        "own": "jobs/own.py:3",
        "ask": "reviews/jobs/ask.py:3",
    }
    assert registry.jobs["ask"].source.plugin == "reviews"
    assert [plugin.origin for plugin in registry.parts.plugins] == ["euryale-reviews 1.0"]


def test_a_plugin_that_is_not_chosen_is_not_imported(root: Path, installed: Install) -> None:
    installed(files={"reviews/plugin.py": "raise AssertionError\n"})
    registry = app_with().load(root)
    assert dict(registry.jobs) == {}
    assert not [name for name in sys.modules if name.partition(".")[0] == "reviews"]


def test_a_plugin_may_hold_its_job_files_in_several_packages_without_init_files(
    root: Path, installed: Install
) -> None:
    installed(
        files={
            "reviews/plugin.py": PLUGIN.replace("['reviews.jobs']", "['reviews.a', 'reviews.b']"),
            "reviews/a/one.py": JOB.replace("'ask'", "'one'"),
            "reviews/b/deep/two.py": JOB.replace("'ask'", "'two'"),
        }
    )
    registry = app_with("reviews").load(root)
    assert [job.module for job in registry.jobs.values()] == [
        "reviews.a.one",
        "reviews.b.deep.two",
    ]


def test_a_plugin_is_found_where_an_editable_install_leads_by_a_finder_of_its_own(
    root: Path, installed: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed()
    elsewhere = root / "work.of" / "somebody"
    elsewhere.mkdir(parents=True)
    (root / "site-packages" / "reviews").rename(elsewhere / "src")
    (elsewhere / "src" / "__init__.py").touch()

    def find_spec(name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        if name != "reviews":
            return None
        source = elsewhere / "src"
        return importlib.util.spec_from_file_location(
            name, source / "__init__.py", submodule_search_locations=[str(source)]
        )

    monkeypatch.setattr(sys, "meta_path", [SimpleNamespace(find_spec=find_spec), *sys.meta_path])
    registry = app_with("reviews").load(root)
    assert registry.errors == ()
    assert registry.jobs["ask"].where == "reviews/jobs/ask.py:3"
    assert registry.jobs["ask"].file == elsewhere / "src" / "jobs" / "ask.py"


def test_a_second_load_reads_a_plugins_files_as_they_are_then(
    root: Path, installed: Install
) -> None:
    installed()
    app = app_with("reviews")
    assert app.load(root).jobs["ask"].config.schedule == "0 8 * * *"
    installed(files={"reviews/jobs/ask.py": JOB.replace("0 8", "0 9")})
    assert app.load(root).jobs["ask"].config.schedule == "0 9 * * *"


def test_a_plugin_that_is_not_installed_is_told_with_those_that_are(installed: Install) -> None:
    message = refusal(PluginInvalid, ["reviews"])
    assert "no plugin named 'reviews' is installed" in message
    assert "no plugin is installed. [EUR205]" in message
    installed()
    assert "Did you mean 'reviews'?" in refusal(PluginInvalid, ["review"])
    assert "installed are: reviews" in refusal(PluginInvalid, {"backups": {}})


def test_a_plugin_whose_import_fails_is_told_with_its_distribution(installed: Install) -> None:
    installed(files={"reviews/plugin.py": "import nowhere_at_all\n"})
    message = refusal(PluginInvalid, ["reviews"])
    assert message.startswith("euryale-reviews 1.0: reviews = reviews.plugin:plugin: ")
    assert "ModuleNotFoundError: No module named 'nowhere_at_all'" in message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("plugin = 3\n", "a value of type int, not a JobPlugin"),
        ("", "AttributeError"),
        ("import sys\nsys.exit(2)\n", "SystemExit: 2"),
        (PLUGIN.replace("name='reviews'", "name='review'"), "a plugin that is named 'review'"),
        (PLUGIN.replace("['reviews.jobs']", "'reviews.jobs'"), "write jobs=['reviews.jobs']"),
    ],
)
def test_an_entry_point_that_leads_to_no_plugin_is_told(
    installed: Install, text: str, told: str
) -> None:
    installed(files={"reviews/plugin.py": text})
    assert told.lower() in refusal(PluginInvalid, ["reviews"]).lower()


@pytest.mark.parametrize(
    "package", ["reviews.job", "reviews.plugin", "nowhere.jobs", "reviews/jobs"]
)
def test_a_package_of_jobs_that_is_not_there_is_told(
    root: Path, installed: Install, package: str
) -> None:
    installed(files={"reviews/plugin.py": PLUGIN.replace("reviews.jobs", package)})
    with pytest.raises(PluginInvalid, match="reviews") as refused:
        app_with("reviews").load(root)
    assert package in str(refused.value)


def test_two_installed_plugins_of_one_name_are_told_with_both_distributions(
    installed: Install,
) -> None:
    installed()
    installed("other-reviews", {"theirs.py": PLUGIN}, {"reviews": "theirs:plugin"}, "2.1")
    message = refusal(PluginNameTaken, ["reviews"])
    assert "euryale-reviews 1.0 (reviews.plugin:plugin)" in message
    assert "other-reviews 2.1 (theirs:plugin)" in message


def test_a_plugin_that_is_chosen_twice_is_told(installed: Install) -> None:
    installed()
    message = refusal(PluginNameTaken, ["reviews", JobPlugin(name="reviews")])
    assert "'reviews': euryale-reviews 1.0 and Euryale(plugins=[JobPlugin(…)])" in message


@pytest.mark.parametrize("name", ["", "a/b"])
def test_a_plugin_has_a_name_without_slashes(name: str) -> None:
    with pytest.raises(PluginInvalid, match=f"can't be named '{name}'"):
        JobPlugin(name=name)


def test_plugins_that_are_no_list_or_hold_something_else_are_told() -> None:
    with pytest.raises(PluginInvalid, match=r"Write plugins=\['reviews'\]"):
        Euryale(name="shop", services={}, plugins="reviews")
    assert "a value of type int chooses no plugin" in refusal(PluginInvalid, [3])


# --- options ---------------------------------------------------------------------------------


class Mail(BaseModel):
    sender: str = "shop"


class Options(BaseModel):
    days: int = Field(default=14, ge=1)
    key: SecretStr = SecretStr("")
    mail: Mail = Mail()


class Keyed(BaseModel):
    key: str


REVIEWS = JobPlugin(name="reviews", options=Options)


def options_of(plugin: JobPlugin) -> Any:
    (chosen,) = app_with(plugin).parts.plugins
    return chosen.options


def test_options_are_validated_and_have_defaults() -> None:
    assert options_of(REVIEWS) == Options()
    assert options_of(REVIEWS.with_options(days="30")) == Options(days=30)


def test_options_of_an_installed_plugin_come_with_its_name(installed: Install) -> None:
    text = (
        "from euryale import JobPlugin\nfrom pydantic import BaseModel\n\n"
        "class Options(BaseModel):\n    days: int\n\n"
        "plugin = JobPlugin(name='reviews', options=Options)\n"
    )
    installed(files={"reviews/plugin.py": text})
    (chosen,) = Euryale(name="shop", services={}, plugins={"reviews": {"days": 3}}).parts.plugins
    assert dict(chosen.options or ()) == {"days": 3}
    assert "days: field required" in refusal(PluginOptionsInvalid, ["reviews"])
    assert "are of type int" in refusal(PluginOptionsInvalid, {"reviews": 3})


def test_refused_options_are_named_field_by_field() -> None:
    plugin = REVIEWS.with_options(days=0, mail={"sendr": "me"})
    message = refusal(PluginOptionsInvalid, [plugin])
    assert "days: input should be greater than or equal to 1" in message
    assert "mail.sendr: there is no such field" in message
    assert "the plugin's are: days, key, mail. [EUR206]" in message


def test_an_unknown_option_is_refused_unless_the_model_says_what_becomes_of_it() -> None:
    assert "day: there is no such field" in refusal(
        PluginOptionsInvalid, [REVIEWS.with_options(day=3)]
    )

    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")

    plugin = JobPlugin(name="open", options=Open)
    assert dict(options_of(plugin.with_options(anything=3))) == {"anything": 3}


def test_options_for_a_plugin_that_has_none_are_refused() -> None:
    plugin = JobPlugin(name="plain").with_options(days=3)
    assert "days: there is no such option. Give none" in refusal(PluginOptionsInvalid, [plugin])


class Careless(BaseModel):
    key: str = ""
    mail: dict[str, SecretStr] = {}
    count: int = 0

    @field_validator("key")
    @classmethod
    def known(cls, key: str) -> str:
        raise ValueError(f"no such key: {key}")

    @model_validator(mode="before")
    @classmethod
    def whole(cls, values: Any) -> Any:
        if "mail" in values:
            raise ValueError(f"mail is off: {values['mail']['key']}")
        if values.get("count") == "boom":
            raise RuntimeError(values["hunter2"])
        return values


@pytest.mark.parametrize(
    "given",
    [
        {"key": "hunter2"},
        {"mail": {"key": "hunter2"}},
        {"count": "hunter2"},
        {"count": "boom", "hunter2": 0},
        {"key": "hunter2" * 20},
    ],
)
def test_a_refusal_never_repeats_a_value(given: dict[str, Any]) -> None:
    plugin = JobPlugin(name="careless", options=Careless, given=given)
    assert "hunter2" not in refusal(PluginOptionsInvalid, [plugin]).replace("hunter2: there", "")
    assert "hunter2" not in repr(app_with(plugin)) + repr(plugin)


def test_the_options_are_in_no_representation_of_what_holds_them(root: Path) -> None:
    (root / "reviewing").mkdir()
    (root / "reviewing" / "ask.py").write_text(JOB)
    plugin = JobPlugin(name="reviews", jobs=["reviewing"], options=Keyed).with_options(
        key="hunter2"
    )
    registry = app_with(plugin).load(root)
    assert dict(registry.jobs["ask"].source.plugin_options) == {"key": "hunter2"}
    assert "hunter2" not in repr(registry)


def test_a_settings_model_takes_what_is_not_given_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Settings(BaseSettings):
        model_config = {"env_prefix": "REVIEWS_"}
        key: str
        days: int = 14

    monkeypatch.setenv("REVIEWS_KEY", "from the environment")
    plugin = JobPlugin(name="reviews", options=Settings).with_options(days=3)
    assert dict(options_of(plugin)) == {"key": "from the environment", "days": 3}


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        ("dict[str, int]", "key: input should be a valid integer"),
        ("Other", "days: field required"),
    ],
)
def test_a_handler_that_declares_other_options_is_left_out(
    root: Path, annotation: str, told: str
) -> None:
    (root / "reviewing").mkdir()
    (root / "reviewing" / "ask.py").write_text(
        "from pydantic import BaseModel\n\nclass Other(BaseModel):\n    days: int\n\n"
        "config = {'name': 'ask', 'schedule': '0 8 * * *'}\n\n"
        f"async def handler(plugin_options: {annotation}): ...\n"
    )
    plugin = JobPlugin(name="reviews", jobs=["reviewing"], options=Keyed).with_options(
        key="hunter2"
    )
    registry = app_with(plugin).load(root)
    (error,) = registry.errors
    assert isinstance(error, PluginOptionsInvalid)
    assert error.where == "reviewing/ask.py:8"
    assert told in error.what
    assert error.what.startswith("plugin 'reviews': ")
    assert "hunter2" not in str(error)


# --- parts -----------------------------------------------------------------------------------


class Mails:
    async def send(self) -> None: ...


class OurMails:
    async def send(self) -> None: ...


class Reviews:
    def __init__(self, options: Options, mails: Mails) -> None: ...

    async def ask(self) -> None: ...


class ReviewSteps:
    def __init__(self, options: Options) -> None: ...

    @activity.defn(name="review.ask")
    async def ask(self) -> None: ...


class ReviewStepsToo:
    @activity.defn(name="reviews.ask")
    async def ask(self) -> None: ...


@workflow.defn(name="ask-all")
class AskAll:
    @workflow.run
    async def run(self) -> None: ...


@workflow.defn(name="ask-all")
class AskAllToo:
    @workflow.run
    async def run(self) -> None: ...


FULL = JobPlugin(
    name="reviews",
    services={"reviews": Reviews},
    providers=[singleton(Mails)],
    workflows=[AskAll],
    activities=[ReviewSteps],
    options=Options,
)


def test_the_parts_of_a_plugin_are_served_and_get_its_options_by_type(root: Path) -> None:
    plugin = EuryalePlugin(app_with(FULL.with_options(days=3)), root=root)
    assert list(plugin.registry.services) == ["reviews"]
    assert plugin.registry.parts.workflows == [AskAll]
    assert plugin.registry.parts.activities == [ReviewSteps]
    assert instance_of(Options, plugin.registry.parts.providers).days == 3


def instance_of(wanted: type, providers: Any) -> Any:
    (provider,) = (each for each in providers if each.provides is wanted)
    return provider.factory()


def test_the_applications_services_and_providers_take_the_place_of_a_plugins() -> None:
    ours = Options(days=7)
    parts = app_with(FULL, services={"reviews": OurMails}, providers=[instance(ours)]).parts
    assert parts.services == {"reviews": OurMails}
    assert instance_of(Options, parts.providers) is ours
    assert [each.provides for each in parts.providers] == [Options, Mails]


def test_a_service_of_two_plugins_is_refused_unless_the_application_has_it() -> None:
    other = JobPlugin(name="other", services={"reviews": Mails})
    message = refusal(PluginNameTaken, [FULL, other])
    assert "the plugins 'reviews' and 'other' both have a service named 'reviews'" in message
    assert app_with(FULL, other, services={"reviews": OurMails}).parts.services == {
        "reviews": OurMails
    }


def test_a_plugins_service_named_as_the_logger_is_refused() -> None:
    message = refusal(ServiceInvalid, [JobPlugin(name="logs", services={"logger": Mails})])
    assert message.startswith("JobPlugin(name='logs', services={'logger'")


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"workflows": [AskAllToo]}, "the workflow name 'ask-all' is borne by"),
        ({"activities": [ReviewSteps]}, "the activity name 'review.ask' is borne by"),
        ({"activities": [ReviewStepsToo]}, "the activity name 'reviews.ask' is borne by"),
    ],
)
def test_a_workflow_or_activity_of_a_name_that_is_borne_already_is_refused(
    parts: dict[str, Any], told: str
) -> None:
    message = refusal(PluginNameTaken, [FULL], **parts)
    assert told in message
    assert "(the application) and by" in message
    assert "(plugin 'reviews')" in message
    other = JobPlugin(name="other", **parts)
    assert "(plugin 'reviews') and by" in refusal(PluginNameTaken, [FULL, other])


def test_a_job_that_bears_the_name_of_a_plugins_workflow_is_left_out(root: Path) -> None:
    (root / "jobs" / "ask.py").write_text(JOB.replace("'ask'", "'ask-all'"))
    registry = app_with(FULL).load(root)
    assert "ask-all" not in registry.jobs
    assert "also borne by the workflow" in str(registry.errors[0])


# --- the build id ----------------------------------------------------------------------------


def test_a_build_id_changes_with_a_plugins_job_files_and_release(
    root: Path, installed: Install
) -> None:
    def after(**change: Any) -> str:
        for metadata in (root / "site-packages").glob("*.dist-info"):
            for file in metadata.iterdir():
                file.unlink()
            metadata.rmdir()
        installed(**change)
        return build_id(app_with("reviews").load(root))

    first = after()
    assert after(files={"reviews/jobs/ask.py": JOB + "# otherwise\n"}) != first
    assert after(version="1.1") != first
    assert after() == first


def test_an_application_needs_no_services_of_its_own_where_a_plugin_brings_them() -> None:
    assert set(Euryale(name="shop", plugins=[FULL]).parts.services) == {"reviews"}
