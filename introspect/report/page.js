"use strict";
(() => {
  const PAGE = 50;
  const byId = (id) => document.getElementById(id);
  const island = (id) => JSON.parse(byId(id).textContent);

  /** Make an element that holds text or other nodes; data only ever becomes text nodes. */
  function make(tag, className, ...children) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  // Figures ---------------------------------------------------------------------------------------------------------
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function themed() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    return { "font.color": read("--fg"), "hoverlabel.bgcolor": read("--panel"), "hoverlabel.font.color": read("--fg") };
  }

  function drawFigures() {
    const drawings = island("data-figures");
    const plots = [...document.querySelectorAll(".plot")];
    const config = { displaylogo: false, responsive: true, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };
    for (const plot of plots) {
      const { data, layout } = drawings[plot.dataset.figure];
      Plotly.newPlot(plot, data, layout, config).then(() => Plotly.relayout(plot, themed()));
    }
    dark.addEventListener("change", () => plots.forEach((plot) => Plotly.relayout(plot, themed())));
  }

  if (!byId("data-transcripts")) {
    if (window.Plotly) drawFigures();
    return;
  }

  // Transcripts -----------------------------------------------------------------------------------------------------
  const { fields, trials: rows, prompts } = island("data-transcripts");
  const at = Object.fromEntries(fields.map((field, index) => [field, index]));
  const trials = rows.map((row) => Object.fromEntries(fields.map((field) => [field, row[at[field]]])));
  const placeOf = new Map(trials.map((trial, index) => [trial.key, index]));
  const replyText = (trial) => trial.reply.map((piece) => (typeof piece === "string" ? piece : piece[0])).join("");
  const answersText = (trial) => trial.answers.map(([label, text]) => `${label} ${text}`).join("\n");
  const haystacks = [];

  function haystack(index) {
    const trial = trials[index];
    haystacks[index] ??= [replyText(trial), answersText(trial), trial.concept ?? ""].join("\n").toLowerCase();
    return haystacks[index];
  }

  /** What a filter calls a trial's value of a field. */
  function facet(trial, field) {
    const value = trial[field];
    if (value === true) return "yes";
    if (value === false) return "no";
    return value === null ? "none" : String(value);
  }

  const percent = (share) => `${(100 * share).toFixed(1)} %`;

  function answerWords([label, text, share]) {
    return `${text ? `${label}: ${text}` : label} ${percent(share)}`;
  }

  function previewText(trial) {
    if (trial.finish !== "scored") return replyText(trial);
    const likeliest = trial.answers.find((answer) => answer[4]);
    return likeliest ? `Likeliest answer: ${answerWords(likeliest)}` : trial.reading;
  }

  function promptNode(trial) {
    const text = make("p", "text");
    for (const [piece, injected] of prompts[trial.prompt]) {
      text.append(injected ? make("span", "injected token", piece) : piece);
    }
    return text;
  }

  function replyNode(trial) {
    const holder = make("span", trial.reply_injected ? "injected" : "");
    for (const piece of trial.reply) {
      if (typeof piece === "string") {
        holder.append(piece);
      } else {
        const stretch = make("mark", piece[2], piece[0]);
        stretch.title = `rule: ${piece[1]}`;
        holder.append(stretch);
      }
    }
    if (trial.reply.length === 0) holder.append("(empty reply)");
    const text = make("p", "text", holder);
    if (trial.finish === "length") text.append(" […cut at the token limit]");
    return text;
  }

  function answersNode(trial) {
    const rows = trial.answers.map(([label, text, share, right, likeliest]) => {
      const bar = make("span", "bar");
      bar.style.width = `${(9 * share).toFixed(2)}rem`;
      const notes = [right ? "right" : "", likeliest ? "likeliest" : ""].filter(Boolean).join(", ");
      return make("tr", right ? "right" : "", make("td", "", label), make("td", "", text), make("td", "", bar, percent(share)), make("td", "", notes));
    });
    return make("table", "answers", make("tbody", "", ...rows));
  }

  /** What came of a trial: its reply, and what was read off the pass. */
  function resultNodes(trial) {
    const nodes = [];
    if (trial.finish !== "scored") {
      const injected = trial.reply_injected ? "Reply (the vector was added while it was generated)" : "Reply";
      nodes.push(make("h4", "", injected), replyNode(trial));
    }
    if (trial.answers.length) nodes.push(make("h4", "", "Answers on offer, shares of their common probability"), answersNode(trial));
    if (trial.reading) nodes.push(make("h4", "", "Read off the pass"), make("p", "", trial.reading));
    return nodes;
  }

  function body(trial) {
    const link = make("a", "", `#trial-${trial.key}`);
    link.href = `#trial-${trial.key}`;
    return make("div", "body",
      trial.grade ? make("p", "", trial.grade) : null,
      ...trial.audits.map((audit) => make("p", trial.audit_fits ? "audit" : "audit misfit", `Audit: ${audit}`)),
      make("h4", "", "Prompt"), promptNode(trial),
      ...resultNodes(trial),
      make("p", "audit", "Permanent link: ", link));
  }

  function card(trial, open) {
    const arm = make("span", `arm arm-${trial.arm} what`, trial.what);
    const tags = trial.tags.map(([text, kind]) => make("span", `tag ${kind}`, text));
    const preview = make("span", "preview", previewText(trial).slice(0, 220));
    const details = make("details", "trial",
      make("summary", "", arm, make("span", "where", trial.where), ...tags, preview));
    const fill = () => { if (details.open && !details.querySelector(".body")) details.append(body(trial)); };
    details.addEventListener("toggle", fill);
    details.open = open;
    fill();
    return details;
  }

  const form = byId("filters");
  const search = byId("filter-text");
  const selects = [...form.querySelectorAll("select")];
  const list = byId("trials");
  const more = byId("more");
  let matches = [];
  let shown = 0;

  function fillSelects() {
    for (const select of selects) {
      const values = [...new Set(trials.map((trial) => facet(trial, select.dataset.field)))];
      values.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      for (const value of values) {
        const option = make("option", "", value);
        option.value = value;
        select.append(option);
      }
    }
  }

  function report() {
    const of = matches.length === trials.length ? "" : ` of ${trials.length.toLocaleString("en")}`;
    const first = shown < matches.length ? `, the first ${shown.toLocaleString("en")} listed` : "";
    byId("count").textContent = `${matches.length.toLocaleString("en")}${of} trials match${first}.`;
    more.hidden = shown >= matches.length;
  }

  function extend() {
    const next = matches.slice(shown, shown + PAGE);
    const cards = next.map((index) => card(trials[index], false));
    list.append(...cards);
    shown += next.length;
    report();
    return cards[0];
  }

  function apply() {
    const wanted = search.value.trim().toLowerCase();
    const chosen = selects.filter((select) => select.value).map((select) => [select.dataset.field, select.value]);
    matches = [];
    trials.forEach((trial, index) => {
      if (chosen.every(([field, value]) => facet(trial, field) === value) && (!wanted || haystack(index).includes(wanted))) {
        matches.push(index);
      }
    });
    list.replaceChildren();
    shown = 0;
    extend();
  }

  function follow() {
    const holder = byId("pinned");
    const key = location.hash.startsWith("#trial-") ? location.hash.slice(7) : null;
    holder.replaceChildren();
    if (key === null) return;
    const index = placeOf.get(key);
    const close = make("button", "", "Close");
    close.type = "button";
    close.addEventListener("click", () => { location.hash = "#transcripts"; });
    holder.append(make("h3", "", "Linked trial", close));
    if (index === undefined) {
      holder.append(make("p", "partial", `Trial ${key} is not listed in this page.`));
    } else {
      const linked = card(trials[index], true);
      linked.id = `trial-${key}`;
      holder.append(linked);
      linked.querySelector("summary").focus({ preventScroll: true });
    }
    holder.scrollIntoView();
  }

  let waiting = 0;
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(apply, 120); });
  selects.forEach((select) => select.addEventListener("change", apply));
  form.addEventListener("submit", (event) => { event.preventDefault(); apply(); });
  form.addEventListener("reset", () => setTimeout(apply, 0));
  more.addEventListener("click", () => extend()?.querySelector("summary").focus());
  window.addEventListener("hashchange", follow);

  fillSelects();
  apply();
  if (typeof Plotly !== "undefined") drawFigures();
  follow();
})();
