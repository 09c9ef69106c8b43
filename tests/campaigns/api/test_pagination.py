"""Pages of lists."""

from __future__ import annotations

from campaigns.api.pagination import PAGE_SIZE, PAGE_SIZE_MAX
from tests.factories import make_customer

PATH = "/api/v1/customers/"


def test_pages_cover_every_row_once(integrator):
    made = [make_customer().pk for _ in range(7)]
    pages = [integrator.get(PATH, {"page": page, "page_size": 3}).json() for page in (1, 2, 3)]
    assert [len(page["results"]) for page in pages] == [3, 3, 1]
    assert [row["id"] for page in pages for row in page["results"]] == made[::-1]
    assert [page["count"] for page in pages] == [7, 7, 7]
    assert [bool(page["next"]) for page in pages] == [True, True, False]
    assert integrator.get(pages[0]["next"]).json() == pages[1]


def test_a_page_has_a_size_of_its_own(integrator):
    for _ in range(PAGE_SIZE + 1):
        make_customer()
    default, largest = integrator.get(PATH).json(), integrator.get(PATH, {"page_size": PAGE_SIZE_MAX}).json()
    assert (len(default["results"]), len(largest["results"])) == (PAGE_SIZE, PAGE_SIZE + 1)


def test_an_empty_list_has_one_empty_page(integrator):
    assert integrator.get(PATH).json() == {"count": 0, "next": None, "previous": None, "results": []}


def test_a_page_after_the_last_is_not_found(integrator):
    answer = integrator.get(PATH, {"page": 2})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
