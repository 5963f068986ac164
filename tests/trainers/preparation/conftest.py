import pytest


@pytest.fixture(params=["path", "file:// URI"])
def storage(request, tmp_path):
    return str(tmp_path) if request.param == "path" else tmp_path.as_uri()
