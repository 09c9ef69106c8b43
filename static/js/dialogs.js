/* Buttons that ask before they act, and which of them make sense in the campaign's state. */
export function showPossibleActions(root = document) {
  const state = root.querySelector("[data-actions]");
  if (!state) return;
  const possible = new Set(state.dataset.actions.split(" "));
  for (const button of document.querySelectorAll("[data-action]")) {
    button.hidden = !possible.has(button.dataset.action);
  }
}

export function startDialogs() {
  showPossibleActions();
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens).showModal();
    if (event.target.closest("[data-closes]")) event.target.closest("dialog").close();
  });
  // A second click must not send a second request.
  document.addEventListener("submit", (event) => {
    for (const button of event.target.querySelectorAll("[type=submit]")) button.disabled = event.target.method === "post";
  });
  // The browser may bring the page back as it was left, with its buttons spent.
  addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("form[method=post] [type=submit]")) button.disabled = false;
  });
}
