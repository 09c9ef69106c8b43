"""Customers and the lists that hold them: the writes people and programs ask for one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from campaigns.errors import RecordInUse
from campaigns.models import Campaign, Contact, Customer, CustomerList


def create_customer(values: Mapping[str, Any]) -> Customer:
    """A new customer. `values` are checked fields, `phone_number` in E.164 among them.

    Raises:
        IntegrityError: the number belongs to another customer.
    """
    with transaction.atomic():
        return Customer.objects.create(**values)


def change_customer(customer: Customer, values: Mapping[str, Any]) -> Customer:
    """The customer with the given fields changed. Contacts of launched campaigns keep what they were launched with."""
    for name, value in values.items():
        setattr(customer, name, value)
    with transaction.atomic():
        customer.save(update_fields=[*values, "updated_at"])
    return customer


def delete_customer(customer: Customer) -> None:
    """Remove a customer from every list.

    Raises:
        RecordInUse: a campaign has the customer as a contact; its record of calls must stay.
    """
    with transaction.atomic():
        if Contact.objects.filter(customer=customer).exists():
            raise RecordInUse("The customer is a contact of a campaign. Suppress the number instead of deleting it.")
        customer.delete()


def create_list(name: str) -> CustomerList:
    """A new, empty list.

    Raises:
        IntegrityError: there is a list of that name.
    """
    with transaction.atomic():
        return CustomerList.objects.create(name=name)


def rename_list(customer_list: CustomerList, name: str) -> CustomerList:
    """The list under its new name.

    Raises:
        IntegrityError: there is a list of that name.
    """
    customer_list.name = name
    with transaction.atomic():
        customer_list.save(update_fields=["name"])
    return customer_list


def delete_list(customer_list: CustomerList) -> None:
    """Remove a list; its customers stay.

    Raises:
        RecordInUse: a campaign names it.
    """
    with transaction.atomic():
        names = list(Campaign.objects.filter(customer_lists=customer_list).values_list("name", flat=True)[:3])
        if names:
            raise RecordInUse(f"The list belongs to a campaign ({', '.join(names)}).")
        customer_list.delete()
