import pytest

from .folder import write_folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a usable job, and the working directory, so that messages name files as typed."""
    write_folder(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path
