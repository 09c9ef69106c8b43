// The rows of a cadence: adding one more.
"use strict";

function growOnDemand(table) {
  const rows = table.querySelector("[data-growing-rows]");
  const add = table.querySelector("[data-growing-add]");
  add.hidden = false;
  add.addEventListener("click", () => {
    const all = rows.querySelectorAll("[data-growing-row]");
    if (all.length >= Number(table.dataset.rowsMax)) return;
    const row = all[all.length - 1].cloneNode(true);
    row.classList.remove("errors");
    row.querySelector(".rows__error")?.remove();
    for (const field of row.querySelectorAll("input, select")) {
      field.value = "";
      field.removeAttribute("aria-invalid");
    }
    rows.append(row);
    row.querySelector("select").focus();
  });
}

window.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("[data-growing]")) growOnDemand(table);
});
