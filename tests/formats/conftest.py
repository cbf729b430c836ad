import pytest

from fabricsim.result import Result
from tests.report.factory import make_result


@pytest.fixture
def result() -> Result:
    return make_result()


@pytest.fixture
def sweep() -> list[Result]:
    return [make_result(2**power) for power in range(10, 29, 2)]
