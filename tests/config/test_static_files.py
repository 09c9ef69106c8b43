"""Static files, as a browser asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.test import RequestFactory
from whitenoise.responders import StaticFile

from config.static_files import StaticFilesMiddleware

MARK = Path(settings.BASE_DIR) / "static" / "img" / "mark.svg"


def test_a_static_file_is_served_whole_with_its_type(client):
    answer = client.get("/static/img/mark.svg")

    assert (answer.status_code, answer.content) == (200, MARK.read_bytes())
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.headers["Content-Length"] == str(MARK.stat().st_size)
    assert not answer.streaming


def test_a_part_of_it_is_served(client):
    answer = client.get("/static/img/mark.svg", headers={"Range": "bytes=1-3"})

    assert (answer.status_code, answer.content) == (206, MARK.read_bytes()[1:4])


def test_a_file_the_browser_has_is_not_sent_again(client):
    modified = client.get("/static/img/mark.svg").headers["Last-Modified"]

    answer = client.get("/static/img/mark.svg", headers={"If-Modified-Since": modified})

    assert (answer.status_code, answer.content) == (304, b"")


def test_a_file_that_was_edited_since_the_start_is_served_with_its_length(tmp_path):
    path = tmp_path / "base.css"
    path.write_text("a { color: red }")
    noted = StaticFile(str(path), [("Content-Type", "text/css")])
    path.write_text("a { color: red; background: white }")

    answer = StaticFilesMiddleware.serve(noted, RequestFactory().get("/static/base.css"))

    assert (int(answer.headers["Content-Length"]), len(answer.content)) == (35, 35)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["gone.css", "../config/settings.py", "%2e%2e/config/settings.py"])
def test_nothing_else_is_served(client, path):
    assert client.get(f"/static/{path}").status_code == 404
