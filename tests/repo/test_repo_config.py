"""Settings: defaults, every variable, and errors that name what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagalog.config import Settings
from sagalog.errors import UsageError


def test_repo_config_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagalog.config.sys.platform", "linux")
    assert Settings.load({"HOME": "/home/ann"}) == Settings(
        home=Path("/home/ann/.local/share/sagalog"),
        database_url=None,
        app=None,
        value_limit=1_048_576,
        lease=10.0,
        reconnect=30.0,
    )


def test_repo_config_every_variable_is_read() -> None:
    env = {
        "SAGALOG_HOME": "/srv/saga",
        "SAGALOG_DATABASE_URL": "postgresql://db/x",
        "SAGALOG_APP": "shop:app",
        "SAGALOG_VALUE_LIMIT": "1024",
        "SAGALOG_LEASE": "2.5",
        "SAGALOG_RECONNECT": "0",
    }
    assert Settings.load(env) == Settings(
        home=Path("/srv/saga"),
        database_url="postgresql://db/x",
        app="shop:app",
        value_limit=1024,
        lease=2.5,
        reconnect=0.0,
    )


def test_repo_config_empty_is_not_set() -> None:
    names = ("HOME", "DATABASE_URL", "APP", "VALUE_LIMIT", "LEASE", "RECONNECT")
    assert Settings.load({f"SAGALOG_{n}": "" for n in names} | {"HOME": "/h"}) == Settings.load({"HOME": "/h"})


@pytest.mark.parametrize(
    ("env", "home"),
    [
        ({"SAGALOG_HOME": "~/saga"}, "/home/ann/saga"),
        ({"SAGALOG_HOME": "~"}, "/home/ann"),
        ({"SAGALOG_HOME": "saga"}, str(Path.cwd() / "saga")),
        ({"XDG_DATA_HOME": "/data"}, "/data/sagalog"),
        ({"XDG_DATA_HOME": "data"}, "/home/ann/.local/share/sagalog"),
    ],
)
def test_repo_config_home(env: dict[str, str], home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagalog.config.sys.platform", "linux")
    assert Settings.load({"HOME": "/home/ann"} | env).home == Path(home)


def test_repo_config_unknown_home_says_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"SAGALOG_HOME.*~nobody-of-this-name.*absolute path"):
        Settings.load({"SAGALOG_HOME": "~nobody-of-this-name/x"})


@pytest.mark.parametrize("name", ["SAGALOG_VALUE_LIMIT", "SAGALOG_LEASE", "SAGALOG_RECONNECT"])
@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf", "1s", "1e999"])
def test_repo_config_bad_numbers_name_the_variable_and_what_was_found(name: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Settings.load({"HOME": "/h", name: text})
    assert name in str(caught.value)
    assert repr(text) in str(caught.value)
    assert "expected" in str(caught.value)


@pytest.mark.parametrize(("name", "text"), [("SAGALOG_VALUE_LIMIT", "0"), ("SAGALOG_LEASE", "0")])
def test_repo_config_zero_is_refused_where_it_means_nothing(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=name):
        Settings.load({"HOME": "/h", name: text})


@given(limit=st.integers(1, 2**40), lease=st.floats(1e-3, 1e6), reconnect=st.floats(0, 1e6))
def test_repo_config_what_is_written_is_what_is_read(limit: int, lease: float, reconnect: float) -> None:
    env = {"SAGALOG_VALUE_LIMIT": str(limit), "SAGALOG_LEASE": repr(lease), "SAGALOG_RECONNECT": repr(reconnect)}
    settings = Settings.load({"HOME": "/h"} | env)
    assert (settings.value_limit, settings.lease, settings.reconnect) == (limit, lease, reconnect)
