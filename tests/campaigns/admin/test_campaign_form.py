"""The form of a campaign: hours, waits and parameters as rows, told in words where they can no longer be changed."""

from __future__ import annotations

import re
from dataclasses import astuple
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from campaigns.admin.cadence_field import PARTS, CadenceField, EnteredRule, rules_of
from campaigns.admin.parameter_field import ParametersField
from campaigns.admin.row_fields import RowsField, calling_window_field
from campaigns.enums import CampaignState
from campaigns.models import Campaign, CustomerList
from campaigns.policies.cadence import Moment, default_cadence
from campaigns.policies.calling_window import WEEKDAYS, default_calling_window
from tests.campaigns.admin.conftest import NOW


def change(campaign: Campaign) -> str:
    return reverse("admin:campaigns_campaign_change", args=[campaign.pk])


def entered(field: RowsField, stored: Any, name: str = "field") -> dict[str, str]:
    """The form's data when nobody touches what it shows."""
    texts = field.widget.decompress(stored)
    return {f"{name}_{row.key}": text for row, text in zip(field.layout.rows, texts, strict=True)}


def read(field: RowsField | ParametersField | CadenceField, data: dict[str, Any]) -> Any:
    sent = QueryDict(mutable=True)
    for key, value in data.items():
        sent.setlist(key, value if isinstance(value, list) else [value])
    return field.widget.value_from_datadict(sent, {}, "field")


CLOCK = st.integers(0, 1439).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")
RANGE = st.lists(CLOCK, min_size=2, max_size=2, unique=True)
WINDOWS = st.builds(
    lambda zone, days: {"timezone": zone, "days": days},
    st.sampled_from(["", "UTC", "Asia/Ho_Chi_Minh", "Etc/GMT+7"]),
    st.dictionaries(st.sampled_from(WEEKDAYS), st.lists(RANGE, min_size=1, max_size=4)),
)
WAITS = st.lists(st.one_of(st.integers(0, 100_000), st.sampled_from([moment.value for moment in Moment])), max_size=4)
CADENCES = st.dictionaries(
    st.tuples(st.sampled_from(["", "busy", "failed"]), st.sampled_from(["", "not_now"])),
    st.tuples(WAITS, st.integers(0, 20)),
).map(
    lambda table: {
        "rules": [
            {name: value for name, value in row.items() if value or name == "waits"}
            for row in (
                {"outcome": outcome, "disposition": disposition, "waits": waits, "max_tries": most}
                for (outcome, disposition), (waits, most) in table.items()
            )
        ]
    }
)


@given(WINDOWS)
def test_a_window_comes_back_as_it_was(window) -> None:
    field = calling_window_field()
    data = read(field, entered(field, window))
    assert field.clean(data) == window
    assert not field.has_changed(window, data)


def entered_rules(*rows: EnteredRule) -> dict[str, list[str]]:
    """The form's data with these rows, and the empty one that is always there."""
    columns = zip(*(astuple(row) for row in (*rows, EnteredRule())), strict=True)
    return {f"field_{part}": list(texts) for part, texts in zip(PARTS, columns, strict=True)}


@given(CADENCES)
def test_a_cadence_comes_back_as_it_was(cadence) -> None:
    field = CadenceField()
    data = read(field, entered_rules(*rules_of(cadence)))
    assert field.clean(data) == cadence
    assert not field.has_changed(cadence, data)


def test_the_short_form_of_a_cadence_is_shown_as_rows_and_kept() -> None:
    field, short = CadenceField(), {"waits_s": {"busy": [600], "default": []}}
    shown = rules_of(short)
    assert shown == [EnteredRule("busy", "", "10 min", ""), EnteredRule("", "", "give up", "")]
    assert not field.has_changed(short, read(field, entered_rules(*shown)))


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (EnteredRule("busy", "", "30", ""), "“30” has no unit."),
        (EnteredRule("busy", "", "1 h", "many"), "“many” is not a number of attempts"),
        (EnteredRule("busy", "", "1 h", "21"), "“21” is not a number of attempts"),
        (EnteredRule("answered", "", "1 h", ""), "An answered call is tried again only for a disposition"),
        (EnteredRule("soon", "", "1 h", ""), "There is no try after 'soon'"),
    ],
)
def test_a_wrong_rule_has_its_own_error(row, fault) -> None:
    field = CadenceField()
    with pytest.raises(ValidationError, match="Please correct"):
        field.clean([EnteredRule("", "", "1 h", ""), row])
    assert {place: text[: len(fault)] for place, text in field.widget.errors.items()} == {1: fault}


def test_two_rules_for_one_thing_are_refused() -> None:
    with pytest.raises(ValidationError, match="several rules for busy"):
        CadenceField().clean([EnteredRule("busy", "", "1 h", "")] * 2)


def test_a_cadence_that_is_not_sent_or_cannot_be_read_stays() -> None:
    field = CadenceField()
    assert (read(field, {}), field.clean(None), rules_of([]), rules_of({"x": 1})) == (None, default_cadence(), [], [])
    assert not field.has_changed({"anything": 1}, None)


def test_what_a_form_does_not_send_or_nobody_can_read_stays() -> None:
    field = calling_window_field()
    assert read(field, {}) is None
    assert not field.has_changed({"anything": 1}, None)
    assert field.clean(None) == default_calling_window()
    assert not field.has_changed({"days": 3}, read(field, entered(field, {"days": 3})))


def test_a_zone_that_is_no_place_can_stay_chosen() -> None:
    shown = calling_window_field().widget.render("field", {"timezone": "Etc/GMT+7", "days": {}}, {"id": "x"})
    assert '<option value="Etc/GMT+7" selected>' in shown


def test_every_wrong_line_has_its_own_error(admin_client, campaign) -> None:
    form = {"calling_window_mon": "soon", "calling_window_tue": "08:00-12:00", "calling_window_sun": "25-26"}
    page = admin_client.post(change(campaign), form).text
    assert "Please correct: Monday, Sunday." in page
    assert re.findall(r'id="id_calling_window_(\w+)_error">([^<.]+)', page) == [
        ("mon", "“soon” is not a range of hours"),
        ("sun", "“25” is not a time of day"),
    ]
    assert 'value="soon"' in page
    assert Campaign.objects.get().calling_window == default_calling_window()


@pytest.mark.parametrize(
    ("rows", "faults"),
    [
        ([("a", "1"), ("a", "2")], {1: "The name a stands above already."}),
        ([("", "1"), ("b", "2")], {0: "Give this value a name."}),
    ],
)
def test_a_wrong_parameter_has_its_own_error(rows, faults) -> None:
    field = ParametersField()
    with pytest.raises(ValidationError, match="Please correct"):
        field.clean(rows)
    assert field.widget.errors == faults


def test_too_many_parameters_are_refused() -> None:
    with pytest.raises(ValidationError, match="at most 30 texts"):
        ParametersField().clean([(f"p{number}", "x") for number in range(31)])


def test_parameters_come_back_as_they_were() -> None:
    field = ParametersField()
    stored = {"name": "{{ customer.name }}", "note": "two\nlines ", "empty": ""}
    names, values = [*stored, ""], [*(text.replace("\n", "\r\n") for text in stored.values()), " "]
    data = read(field, {"field_name": names, "field_value": values})
    assert field.clean(data) == stored
    assert not field.has_changed(stored, data)
    assert (read(field, {}), field.clean(None)) == (None, {})


def test_the_form_shows_what_the_chosen_lists_offer(admin_client, campaign) -> None:
    other = CustomerList.objects.create(name="April", columns=["plan", "city"])
    page = admin_client.get(change(campaign)).text
    assert re.findall('data-insert="([^"]+)"', page) == [
        "{{ customer.name }}",
        "{{ customer.phone_number }}",
        "{{ attributes.plan }}",
    ]
    both = {"lists": [*campaign.customer_lists.values_list("pk", flat=True), other.pk, "x", "9" * 30]}
    offered = admin_client.get(reverse("admin:campaigns_campaign_placeholders"), both).text
    assert re.findall(r"attributes\.(\w+) }}</button>(?: <span[^>]*>([^<]+))?", offered) == [
        ("plan", ""),
        ("city", "only in April"),
    ]


@pytest.mark.django_db
def test_placeholders_need_the_permission(client) -> None:
    client.force_login(User.objects.create_user("reader", is_staff=True))
    assert client.get(reverse("admin:campaigns_campaign_placeholders")).status_code == 403


def test_a_finished_campaign_tells_its_rules_in_words(admin_client, campaign) -> None:
    Campaign.objects.update(
        state=CampaignState.FINISHED, launched_at=NOW, finished_at=NOW, parameter_template={"city": "<Hue>"}
    )
    page = admin_client.get(change(campaign)).text
    assert "Monday to Sunday: 08:00-20:00<br>Time where the customer is" in page
    assert "Busy: 10 min, 30 min, 2 h<br>All other outcomes: 30 min, 2 h, 1 d" in page
    assert "city: &lt;Hue&gt;" in page
    assert 'name="calling_window_mon"' not in page


def test_rules_that_cannot_be_read_are_told_as_such(admin_client, campaign) -> None:
    Campaign.objects.update(state=CampaignState.FINISHED, calling_window={"timezone": "Mars/Base"})
    assert "There is no timezone &#x27;Mars/Base&#x27;" in admin_client.get(change(campaign)).text


def test_who_may_only_look_sees_words(client, campaign) -> None:
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_campaign"))
    client.force_login(reader)
    page = client.get(change(campaign)).text
    assert "Monday to Sunday: 08:00-20:00" in page
    assert 'name="calling_window_mon"' not in page
    assert 'type="file"' not in page


@pytest.mark.parametrize(
    ("state", "steps"),
    [
        (CampaignState.DRAFT, ["launch", "cancel"]),
        (CampaignState.SCHEDULED, ["launch", "cancel"]),
        (CampaignState.RUNNING, ["pause", "cancel"]),
        (CampaignState.PAUSED, ["resume", "cancel"]),
        (CampaignState.FINISHED, []),
        (CampaignState.CANCELED, []),
    ],
)
def test_only_the_steps_the_state_allows_are_offered(admin_client, campaign, state, steps) -> None:
    Campaign.objects.update(state=state)
    page = admin_client.get(change(campaign)).text
    assert re.findall(rf"/campaign/{campaign.pk}/(launch|pause|resume|cancel)", page) == steps


def test_a_new_campaign_is_asked_for_no_more_than_can_be_said(admin_client, campaign) -> None:
    page = admin_client.get(reverse("admin:campaigns_campaign_add")).text
    assert 'value="08:00-20:00"' in page
    assert "Before launch" not in page
