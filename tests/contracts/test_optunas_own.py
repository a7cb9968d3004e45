"""Optuna's own tests of a storage, on ours."""

from collections.abc import Iterator
from typing import Any

import pytest
from optuna.testing.pytest_storages import StorageTestCase

from lightning_sweeps.searches.store.journal import open_journal
from lightning_sweeps.searches.store.storage import open_url

pytestmark = pytest.mark.filterwarnings("ignore")  # of the tests' own ways


class TestOurJournal(StorageTestCase):
    @pytest.fixture
    def storage(self, own_folder: Any) -> Iterator[Any]:
        return open_journal(own_folder)


class TestOurDataBase(StorageTestCase):
    @pytest.fixture
    def storage(self, own_folder: Any) -> Iterator[Any]:
        opened = open_url("sqlite:///study.db")
        yield opened
        opened._backend.scoped_session.remove()
        opened._backend.engine.dispose()
