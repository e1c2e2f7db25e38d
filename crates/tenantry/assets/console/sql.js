// The editor: names of tables and columns at hand, Ctrl+Enter to run, a way to stop a question that takes long.
"use strict";
(() => {
  const form = document.getElementById("question");
  const text = document.getElementById("q");
  const list = document.getElementById("names");
  const cancel = document.getElementById("cancel");
  let catalog = null;
  let offered = [];
  let chosen = -1;

  const load = async () => {
    if (catalog) return;
    catalog = { schema: "", tables: [] };
    const answer = await fetch(form.dataset.names);
    if (answer.ok) catalog = await answer.json();
  };
  const KEYWORDS = ["select", "from", "where", "group by", "order by", "limit", "join", "left join", "count(*)", "distinct", "having", "with", "date_trunc('day', ", "interval", "is null", "is not null", "case when", "filter (where "];

  // The word before the cursor, with what stands before its dot.
  const word = () => {
    const before = text.value.slice(0, text.selectionStart);
    const found = /([A-Za-z_][\w]*\.)?([A-Za-z_]\w*)$/.exec(before) || /([A-Za-z_]\w*\.)()$/.exec(before);
    return found ? { owner: (found[1] || "").slice(0, -1), part: found[2] || "" } : null;
  };
  const offers = ({ owner, part }) => {
    const begins = (name) => name.toLowerCase().startsWith(part.toLowerCase()) && name !== part;
    const named = catalog.tables.filter((table) => new RegExp(`\\b${table.name}\\b`, "i").test(text.value));
    if (owner && owner === catalog.schema) return catalog.tables.filter((table) => begins(table.name)).map((table) => [table.name, table.about]);
    if (owner) {
      const alias = new RegExp(`\\b(\\w+)\\s+(?:as\\s+)?${owner}\\b`, "i").exec(text.value);
      const table = catalog.tables.find((one) => one.name === owner || (alias && one.name === alias[1]));
      return (table ? table.columns : named.flatMap((one) => one.columns)).filter(([name]) => begins(name));
    }
    if (!part) return [];
    const columns = named.flatMap((table) => table.columns).filter(([name]) => begins(name));
    const tables = catalog.tables.filter((table) => begins(table.name)).map((table) => [`${catalog.schema}.${table.name}`, table.about]);
    const words = KEYWORDS.filter(begins).map((name) => [name, ""]);
    const seen = new Set();
    return [...columns, ...tables, ...words].filter(([name]) => !seen.has(name) && seen.add(name));
  };
  const hide = () => {
    list.hidden = true;
    chosen = -1;
    text.setAttribute("aria-expanded", "false");
    text.removeAttribute("aria-activedescendant");
  };
  const show = () => {
    const now = word();
    offered = now && catalog ? offers(now).slice(0, 12) : [];
    if (!offered.length) { hide(); return; }
    list.replaceChildren(...offered.map(([name, about], at) => {
      const item = document.createElement("li");
      item.id = `name-${at}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      const meaning = document.createElement("span");
      meaning.textContent = about;
      item.append(name, meaning);
      item.addEventListener("mousedown", (event) => { event.preventDefault(); take(at); });
      return item;
    }));
    list.hidden = false;
    chosen = -1;
    text.setAttribute("aria-expanded", "true");
  };
  const mark = (at) => {
    chosen = (at + offered.length) % offered.length;
    [...list.children].forEach((item, position) => item.setAttribute("aria-selected", String(position === chosen)));
    list.children[chosen].scrollIntoView({ block: "nearest" });
    text.setAttribute("aria-activedescendant", `name-${chosen}`);
  };
  const take = (at) => {
    const now = word();
    if (!now) return;
    const from = text.selectionStart - now.part.length;
    text.setRangeText(offered[at][0], from, text.selectionStart, "end");
    hide();
    text.focus();
  };

  // The form is answered by a page; asked for by a script, it can be given up.
  let under = null;
  const run = async () => {
    under = new AbortController();
    cancel.hidden = false;
    form.setAttribute("aria-busy", "true");
    const to = `${form.getAttribute("action")}?${new URLSearchParams(new FormData(form))}`;
    try {
      const answer = await fetch(to, { signal: under.signal });
      const page = await answer.text();
      history.pushState(null, "", to);
      const fresh = new DOMParser().parseFromString(page, "text/html").getElementById("content");
      const old = document.getElementById("content");
      // Everything behind the editor is the answer.
      while (form.nextElementSibling) form.nextElementSibling.remove();
      [...fresh.children].slice([...fresh.children].findIndex((one) => one.id === "question") + 1).forEach((one) => {
        if (one.tagName !== "SCRIPT") old.append(document.importNode(one, true));
      });
      dispatchEvent(new Event("resize"));
    } catch (failure) {
      if (failure.name !== "AbortError") location.assign(to);
    } finally {
      under = null;
      cancel.hidden = true;
      form.removeAttribute("aria-busy");
    }
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); if (!under) run(); });
  cancel.addEventListener("click", () => { if (under) under.abort(); });
  addEventListener("popstate", () => location.reload());
  text.addEventListener("focus", () => { load().catch(() => {}); });
  text.addEventListener("input", () => load().then(show, hide));
  text.addEventListener("blur", hide);
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); hide(); form.requestSubmit(); return; }
    if (list.hidden) return;
    if (event.key === "ArrowDown") { event.preventDefault(); mark(chosen + 1); }
    else if (event.key === "ArrowUp") { event.preventDefault(); mark(chosen - 1); }
    else if (event.key === "Escape") { event.preventDefault(); hide(); }
    else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) { event.preventDefault(); take(chosen); }
    else if (event.key === "Tab") { event.preventDefault(); take(0); }
  });
})();
