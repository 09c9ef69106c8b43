// The rows of a parameter template: adding one, putting placeholders in, and asking which ones the chosen lists offer.
"use strict";

function addRow(rows, rowsMax) {
  const all = rows.querySelectorAll("[data-parameter-row]");
  if (all.length >= rowsMax) return;
  const row = all[all.length - 1].cloneNode(true);
  row.classList.remove("errors");
  row.querySelector(".rows__error")?.remove();
  for (const field of row.querySelectorAll("input, textarea")) {
    field.value = "";
    field.removeAttribute("aria-invalid");
  }
  rows.append(row);
  row.querySelector("input").focus();
}

function insert(field, text) {
  field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
  field.focus();
}

async function showPlaceholders(offer, lists) {
  const address = `${offer.dataset.placeholders}?${lists.map((id) => `lists=${encodeURIComponent(id)}`).join("&")}`;
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  if (answer.ok) offer.innerHTML = await answer.text();
}

function setUp(parameters) {
  const rows = parameters.querySelector("[data-parameter-rows]");
  const offer = parameters.querySelector("[data-placeholders]");
  const add = parameters.querySelector("[data-parameter-add]");
  let lastValue = null;

  add.hidden = false;
  add.addEventListener("click", () => addRow(rows, Number(parameters.dataset.rowsMax)));
  rows.addEventListener("focusin", (event) => {
    if (event.target.matches("textarea")) lastValue = event.target;
  });
  offer.addEventListener("click", (event) => {
    const chip = event.target.closest("[data-insert]");
    if (!chip) return;
    const values = rows.querySelectorAll("textarea");
    insert(lastValue?.isConnected ? lastValue : values[values.length - 1], chip.dataset.insert);
  });
  // The list chooser announces its changes through jQuery alone.
  const lists = document.getElementById("id_customer_lists");
  if (lists && offer.dataset.placeholders) {
    window.django.jQuery(lists).on("change", () => {
      showPlaceholders(offer, Array.from(lists.selectedOptions, (option) => option.value));
    });
  }
}

window.addEventListener("DOMContentLoaded", () => {
  for (const parameters of document.querySelectorAll("[data-parameters]")) setUp(parameters);
});
