"""One contact with every attempt to reach it, and the customer lists."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from campaigns.queries.contacts import because, contact_detail, customer_lists
from campaigns.queries.why_not import why_not
from campaigns.states import FINAL_CONTACT_STATES
from campaigns.web.access import page, sees_numbers, signed_in
from campaigns.web.paging import one_page


@require_GET
@page
def show_contact(request: HttpRequest, contact_id: int) -> HttpResponse:
    """One contact: its state, why it is not dialed right now, its attempts with their logs."""
    now = timezone.now()
    detail = contact_detail(contact_id)
    if detail is None:
        raise Http404("There is no such contact.")
    gates = [] if detail.contact.state in FINAL_CONTACT_STATES else why_not(detail.contact, now)
    context = {
        "contact": detail.contact,
        "attempts": detail.attempts,
        "gates": gates,
        "closed": [gate for gate in gates if not gate.is_open],
        "open": [gate for gate in gates if gate.is_open],
        "because": because(detail.contact),
        "now": now,
        "shows_numbers": sees_numbers(signed_in(request.user)),
    }
    return render(request, "pages/contact.html", context)


@require_GET
@page
def list_customer_lists(request: HttpRequest) -> HttpResponse:
    """The customer lists, their size and their imports."""
    return render(request, "pages/customer_lists.html", one_page(request, customer_lists()))
