"""Lists of country codes."""

from __future__ import annotations

import pytest

from campaigns.policies.country_codes import read_countries


def test_codes_are_put_in_order() -> None:
    assert read_countries([" vn", "US", "VN"]) == ["US", "VN"]
    assert read_countries([]) == []


@pytest.mark.parametrize("raw", ["VN", None, [1], ["XX"], ["Vietnam"], [""], ["VN"] * 51])
def test_what_is_no_list_of_countries_is_refused(raw) -> None:
    with pytest.raises(ValueError):
        read_countries(raw)
