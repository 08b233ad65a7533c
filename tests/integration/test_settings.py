"""Settings from the environment and a file, every mistake at once, and secrets that do not show."""

from __future__ import annotations

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clarion.setting_rules import Secret
from clarion.settings import SettingsError, load_settings, unknown_variables

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(range(1, 33))).decode()


def test_without_any_variable_the_defaults_hold() -> None:
    settings = load_settings({"HOME": "/nowhere"})
    assert settings.embedded
    assert (settings.host, settings.port, settings.drain_seconds) == ("127.0.0.1", 8480, 30)
    assert settings.link_base_url == "http://127.0.0.1:8480"


def test_every_mistake_is_listed_by_name_with_its_rule() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(
            {
                "CLARION_PORT": "70000",
                "CLARION_WORKERS": "0",
                "CLARION_DATABASE_URL": "mysql://db",
                "CLARION_SECRET_KEY": "short",
                "CLARION_LOG_LEVEL": "loud",
                "CLARION_PUBLIC_URL": "http://clarion.example",
                "CLARION_HELO_NAME": "not a name",
            }
        )
    names = sorted(mistake.partition(":")[0] for mistake in caught.value.mistakes)
    assert names == [
        "CLARION_DATABASE_URL", "CLARION_HELO_NAME", "CLARION_LOG_LEVEL", "CLARION_PORT", "CLARION_PUBLIC_URL",
        "CLARION_SECRET_KEY", "CLARION_WORKERS",
    ]  # fmt: skip
    assert "from 0 to 65535" in str(caught.value)


def test_relations_between_settings_are_checked() -> None:
    with pytest.raises(SettingsError, match="CLARION_PUBLIC_URL: must start with https"):
        load_settings({"CLARION_PUBLIC_URL": "http://clarion.example"})
    accepted = load_settings({"CLARION_PUBLIC_URL": "http://clarion.example/", "CLARION_ALLOW_HTTP_LINKS": "true"})
    assert accepted.link_base_url == "http://clarion.example"


def test_the_file_in_the_data_directory_counts_and_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / "clarion.toml").write_text('port = 9000\nworkers = 3\nallow_http_links = true\nhost = "0.0.0.0"\n')
    settings = load_settings({"CLARION_DATA_DIR": str(tmp_path), "CLARION_PORT": "9001"})
    assert (settings.port, settings.workers, settings.allow_http_links, settings.host) == (9001, 3, True, "0.0.0.0")


def test_a_file_with_unknown_names_or_wrong_values_is_refused_as_a_whole(tmp_path: Path) -> None:
    named = tmp_path / "other.toml"
    named.write_text('prot = 9000\nworkers = "many"\n')
    with pytest.raises(SettingsError) as caught:
        load_settings({"CLARION_CONFIG": str(named)})
    assert caught.value.mistakes == [
        "prot in the settings file: is not a setting",
        "workers in the settings file: must be a whole number from 1 to 256",
    ]


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_a_mistake_not_a_traceback(tmp_path: Path, content: bytes) -> None:
    broken = tmp_path / "clarion.toml"
    broken.write_bytes(content)
    with pytest.raises(SettingsError, match="cannot read"):
        load_settings({"CLARION_DATA_DIR": str(tmp_path)})
    with pytest.raises(SettingsError, match="cannot read"):
        load_settings({"CLARION_CONFIG": str(tmp_path / "absent.toml")})


def test_t54_no_secret_shows_in_the_settings_as_text() -> None:
    settings = load_settings(
        {
            "CLARION_SECRET_KEY": KEY,
            "CLARION_PREVIOUS_SECRET_KEYS": f"{OTHER_KEY}, {KEY}",
            "CLARION_DATABASE_URL": "postgresql://clarion:hunter2@db.example/clarion",
            "CLARION_METRICS_KEY": "a-long-enough-metrics-key",
        }
    )
    shown = f"{settings!r} {settings}"
    for secret in (KEY, OTHER_KEY, "hunter2", "metrics-key"):
        assert secret not in shown
    assert isinstance(settings.database_url, Secret)
    assert settings.database_url.reveal().endswith("@db.example/clarion")


def test_the_secret_key_is_made_once_and_belongs_to_us_alone(tmp_path: Path) -> None:
    settings = load_settings({"CLARION_DATA_DIR": str(tmp_path / "data")})
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: settings.secret_keys(), range(32)))
    assert len(keys) == 1
    file = settings.data_dir / "secret.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in settings.data_dir.iterdir()] == ["secret.key"]
    assert settings.secret_keys() == keys.pop()


def test_a_key_of_before_follows_the_current_one(tmp_path: Path) -> None:
    env = {"CLARION_SECRET_KEY": KEY, "CLARION_PREVIOUS_SECRET_KEYS": OTHER_KEY}
    assert load_settings(env).secret_keys() == (bytes(range(32)), bytes(range(1, 33)))
    (tmp_path / "secret.key").write_text(f"{OTHER_KEY}\n{KEY}\n")
    filed = load_settings({"CLARION_DATA_DIR": str(tmp_path)})
    assert filed.secret_keys() == (bytes(range(1, 33)), bytes(range(32)))


@pytest.mark.parametrize("content", ["", "not base64\n", KEY[:-8] + "\n"])
def test_a_damaged_key_file_is_refused_and_left_as_it_is(tmp_path: Path, content: str) -> None:
    file = tmp_path / "secret.key"
    file.write_text(content)
    with pytest.raises(SettingsError, match=r"secret\.key"):
        load_settings({"CLARION_DATA_DIR": str(tmp_path)}).secret_keys()
    assert file.read_text() == content


def test_misspelt_variables_are_found() -> None:
    env = {
        "CLARION_PROT": "1",
        "CLARION_PORT": "1",
        "CLARION_CONFIG": "x",
        "CLARION_TEST_DATABASE_URL": "y",
        "HOME": "/",
    }
    assert unknown_variables(env) == ["CLARION_PROT"]
