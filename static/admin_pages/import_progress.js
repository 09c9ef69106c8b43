// Keeps an import's page current while it runs; loads the page once more when it is over, for the rejects.
"use strict";

const PERIOD_MS = 1000;

function show(panel, job) {
  const fields = { ...job, percent: `${Math.floor(job.progress * 100)} %`, state: job.state_label };
  panel.querySelector("[data-import-bar]").value = job.progress * 100;
  for (const element of panel.querySelectorAll("[data-import-field]")) {
    const value = fields[element.dataset.importField];
    element.textContent = typeof value === "number" ? value.toLocaleString() : value ?? "…";
  }
}

async function follow(panel) {
  try {
    const answer = await fetch(panel.dataset.import, { headers: { Accept: "application/json" } });
    if (answer.ok) {
      const job = await answer.json();
      show(panel, job);
      if (job.is_over) {
        window.location.reload();
        return;
      }
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // the network is away for a moment: ask again
  }
  window.setTimeout(follow, PERIOD_MS, panel);
}

for (const panel of document.querySelectorAll("[data-import]")) {
  if (panel.dataset.state === "queued" || panel.dataset.state === "running") follow(panel);
}
