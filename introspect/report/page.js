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

  // Transcripts -----------------------------------------------------------------------------------------------------
  const { fields, trials: rows, prompts } = island("data-transcripts");
  const at = Object.fromEntries(fields.map((field, index) => [field, index]));
  const trials = rows.map((row) => Object.fromEntries(fields.map((field) => [field, row[at[field]]])));
  const placeOf = new Map(trials.map((trial, index) => [trial.key, index]));
  const replyText = (trial) => trial.reply.map((piece) => (typeof piece === "string" ? piece : piece[0])).join("");
  const haystacks = [];

  function haystack(index) {
    haystacks[index] ??= `${replyText(trials[index])}\n${trials[index].concept ?? ""}`.toLowerCase();
    return haystacks[index];
  }

  const said = (value) => (value === null ? "not graded" : value === true ? "yes" : value === false ? "no" : String(value));
  const facets = {
    arm: (trial) => trial.arm,
    concept: (trial) => trial.concept ?? "none",
    layer: (trial) => (trial.layer === null ? "none" : String(trial.layer)),
    strength: (trial) => (trial.strength === null ? "none" : String(trial.strength)),
    noticed: (trial) => said(trial.noticed),
    named: (trial) => said(trial.named),
  };

  function verdictTags(trial) {
    if (trial.noticed === null) return [make("span", "tag doubt", "not graded")];
    const words = { yes: "reports noticing", no: "reports nothing", unreadable: "unreadable" };
    const noticed = make("span", `tag ${{ yes: "yes", unreadable: "doubt" }[trial.noticed] ?? ""}`, words[trial.noticed] ?? trial.noticed);
    const tags = [noticed];
    if (trial.named) tags.push(make("span", "tag yes", "names the concept"));
    else if (trial.named_text) tags.push(make("span", "tag", "names something else"));
    if (trial.success) tags.push(make("span", "tag yes", "success"));
    if (trial.coherent === false) tags.push(make("span", "tag doubt", "incoherent"));
    if (trial.refuses) tags.push(make("span", "tag", "denies inner states"));
    return tags;
  }

  function whereText(trial) {
    const cell = trial.layer === null ? "" : `layer ${trial.layer}, strength ${trial.strength}, `;
    return `${cell}wording ${trial.wording}, sample ${trial.sample}`;
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

  function gradeLine(trial) {
    if (trial.noticed === null) return "This trial has not been graded.";
    const order = { noticed_first: ", noticing before naming", named_first: ", naming before noticing" };
    const coherent = trial.coherent ? "coherent" : `incoherent${trial.because ? ` (${trial.because})` : ""}`;
    const named = trial.named_text ? `named: ${trial.named_text}` : "named nothing";
    return `Noticed: ${trial.noticed} · ${named}${order[trial.order] ?? ""} · names the concept: ${said(trial.named)} · ${coherent} · success: ${said(trial.success)}`;
  }

  function body(trial) {
    const link = make("a", "", `#trial-${trial.key}`);
    link.href = `#trial-${trial.key}`;
    const injected = trial.reply_injected ? "Reply (the vector was added while it was generated)" : "Reply";
    return make("div", "body",
      make("p", "", gradeLine(trial)),
      make("p", trial.audit_fits ? "audit" : "audit misfit", `Audit: ${trial.audit}`),
      make("h4", "", "Prompt"), promptNode(trial),
      make("h4", "", injected), replyNode(trial),
      make("p", "audit", "Permanent link: ", link));
  }

  function card(trial, open) {
    const concept = trial.concept === null ? "no injection" : trial.concept;
    const arm = make("span", `arm arm-${trial.arm} what`, trial.arm === "random" ? `random, matched to ${concept}` : concept);
    const preview = make("span", "preview", replyText(trial).slice(0, 220));
    const details = make("details", "trial",
      make("summary", "", arm, make("span", "where", whereText(trial)), ...verdictTags(trial), preview));
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
      const values = [...new Set(trials.map(facets[select.dataset.field]))];
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
    const chosen = selects.filter((select) => select.value).map((select) => [facets[select.dataset.field], select.value]);
    matches = [];
    trials.forEach((trial, index) => {
      if (chosen.every(([facet, value]) => facet(trial) === value) && (!wanted || haystack(index).includes(wanted))) {
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
      holder.append(make("p", "partial", `There is no trial ${key} in this page.`));
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
