// What all pages share. Everything works without it, by plain links and forms.

// A copy button: <copy-button for="id of the element with the text">.
customElements.define("copy-button", class extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", () => this.copy());
  }

  async copy() {
    const source = document.getElementById(this.getAttribute("for"));
    const said = this.querySelector("[role=status]");
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
    } catch {
      // No clipboard outside https and localhost: mark the text for Ctrl C instead.
      getSelection().selectAllChildren(source);
      said.textContent = "Selected. Press Ctrl C.";
      return;
    }
    this.dataset.done = "";
    said.textContent = "Copied";
    setTimeout(() => {
      delete this.dataset.done;
      said.textContent = "";
    }, 1600);
  }
});

// The dialog: whatever arrives in its body opens it; closing it empties it, so that a
// secret shown once is not still in the page afterwards.
const dialog = document.getElementById("dialog");
if (dialog) {
  const body = document.getElementById("dialog-body");
  new MutationObserver(() => {
    if (body.firstElementChild && !dialog.open) dialog.showModal();
  }).observe(body, { childList: true });
  dialog.addEventListener("close", () => {
    const changed = body.querySelector("[data-changed]");
    body.replaceChildren();
    if (changed) location.reload();
  });
  dialog.addEventListener("click", (event) => {
    if (!event.target.closest("[data-close]")) return;
    event.preventDefault();
    dialog.close();
  });
}

// Sent to the sign-in page, or failed: an answer that belongs nowhere on this one.
document.addEventListener("htmx:after:request", (event) => {
  const { response } = event.detail.ctx;
  if (!response?.raw.redirected) return;
  event.preventDefault();
  location.reload();
});
document.addEventListener("htmx:response:error", (event) => {
  if (event.detail.ctx.response.status >= 500) say("Something went wrong on our side.");
});
document.addEventListener("htmx:error", () => say("The server cannot be reached."));

function say(words) {
  const toast = document.getElementById("toast");
  toast.textContent = words;
  toast.hidden = false;
  setTimeout(() => { toast.hidden = true; }, 6000);
}

// A field that filters rows: <input data-filter="#keys tr">, shown only with scripts.
for (const field of document.querySelectorAll("[data-filter]")) {
  field.closest("[hidden]")?.removeAttribute("hidden");
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const row of document.querySelectorAll(field.dataset.filter)) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
    }
  });
}
