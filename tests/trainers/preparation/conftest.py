import pytest


@pytest.fixture(params=["path", "file:// URI", "far"])
def storage(request, tmp_path):
    far = f"fsspec+file://{tmp_path}"
    return {"path": str(tmp_path), "file:// URI": tmp_path.as_uri(), "far": far}[request.param]
