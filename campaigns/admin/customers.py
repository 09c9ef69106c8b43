"""Customers and their lists."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from unfold.admin import TabularInline
from unfold.decorators import action, display

from campaigns.admin.base import InternalAdmin, OwnerAdmin, changed_values, field_values, pairs_in_lines
from campaigns.admin.imports import upload_customers
from campaigns.models import Customer, CustomerList, ImportJob, ImportReject, ListEntry
from campaigns.policies.country_codes import COUNTRY_NOT_ALLOWED, country_refusal
from campaigns.policies.import_rows import is_timezone
from campaigns.services import customers
from telephony.phone_numbers import PhoneNumberError, parse_phone_number


@admin.register(CustomerList)
class CustomerListAdmin(OwnerAdmin):
    owned = (ListEntry, ImportJob, ImportReject)
    list_display = ["name", "show_customers", "show_columns", "created_at"]
    search_fields = ["name"]
    fields = ["name", "show_customers", "show_columns", "created_at"]
    readonly_fields = ["show_customers", "show_columns", "created_at"]
    actions_list = ["upload"]
    actions_detail = ["upload_here", "show_imports"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[CustomerList]:
        lists: QuerySet[CustomerList] = super().get_queryset(request)
        return lists.annotate(customer_count=Count("entries"))

    def get_urls(self) -> list[Any]:
        upload_into = self.admin_site.admin_view(upload_customers)
        return [
            path("<int:list_id>/upload/", upload_into, name="campaigns_customerlist_upload_into"),
            *super().get_urls(),
        ]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without deleting many at once: a list that a campaign names must stay."""
        return {name: chosen for name, chosen in super().get_actions(request).items() if name != "delete_selected"}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_free = obj is None or not obj.campaigns.exists()
        return is_free and super().has_delete_permission(request, obj)

    def delete_model(self, request: HttpRequest, obj: CustomerList) -> None:
        customers.delete_list(obj)

    @display(description="Customers", ordering="customer_count")
    def show_customers(self, customer_list: CustomerList) -> str:
        return f"{getattr(customer_list, 'customer_count', 0):,}"

    @display(description="Columns for templates")
    def show_columns(self, customer_list: CustomerList) -> str:
        return ", ".join(customer_list.columns) or "–"

    @action(description="Upload customers", url_path="upload", permissions=["add"], icon="upload")
    def upload(self, request: HttpRequest) -> HttpResponse:
        return upload_customers(request)

    @action(description="Upload customers", url_path="upload-here", permissions=["change"], icon="upload")
    def upload_here(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:campaigns_customerlist_upload_into", args=[object_id]))

    @action(description="Imports", url_path="imports", permissions=["view"])
    def show_imports(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse('admin:campaigns_importjob_changelist')}?list__id__exact={object_id}")

    def save_model(self, request: HttpRequest, obj: CustomerList, form: Any, change: bool) -> None:
        if change:
            customers.rename_list(obj, form.cleaned_data["name"])
        else:
            obj.pk = customers.create_list(form.cleaned_data["name"]).pk


class CustomerForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    phone_number = forms.CharField(max_length=40, help_text="As written anywhere: 0912 345 678 or +84912345678")

    class Meta:
        model = Customer
        fields = ["phone_number", "name", "timezone", "attributes"]

    def clean_phone_number(self) -> str:
        try:
            number = parse_phone_number(self.cleaned_data["phone_number"], settings.DEFAULT_REGION)
        except PhoneNumberError as error:
            raise forms.ValidationError(error.detail, code=error.code) from error
        if number.region not in settings.ALLOWED_COUNTRIES:
            raise forms.ValidationError(country_refusal(number.region), code=COUNTRY_NOT_ALLOWED)
        return number.e164

    def clean_timezone(self) -> str:
        name: str = self.cleaned_data["timezone"]
        if name and not is_timezone(name):
            raise forms.ValidationError("Write an IANA name, for example Asia/Ho_Chi_Minh, or leave it empty.")
        return name


class EntryInline(TabularInline):
    """The lists a customer is on."""

    model = ListEntry
    extra = 0
    can_delete = False
    hide_title = True
    fields = readonly_fields = ["list", "show_attributes", "import_job"]

    @display(description="Attributes")
    def show_attributes(self, entry: ListEntry) -> str:
        return pairs_in_lines(entry.attributes)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Customer)
class CustomerAdmin(OwnerAdmin):
    owned = (ListEntry,)
    form = CustomerForm
    list_display = ["phone_number", "name", "timezone", "created_at"]
    list_filter = ["lists"]
    search_fields = ["phone_number", "name"]
    show_full_result_count = False
    readonly_fields = ["created_at", "updated_at"]
    inlines = [EntryInline]

    def save_model(self, request: HttpRequest, obj: Customer, form: Any, change: bool) -> None:
        if change:
            customers.change_customer(obj, changed_values(form))
        else:
            obj.pk = customers.create_customer(field_values(form)).pk


@admin.register(ListEntry)
class ListEntryAdmin(InternalAdmin):
    list_display = ["customer", "list", "attributes", "import_job"]
    list_filter = ["list"]
    search_fields = ["customer__phone_number", "customer__name"]
    list_select_related = ["customer", "list", "import_job"]
