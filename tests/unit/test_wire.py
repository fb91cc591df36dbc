"""The server's strict structs, and its list of keys for /set, have the keys of the shapes that the client reads."""

from typing import Any

import msgspec
import pytest

from job_manager_wire import shapes
from jobserver.api.founding import reports, submission


@pytest.mark.parametrize(
    ("struct", "shape"),
    [
        (reports.ReportBody, shapes.UpdateBody),
        (reports.ReportEntry, shapes.ReportEntry),
        (reports.HeldClaim, shapes.HeldClaim),
    ],
)
def test_a_strict_struct_has_the_keys_of_its_shape(struct: type[msgspec.Struct], shape: Any) -> None:
    fields = msgspec.structs.fields(struct)
    assert {field.encode_name for field in fields if field.required} == shape.__required_keys__
    assert {field.encode_name for field in fields if not field.required} == shape.__optional_keys__


def test_set_accepts_the_keys_of_its_shape() -> None:
    assert shapes.SetEntry.__optional_keys__ == submission.KEYS
    assert not shapes.SetEntry.__required_keys__
