"""The switch for all dialing, blackout dates, and imported do-not-call lists."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSplitDateTimeWidget, UnfoldAdminTextareaWidget

from campaigns.admin.base import InternalAdmin, RecordAdmin, changed_values, name_date_and_time, signed_in
from campaigns.enums import DncVersionState
from campaigns.errors import ImportRefused
from campaigns.models import BlackoutDate, DialingStop, DncList, DncNumber, DncVersion
from campaigns.policies.blackout_text import parse_blackouts
from campaigns.policies.country_codes import read_countries
from campaigns.policies.stop_text import lifted_in_words, live_in_words, stopped_in_words
from campaigns.queries.calls import placed_live_calls
from campaigns.services import definitions
from campaigns.services.blackouts import add_blackouts, remove_blackout
from campaigns.services.dialing_stops import resume_dialing, stop_dialing
from campaigns.services.dnc_lists import receive_version
from campaigns.tasks.dnc_lists import load_dnc_version
from campaigns.tasks.sending import send


@admin.register(DialingStop)
class DialingStopAdmin(ModelAdmin):
    """Adding a row stops all dialing; lifting is an action. What was is the record and stays."""

    list_display = ["at", "reason", "by", "hangs_up", "show_state", "lifted_at", "lifted_by"]
    list_select_related = ["by", "lifted_by"]
    actions = ["lift"]

    @display(description="State", label={"in force": "danger", "lifted": "success"})
    def show_state(self, stop: DialingStop) -> str:
        return "in force" if stop.lifted_at is None else "lifted"

    def get_fields(self, request: HttpRequest, obj: DialingStop | None = None) -> list[str]:
        if obj is None:
            return ["reason", "hangs_up"]
        return ["at", "by", "kind", "reason", "hangs_up", "lifted_at", "lifted_by"]

    def get_form(
        self, request: HttpRequest, obj: DialingStop | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if "hangs_up" in form.base_fields:
            live = placed_live_calls().count()
            form.base_fields["hangs_up"].help_text = (
                f"{live_in_words(live)} Live calls are ended at once, in the middle of a word, and so are those still "
                "ringing when they are answered. Else they go on to their end."
            )
        return form

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_lift_permission(self, request: HttpRequest) -> bool:
        """Whether this person may let dialing go on: who may change a stop, though nobody edits one."""
        return request.user.has_perm("campaigns.change_dialingstop")

    def save_model(self, request: HttpRequest, obj: DialingStop, form: Any, change: bool) -> None:
        entered = form.cleaned_data
        hangs_up = entered["hangs_up"]
        stop = stop_dialing(reason=entered["reason"], user=signed_in(request), now=timezone.now(), hangs_up=hangs_up)
        obj.pk, obj.at = stop.pk, stop.at
        messages.warning(request, stopped_in_words(placed_live_calls().count(), hangs_up=hangs_up))

    @admin.action(description="Let dialing go on: lift every stop", permissions=["lift"])
    def lift(self, request: HttpRequest, chosen: QuerySet[DialingStop]) -> None:
        self.message_user(request, lifted_in_words(resume_dialing(user=signed_in(request), now=timezone.now())))


class BlackoutForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    dates = forms.CharField(
        widget=UnfoldAdminTextareaWidget({"rows": 8, "spellcheck": "false"}),
        help_text="One a line: 2027-04-30 Reunification Day, or 2027-02-05..2027-02-13 Tết. Lines of a CSV do too.",
    )

    class Meta:
        model = BlackoutDate
        fields = ["campaign"]

    def clean_dates(self) -> dict[date, str]:
        try:
            dates = parse_blackouts(self.cleaned_data["dates"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        if not dates:
            raise forms.ValidationError("Write at least one date.")
        return dates


@admin.register(BlackoutDate)
class BlackoutDateAdmin(ModelAdmin):
    """Dates are added in one go and taken away one by one."""

    form = BlackoutForm
    list_display = ["date", "name", "show_for"]
    list_filter = ["campaign"]
    search_fields = ["name"]
    list_select_related = ["campaign"]
    date_hierarchy = "date"

    @display(description="For", ordering="campaign")
    def show_for(self, row: BlackoutDate) -> str:
        return "all campaigns" if row.campaign is None else row.campaign.name

    def get_fields(self, request: HttpRequest, obj: BlackoutDate | None = None) -> list[str]:
        return ["dates", "campaign"] if obj is None else ["date", "campaign", "name"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: BlackoutDate, form: Any, change: bool) -> None:
        entered = form.cleaned_data
        rows = add_blackouts(
            entered["dates"], campaign=entered["campaign"], user=signed_in(request), now=timezone.now()
        )
        obj.pk, obj.date, obj.name = rows[0].pk, rows[0].date, rows[0].name

    def delete_model(self, request: HttpRequest, obj: BlackoutDate) -> None:
        remove_blackout(obj, user=signed_in(request), now=timezone.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[BlackoutDate]) -> None:
        for row in queryset.select_related("campaign"):
            remove_blackout(row, user=signed_in(request), now=timezone.now())


class DncListForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    file = forms.FileField(
        required=False,
        label="New version",
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt,text/csv,text/plain"}),
        help_text="One number a line, or in a CSV's first column. Read to its end it takes the place of the version in "
        "force; until then, and if it cannot be read, that one stays.",
    )
    as_of = forms.SplitDateTimeField(
        required=False,
        label="As of",
        help_text="When its keeper made it. Empty: now",
        widget=UnfoldAdminSplitDateTimeWidget,
    )

    class Meta:
        model = DncList
        fields = ["name", "region", "is_active"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name_date_and_time(self.fields["as_of"], "As of")

    def clean_region(self) -> str:
        entered: str = self.cleaned_data["region"]
        try:
            return read_countries([entered])[0] if entered else ""
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def clean_as_of(self) -> Any:
        as_of = self.cleaned_data["as_of"]
        if as_of is not None and as_of > timezone.now():
            raise forms.ValidationError("A list cannot be of a moment that has not come yet.")
        return as_of


@admin.register(DncList)
class DncListAdmin(ModelAdmin):
    form = DncListForm
    list_display = ["name", "show_current", "show_numbers", "is_active"]
    list_select_related = ["current"]
    search_fields = ["name"]
    readonly_fields = ["show_current", "show_numbers", "show_last"]
    fieldsets = [
        (None, {"fields": ["name", "region", "is_active"]}),
        ("In force", {"fields": ["show_current", "show_numbers", "show_last"]}),
        ("Upload", {"fields": ["file", "as_of"]}),
    ]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A list that is not wanted any more is switched off: attempts name its versions."""
        return False

    @display(description="As of")
    def show_current(self, row: DncList) -> str:
        return "–" if row.current is None else f"{timezone.localtime(row.current.as_of):%Y-%m-%d %H:%M:%S}"

    @display(description="Numbers")
    def show_numbers(self, row: DncList) -> str:
        return "–" if row.current is None else f"{row.current.numbers:,}"

    @display(description="Last upload")
    def show_last(self, row: DncList) -> str:
        last = row.versions.first() if row.pk else None
        if last is None:
            return "–"
        unread = f"{last.rejected:,} line{'s' * (last.rejected != 1)} could not be read." if last.rejected else ""
        return " ".join(filter(None, (f"{last.get_state_display()}.", unread, last.error)))

    def save_model(self, request: HttpRequest, obj: DncList, form: Any, change: bool) -> None:
        if change:
            values = changed_values(form)
            definitions.change_dnc_list(obj, {name: values[name] for name in DncListForm.Meta.fields if name in values})
        else:
            obj.pk = definitions.create_dnc_list({name: form.cleaned_data[name] for name in DncListForm.Meta.fields}).pk
        if form.cleaned_data["file"]:
            self._receive(request, obj, form.cleaned_data)

    def _receive(self, request: HttpRequest, obj: DncList, entered: dict[str, Any]) -> None:
        now = timezone.now()
        file = entered["file"]
        try:
            version = receive_version(
                obj.pk,
                file=file,
                file_name=file.name,
                as_of=entered["as_of"] or now,
                user=signed_in(request),
                now=now,
            )
        except ImportRefused as refusal:
            messages.error(request, refusal.detail)
            return
        # Without a broker the row says that the version waits; the sweeper finds it.
        send(load_dnc_version, version_id=version.pk)
        messages.info(request, "The file is being read. The version in force stays until all of it has been.")


@admin.register(DncVersion)
class DncVersionAdmin(RecordAdmin):
    list_display = ["list", "file_name", "as_of", "show_state", "numbers", "rejected", "created_by", "error"]
    list_filter = ["list", "state"]
    list_select_related = ["list", "created_by"]

    @display(
        description="State",
        label={DncVersionState.CURRENT: "success", DncVersionState.LOADING: "info", DncVersionState.FAILED: "danger"},
        ordering="state",
    )
    def show_state(self, version: DncVersion) -> tuple[str, str]:
        return version.state, str(version.get_state_display())


@admin.register(DncNumber)
class DncNumberAdmin(InternalAdmin):
    list_display = ["phone_number", "version"]
    list_select_related = ["version"]
    search_fields = ["phone_number"]
