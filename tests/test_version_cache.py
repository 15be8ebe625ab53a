"""The local copies of registered versions, which several processes use at the same time."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import pytest

from tests.registry_project import registry_project, select, train
from transferline.errors import TransferlineError
from transferline.models.exported import CARD_FILE, read_card
from transferline.registry import registered_models
from transferline.registry.aliases import CHAMPION
from transferline.registry.promotion import promote
from transferline.registry.registered_models import download_version, fetch_version, version_named
from transferline.registry.tracking import connect
from transferline.registry.version_cache import CACHE


def test_several_fetch_a_version_at_once_and_its_card_is_replaced_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params, downloads = registry_project(tmp_path, monkeypatch), list[str]()
    select(params, train(params, "head", "good"))
    promote(params, tmp_path)
    version = version_named(connect(params.record, tmp_path), "colors", CHAMPION)

    def slow_download(version: object) -> Path:
        downloads.append("begun")
        time.sleep(0.5)  # so that the others look for the folder meanwhile
        return download_version(version)

    monkeypatch.setattr(registered_models, "download_version", slow_download)
    shutil.rmtree(tmp_path / CACHE)
    with ThreadPoolExecutor(3) as pool:
        folders = set(pool.map(lambda _: fetch_version(version, tmp_path), range(3)))
    assert len(folders) == len(downloads) == 1

    card = folders.pop() / CARD_FILE
    written, text = card.stat().st_mtime_ns, card.read_text()
    fetch_version(version, tmp_path)
    assert card.stat().st_mtime_ns == written, "a card that is right is not written again"
    card.write_text("an earlier card")
    with card.open() as opened:
        fetch_version(version, tmp_path)
        assert opened.read() == "an earlier card", "a process that reads the file never sees a part of it"
    assert card.read_text() == text and read_card(card.parent).candidate == "small"


def test_a_server_that_stops_before_a_download_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = registry_project(tmp_path, monkeypatch)
    select(params, train(params, "head", "good"))
    promote(params, tmp_path)
    version = version_named(connect(params.record, tmp_path), "colors", CHAMPION)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    with pytest.raises(TransferlineError, match="the model files of version 1 of colors are missing: models:/m-"):
        download_version(version)
