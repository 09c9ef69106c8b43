"""Parameter templates: placeholders and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.parameter_template import Recipient, parse_template

AN = Recipient("Nguyễn An", "+84912345678", {"plan": "Gold", "age": 7, "empty": None, "trap": "{{ customer.name }}"})


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("", ""),
        ("plain { text }", "plain { text }"),
        ("{{ customer.name }}", "Nguyễn An"),
        ("{{customer.name}}/{{  customer.phone_number }}", "Nguyễn An/+84912345678"),
        ("Plan {{ attributes.plan }}, {{ attributes.age }}", "Plan Gold, 7"),
        ("[{{ attributes.empty }}{{ attributes.absent }}]", "[]"),
        ("{{ attributes.trap }}", "{{ customer.name }}"),
    ],
)
def test_render(text: str, rendered: str) -> None:
    assert parse_template({"p": text}).render(AN) == {"p": rendered}


@given(st.text(alphabet=st.characters(exclude_characters="{}"), max_size=200))
def test_text_without_braces_stays_as_it_is(text: str) -> None:
    assert parse_template({"p": text}).render(AN) == {"p": text}


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text(), max_size=4))
def test_cells_never_become_placeholders(attributes: dict[str, str]) -> None:
    text = "".join(f"{{{{ attributes.{name} }}}}" for name in attributes)
    rendered = parse_template({"p": text[:1000]}).render(Recipient("", "", attributes))
    assert rendered == {"p": "".join(attributes.values())}


def test_missing_columns_are_sorted_and_named_once() -> None:
    template = parse_template(
        {"a": "{{ attributes.b }}{{ attributes.a }}", "c": "{{ attributes.b }}{{ customer.name }}"}
    )
    assert template.columns == ("a", "b")
    assert template.missing_columns(["a", "z"]) == ("b",)


PLACES = "possible are customer.name, customer.phone_number and attributes.COLUMN."


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([], "A parameter template is an object of at most 30 texts."),
        ({f"p{n}": "" for n in range(31)}, "A parameter template is an object of at most 30 texts."),
        ({"p": 7}, "The parameter 'p' must be a text of at most 1000 characters."),
        ({"p": "x" * 1001}, "The parameter 'p' must be a text of at most 1000 characters."),
        ({"p": "{{ customer.password }}"}, f"The parameter 'p' refers to 'customer.password'; {PLACES}"),
        ({"p": "{{ customer }}"}, f"The parameter 'p' refers to 'customer'; {PLACES}"),
        ({"p": "{{ attributes.a b }}"}, f"The parameter 'p' refers to 'attributes.a b'; {PLACES}"),
        ({"p": "{{ customer.name.__class__ }}"}, f"The parameter 'p' refers to 'customer.name.__class__'; {PLACES}"),
        ({"p": "{{ customer.name"}, "The parameter 'p' has braces that do not close: write {{ customer.name }}."),
        ({"p": "customer.name }}"}, "The parameter 'p' has braces that do not close: write {{ customer.name }}."),
    ],
)
def test_bad_template_says_what_is_wrong(raw, message) -> None:
    with pytest.raises(ValueError) as refused:
        parse_template(raw)
    assert str(refused.value) == message


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a" * 41, "trunkline_token", "call_id", "tenant"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a parameter's name"):
        parse_template({name: ""})
