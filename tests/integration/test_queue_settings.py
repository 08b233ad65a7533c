"""What an operator says about lanes, channels and NATS: read, refused with the rule, checked by the doctor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.support.nats import nats_server
from tests.support.ports import free_port
from tests.support.serving import wait_until
from typer.testing import CliRunner, Result

from clarion.entrypoints.cli import app
from clarion.settings import SettingsError, load_settings


def run(env: Mapping[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env=env)


@pytest.mark.parametrize(
    "url",
    [
        "nats://127.0.0.1:4222",
        "nats://one.example",
        "tls://worker:hunter2@one.example:4222, tls://worker:hunter2@two.example:4222",
        "nats://a-token@[::1]:4222",
    ],
)
def test_nats_servers_are_read_and_kept_secret(url: str) -> None:
    settings = load_settings({"CLARION_NATS_URL": url, "CLARION_NATS_REPLICAS": "3"})
    assert settings.nats_url is not None
    assert settings.nats_url.reveal() == url.replace(" ", "")
    assert "hunter2" not in repr(settings)
    assert settings.nats_replicas == 3


@pytest.mark.parametrize(
    "env",
    [
        {"CLARION_NATS_URL": "http://one.example:4222"},
        {"CLARION_NATS_URL": "nats://"},
        {"CLARION_NATS_URL": "nats://one.example:4222,"},
        {"CLARION_NATS_URL": "nats://one.example:99999"},
        {"CLARION_NATS_URL": "nats://one.example/path"},
        {"CLARION_NATS_URL": "nats://one.example", "CLARION_NATS_REPLICAS": "2"},
        {"CLARION_NATS_REPLICAS": "3"},
        {"CLARION_NATS_PREFIX": "a.b"},
        {"CLARION_NATS_PREFIX": "*"},
    ],
)
def test_what_nats_cannot_be_is_refused_by_name(env: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(env)
    assert [mistake.split(":")[0] for mistake in caught.value.mistakes] == [list(env)[-1]]


@pytest.mark.parametrize(
    ("option", "value"), [("--lanes", "fast"), ("--lanes", "bulk,fast"), ("--lanes", "none"), ("--channels", "fax")]
)
def test_a_worker_with_no_such_lane_or_channel_is_wrong_usage(option: str, value: str, tmp_path: Path) -> None:
    done = run({"CLARION_DATA_DIR": str(tmp_path)}, "worker", option, value)
    assert done.exit_code == 2
    assert "must be one or more of" in done.output.replace("\n", " ")


@pytest.mark.parametrize("command", ["api", "worker", "scheduler"])
def test_each_part_says_what_it_needs(command: str) -> None:
    done = run({}, command, "--help")
    assert done.exit_code == 0
    assert "CLARION_DATABASE_URL" in done.output


def test_the_doctor_finds_nats(tmp_path: Path) -> None:
    with nats_server() as server:  # which the doctor calls away when it does not answer within a second
        env = {"CLARION_DATA_DIR": str(tmp_path), "CLARION_NATS_URL": server.url}
        wait_until("the doctor sees NATS", lambda: "NATS 2." in run(env, "doctor").output)


def test_the_doctor_says_that_nats_is_away_and_hides_its_password(tmp_path: Path) -> None:
    url = f"nats://worker:hunter2@127.0.0.1:{free_port()}"
    done = run({"CLARION_DATA_DIR": str(tmp_path), "CLARION_NATS_URL": url}, "doctor")
    assert done.exit_code == 1
    assert "NATS does not answer" in done.output
    assert "hunter2" not in done.output
