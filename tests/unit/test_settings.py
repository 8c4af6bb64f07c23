"""Settings that are numbers, from the file and from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from kumofs.config import load_settings
from kumofs.errors import ConfigError


def environ(base: Path, text: str = "", **more: str) -> dict[str, str]:
    (base / "config.toml").write_text(text)
    return {"HOME": str(base), "KUMOFS_CONFIG": str(base), **more}


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    assert load_settings(environ(tmp_path)).cache_mib is None
    assert load_settings(environ(tmp_path, "cache_mib = 5")).cache_mib == 5
    assert load_settings(environ(tmp_path, "cache_mib = 5", KUMOFS_CACHE_MIB="0")).cache_mib == 0


@pytest.mark.parametrize("wrong", ["-1", "ten", "1.5", "²"])
def test_what_is_no_number_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ConfigError, match="KUMOFS_CACHE_MIB is"):
        load_settings(environ(tmp_path, KUMOFS_CACHE_MIB=wrong))


@pytest.mark.parametrize(("text", "told"), [("cache_mib = -1", "0 or more"), ('cache_mib = "5"', "of type int")])
def test_what_is_no_number_in_the_file_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_settings(environ(tmp_path, text))
