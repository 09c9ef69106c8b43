/* Rows that the socket does not carry: read again from the page itself once the counts above them have changed. */
const WAIT_MS = 4000;

export function startRows() {
  const rows = document.querySelector("[data-rows]");
  const counts = document.querySelector("[data-region=campaign_progress]");
  if (!rows || !counts) return;
  let isWaiting = false;
  const refreshSoon = () => {
    if (isWaiting) return;
    isWaiting = true;
    setTimeout(() => {
      isWaiting = false;
      // Without a network: again later, or they would stay as they are.
      refresh(rows).catch(refreshSoon);
    }, WAIT_MS);
  };
  new MutationObserver(refreshSoon).observe(counts, { childList: true, subtree: true });
}

async function refresh(rows) {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("[data-rows]");
  if (fresh && fresh.innerHTML !== rows.innerHTML) rows.innerHTML = fresh.innerHTML;
}
