"""Customers, their lists, and the imports that fill them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from campaigns.enums import ImportState


class Customer(models.Model):
    """A person with a phone number; exists without a campaign."""

    phone_number = models.CharField(max_length=16, unique=True, help_text="E.164, for example +84912345678")
    name = models.CharField(max_length=200, blank=True)
    timezone = models.CharField("time zone", max_length=64, blank=True, help_text="IANA name; empty: from the number")
    attributes = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name or self.phone_number


class CustomerList(models.Model):
    """An uploaded list. `columns` are the attribute names its rows bring, in file order."""

    name = models.CharField(max_length=200, unique=True)
    columns = models.JSONField(default=list, blank=True)
    customers = models.ManyToManyField(Customer, through="ListEntry", related_name="lists")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name


class ListEntry(models.Model):
    """One customer on one list, with that list's attributes (a JSON object of strings)."""

    # The unique constraint's index begins with the list; one of its own would only slow imports down.
    list = models.ForeignKey(CustomerList, on_delete=models.CASCADE, related_name="entries", db_index=False)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="entries")
    attributes = models.JSONField(default=dict, blank=True)
    import_job = models.ForeignKey(
        "ImportJob", null=True, on_delete=models.SET_NULL, related_name="entries", help_text="The import that added it"
    )
    last_import_id = models.BigIntegerField(
        null=True, help_text="The import that last wrote it: a number's second row in the same file changes nothing"
    )

    class Meta:
        verbose_name_plural = "list entries"
        constraints = [models.UniqueConstraint(fields=["list", "customer"], name="one_entry_per_list_and_customer")]

    def __str__(self) -> str:
        return f"{self.customer_id} on {self.list_id}"


class ImportJob(models.Model):
    """One uploaded file on its way into a list. `rows_done` is where a restarted import goes on."""

    list = models.ForeignKey(CustomerList, on_delete=models.CASCADE, related_name="imports")
    state = models.CharField(max_length=16, choices=ImportState, default=ImportState.QUEUED)
    file_name = models.CharField(max_length=200, help_text="As uploaded; never used as a path")
    path = models.CharField(max_length=200, help_text="Under DATA_DIR/uploads, named by us")
    size_bytes = models.BigIntegerField("size (bytes)", default=0)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    mapping = models.JSONField(default=dict, blank=True, help_text="Column name → field name, where given")
    default_region = models.CharField(max_length=2, default="VN")
    dialect = models.JSONField(default=dict, blank=True, help_text="Encoding, delimiter and columns as sniffed")
    bytes_done = models.BigIntegerField(default=0)
    rows_done = models.BigIntegerField(default=0)
    rows_total = models.BigIntegerField(null=True, help_text="Known when the file has been read to its end")
    rows_accepted = models.BigIntegerField(default=0)
    rows_rejected = models.BigIntegerField(default=0)
    rows_duplicate = models.BigIntegerField(default=0)
    rows_repaired = models.BigIntegerField(default=0)
    error_code = models.CharField(max_length=40, blank=True)
    error = models.TextField(blank=True)
    lease_until = models.DateTimeField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    undone_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "import"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.file_name} → {self.list_id} ({self.state})"


class ImportReject(models.Model):
    """A row that was not accepted. `row_number` counts lines of data from 1, the header being row 0."""

    job = models.ForeignKey(ImportJob, on_delete=models.CASCADE, related_name="rejects")
    row_number = models.BigIntegerField()
    column = models.CharField(max_length=200, blank=True)
    code = models.CharField(max_length=40)
    reason = models.CharField(max_length=300)
    raw = models.JSONField(default=list, help_text="The row's cells as read, cut at 4 KiB each")

    class Meta:
        ordering = ["row_number"]
        constraints = [models.UniqueConstraint(fields=["job", "row_number"], name="one_reject_per_row")]

    def __str__(self) -> str:
        return f"row {self.row_number}: {self.reason}"
