// What pages do beside being read: keys, live syncs, and tables that follow the figures. Everything works without it but later.
"use strict";
(() => {
  // Keys: `/` goes to the search, `g` and a letter to a section.
  let pending = false;
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      const field = document.querySelector("[data-focus='/']");
      if (field) { event.preventDefault(); field.focus(); }
      return;
    }
    if (pending) {
      pending = false;
      const to = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
      if (to) to.click();
      return;
    }
    if (event.key === "g") { pending = true; setTimeout(() => { pending = false; }, 1200); }
  });

  // A part of the page that shows figures is fetched again when there are new ones.
  const refresh = async () => {
    const parts = document.querySelectorAll("[data-live='reload']");
    if (!parts.length) return;
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelectorAll("[data-live='reload']");
    parts.forEach((part, at) => { if (fresh[at]) part.replaceWith(document.importNode(fresh[at], true)); });
    dispatchEvent(new Event("replaced"));
  };

  const live = document.getElementById("live");
  const wanted = live || document.querySelector("[data-live='reload']");
  if (!wanted) return;
  const state = live && live.querySelector(".live-state");
  const table = live && live.querySelector(".live-lines");
  const words = live ? JSON.parse(live.dataset.words) : {};
  const say = (what) => {
    if (!live) return;
    state.textContent = what ? `${live.dataset.running}: ${words[what] ?? what}` : live.dataset.idle;
    state.classList.toggle("is-running", Boolean(what));
  };
  const line = (told) => {
    if (!live) return;
    table.hidden = false;
    let row = table.querySelector(`tr[data-stream="${CSS.escape(told.stream)}"]`);
    if (!row) {
      row = document.createElement("tr");
      row.dataset.stream = told.stream;
      for (const number of [false, false, true, true]) {
        const cell = document.createElement("td");
        if (number) cell.className = "number";
        row.append(cell);
      }
      table.tBodies[0].append(row);
    }
    const texts = [told.stream, words[told.state] ?? told.state, told.records.toLocaleString("en"), told.requests.toLocaleString("en")];
    texts.forEach((text, at) => { row.cells[at].textContent = text; });
  };
  const watch = () => {
    const told = new EventSource("/syncs/events");
    told.addEventListener("now", (event) => {
      const now = JSON.parse(event.data);
      say(now.what);
      now.streams.forEach(line);
    });
    told.addEventListener("begun", (event) => {
      if (live) table.tBodies[0].replaceChildren();
      say(JSON.parse(event.data).what);
    });
    told.addEventListener("stream", (event) => line(JSON.parse(event.data)));
    told.addEventListener("ended", () => say(null));
    told.addEventListener("figures", () => { refresh().catch(() => {}); });
    addEventListener("pagehide", () => told.close());
  };
  // Once the page is there whole: a stream that never ends would keep it loading.
  addEventListener("load", () => setTimeout(watch, 20));
})();
