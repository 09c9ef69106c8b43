"""`customers/` and `customer-lists/`."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Count, IntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.api import fields
from campaigns.api.filters import CustomerFilter
from campaigns.api.imports import ImportSerializer, MappingField
from campaigns.api.parsing import BoundedMultiPartParser
from campaigns.api.serializers import StrictInput, StrictModelSerializer
from campaigns.api.views import ReadOnlyView, enqueue_on_commit, token_of
from campaigns.models import Customer, CustomerList, ListEntry
from campaigns.policies.country_codes import COUNTRY_NOT_ALLOWED, country_refusal
from campaigns.services import customers
from campaigns.services.imports import create_import
from campaigns.tasks.imports import run_import
from telephony.phone_numbers import region_of


class CustomerSerializer(StrictModelSerializer[Customer]):
    phone_number = fields.PhoneNumberField()
    timezone = fields.ZoneField(required=False, allow_blank=True, max_length=64)
    attributes = fields.AttributesField(required=False)

    class Meta:
        model = Customer
        fields = ["id", "phone_number", "name", "timezone", "attributes", "created_at", "updated_at"]
        read_only_fields = ["id", "created_at", "updated_at"]

    def validate_phone_number(self, value: str) -> str:
        """The number, if its country may be called and no other customer has it."""
        if region_of(value) not in settings.ALLOWED_COUNTRIES:
            raise serializers.ValidationError(country_refusal(region_of(value)), code=COUNTRY_NOT_ALLOWED)
        others = Customer.objects.filter(phone_number=value)
        if self.instance is not None:
            others = others.exclude(pk=self.instance.pk)
        if others.exists():
            raise serializers.ValidationError("Another customer has this number.", code="unique")
        return value


class CustomerView(ReadOnlyView):
    """People with a phone number."""

    queryset = Customer.objects.order_by("-id")
    serializer_class = CustomerSerializer
    filterset_class = CustomerFilter

    def create(self, request: Request) -> Response:
        """Add a customer."""
        return self.shown(customers.create_customer(self.checked(request)), is_new=True)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a customer; contacts of launched campaigns keep what they were launched with."""
        customer = self.get_object()
        return self.shown(customers.change_customer(customer, self.checked(request, customer)))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Remove a customer that no campaign has as a contact."""
        customers.delete_customer(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


class CustomerListSerializer(StrictModelSerializer[CustomerList]):
    columns = serializers.ListField(child=serializers.CharField(), read_only=True)
    customers_total = serializers.IntegerField(read_only=True, default=0)

    class Meta:
        model = CustomerList
        fields = ["id", "name", "columns", "customers_total", "created_at"]
        read_only_fields = ["id", "created_at"]


class UploadSerializer(StrictInput):
    file = serializers.FileField(help_text="CSV with a header row", allow_empty_file=True)
    mapping = MappingField(required=False)
    default_region = serializers.RegexField(r"^[A-Za-z]{2}$", required=False, help_text="Two letters; default: VN")


# A subquery, so that only the lists of the page are counted: a list may hold a million.
ENTRIES = Subquery(
    ListEntry.objects.filter(list=OuterRef("pk")).order_by().values("list").annotate(total=Count("pk")).values("total"),
    output_field=IntegerField(),
)


class CustomerListView(ReadOnlyView):
    """Lists of customers, filled by imports."""

    queryset = CustomerList.objects.annotate(customers_total=Coalesce(ENTRIES, 0)).order_by("-id")
    serializer_class = CustomerListSerializer

    def create(self, request: Request) -> Response:
        """Add an empty list."""
        return self.shown(customers.create_list(self.checked(request)["name"]), is_new=True)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Rename a list."""
        customer_list = self.get_object()
        values = self.checked(request, customer_list)
        if "name" in values:
            customers.rename_list(customer_list, values["name"])
        return self.shown(customer_list)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Remove a list that no campaign names; its customers stay."""
        customers.delete_list(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=UploadSerializer, responses={202: ImportSerializer})
    @action(detail=True, methods=["post"], parser_classes=[BoundedMultiPartParser], serializer_class=UploadSerializer)
    def imports(self, request: Request, pk: str) -> Response:
        """Upload a CSV file into a list. The answer is the import, which runs in the background."""
        customer_list = self.get_object()
        values = self.checked(request)
        upload = values["file"]
        job = create_import(
            list_id=customer_list.pk,
            file=upload,
            file_name=upload.name,
            user=token_of(request).user,
            now=timezone.now(),
            mapping=values.get("mapping"),
            default_region=values.get("default_region"),
        )
        enqueue_on_commit(run_import, job_id=job.pk)
        return Response(ImportSerializer(job).data, status=status.HTTP_202_ACCEPTED)
