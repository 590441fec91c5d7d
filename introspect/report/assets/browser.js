/* The trial browser: filters, a list of which only the rows in view exist, and one trial in full beside it.

   The address says what is shown: #trial=KEY is one trial, #trials?arm=concept&layer=3 a filtered list. */
(() => {
  const { byId, make } = page;
  const browser = byId("browser");
  if (!browser) return;
  const ROW = Math.round(5.1 * parseFloat(getComputedStyle(document.documentElement).fontSize));
  const form = byId("filters");
  const search = byId("filter-text");
  const selects = [...form.querySelectorAll("select")];
  const list = byId("list");
  const rows = byId("rows");
  const detail = byId("detail");
  const say = (number) => number.toLocaleString("en");
  let trials = [];
  let data = null;
  let placeOf = new Map();
  let matches = [];
  let selected = -1;
  const haystacks = [];

  // What a trial is ------------------------------------------------------------------------------------------------
  function haystack(index) {
    const trial = trials[index];
    haystacks[index] ??= [page.replyText(trial), page.answersText(trial), trial.concept ?? "", trial.key].join("\n").toLowerCase();
    return haystacks[index];
  }

  /** The words a filter has for a trial; several where the field is its verdicts. */
  function facets(trial, field) {
    if (field === "verdict") return trial.tags.length ? trial.tags.map(([text]) => text) : ["none"];
    const value = trial[field];
    return [value === null || value === undefined ? "none" : String(value)];
  }

  function expand(row) {
    const trial = Object.fromEntries(data.fields.map((field, index) => [field, row[index]]));
    const { subject, experiment, folder } = data.runs[trial.run];
    const command = `introspect replay ${folder} ${trial.key}`;
    return { ...trial, subject, experiment, command };
  }

  // The list -------------------------------------------------------------------------------------------------------
  const virtual = new VirtualCore.Virtualizer({
    count: 0,
    getScrollElement: () => list,
    estimateSize: () => ROW,
    overscan: 6,
    observeElementRect: VirtualCore.observeElementRect,
    observeElementOffset: VirtualCore.observeElementOffset,
    scrollToFn: VirtualCore.elementScroll,
    onChange: () => draw(),
  });

  function rowNode(item) {
    const trial = trials[matches[item.index]];
    const row = make("div", "row",
      make("div", "", page.tag(trial), make("span", `arm arm-${trial.arm} what`, trial.what)),
      make("div", "cell", [trial.subject, trial.where].filter(Boolean).join(" · ")),
      make("div", "preview", page.preview(trial).slice(0, 160)));
    row.id = `row-${item.index}`;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", String(item.index === selected));
    row.setAttribute("aria-posinset", String(item.index + 1));
    row.setAttribute("aria-setsize", String(matches.length));
    row.style.transform = `translateY(${item.start}px)`;
    row.addEventListener("click", () => choose(item.index, { open: true }));
    return row;
  }

  function draw() {
    rows.style.height = `${virtual.getTotalSize()}px`;
    rows.replaceChildren(...virtual.getVirtualItems().map(rowNode));
    const active = byId(`row-${selected}`);
    if (active) list.setAttribute("aria-activedescendant", active.id);
    else list.removeAttribute("aria-activedescendant");
  }

  // One trial ------------------------------------------------------------------------------------------------------
  function show(trial) {
    const moves = {
      back: () => { browser.classList.remove("reading"); list.focus(); },
      previous: () => choose(selected - 1, { scroll: true }),
      next: () => choose(selected + 1, { scroll: true }),
    };
    detail.replaceChildren(...page.transcript(trial, data.prompts[trial.prompt], data.projections[trial.key], moves));
    detail.scrollTop = 0;
  }

  function choose(index, { open = false, scroll = false, address = true } = {}) {
    if (!matches.length) return;
    selected = Math.max(0, Math.min(index, matches.length - 1));
    const trial = trials[matches[selected]];
    show(trial);
    if (scroll) virtual.scrollToIndex(selected);
    if (open) browser.classList.add("reading");
    draw();
    if (address) history.replaceState(null, "", `#trial=${trial.key}`);
    if (open && getComputedStyle(list).display === "none") detail.querySelector("h3").focus();
  }

  list.addEventListener("keydown", (event) => {
    const screen = Math.max(1, Math.floor(list.clientHeight / ROW) - 1);
    const steps = { ArrowDown: selected + 1, ArrowUp: selected - 1, PageDown: selected + screen, PageUp: selected - screen, Home: 0, End: matches.length - 1 };
    if (event.key in steps) {
      event.preventDefault();
      choose(steps[event.key], { scroll: true });
    } else if (event.key === "Enter") {
      choose(selected, { open: true });
      detail.querySelector("h3")?.focus();
    }
  });
  detail.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    browser.classList.remove("reading");
    list.focus();
  });

  // Filters --------------------------------------------------------------------------------------------------------
  const wanted = () => Object.fromEntries(selects.filter((select) => select.value).map((select) => [select.dataset.field, select.value]));

  function fillSelects() {
    for (const select of selects) {
      const values = [...new Set(trials.flatMap((trial) => facets(trial, select.dataset.field)))];
      values.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      for (const value of values) {
        const option = make("option", "", select.dataset.field === "arm" ? (data.arms[value] ?? value) : value);
        option.value = value;
        select.append(option);
      }
    }
  }

  function report() {
    const of = matches.length === trials.length ? "" : ` of ${say(trials.length)}`;
    byId("count").textContent = matches.length ? `${say(matches.length)}${of} trials match.` : `None${of} trials match; clear a filter.`;
  }

  function apply({ address = true } = {}) {
    const text = search.value.trim().toLowerCase();
    const chosen = Object.entries(wanted());
    matches = [];
    for (let index = 0; index < trials.length; index += 1) {
      const trial = trials[index];
      if (chosen.every(([field, value]) => facets(trial, field).includes(value)) && (!text || haystack(index).includes(text))) matches.push(index);
    }
    for (const control of [search, ...selects]) control.classList.toggle("on", Boolean(control.value));
    virtual.setOptions({ ...virtual.options, count: matches.length });
    virtual.measure();
    virtual._willUpdate();
    list.scrollTop = 0;
    selected = -1;
    browser.classList.remove("reading");
    if (matches.length) choose(0, { address: false });
    else { detail.replaceChildren(make("p", "soft", "No trial matches.")); draw(); }
    report();
    if (address) history.replaceState(null, "", `#trials?${new URLSearchParams({ ...wanted(), ...(text ? { text } : {}) })}`);
  }

  function setFilters(values) {
    search.value = values.text ?? "";
    for (const select of selects) {
      const value = values[select.dataset.field] ?? "";
      select.value = [...select.options].some((option) => option.value === value) ? value : "";
    }
  }

  /** List the trials that have these values of their fields. */
  page.showTrials = (values) => {
    setFilters(values);
    apply();
    byId("trials").scrollIntoView();
    list.focus({ preventScroll: true });
  };

  // The address ----------------------------------------------------------------------------------------------------
  function lacking(key) {
    selected = -1;
    draw();
    browser.classList.add("reading");
    detail.replaceChildren(make("h3", "", "Not in this page"), make("p", "partial", `Trial ${key} is not among the ${say(trials.length)} trials of this page.`));
  }

  function follow() {
    const [place, query] = location.hash.split(/[?=](.*)/s);
    if (place === "#trials" && query) {
      setFilters(Object.fromEntries(new URLSearchParams(query)));
      apply({ address: false });
    } else if (place === "#trial" && query) {
      const index = placeOf.get(query);
      if (index === undefined) { lacking(query); byId("trials").scrollIntoView(); return; }
      if (!matches.includes(index)) { setFilters({}); apply({ address: false }); }
      choose(matches.indexOf(index), { open: true, scroll: true, address: false });
    } else {
      return;
    }
    byId("trials").scrollIntoView();
  }

  let waiting = 0;
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(apply, 120); });
  selects.forEach((select) => select.addEventListener("change", () => apply()));
  form.addEventListener("submit", (event) => { event.preventDefault(); apply(); });
  form.addEventListener("reset", () => setTimeout(apply, 0));
  addEventListener("hashchange", follow);

  page.unpack("data-transcripts").then((found) => {
    data = found;
    trials = data.trials.map(expand);
    placeOf = new Map(trials.map((trial, index) => [trial.key, index]));
    fillSelects();
    virtual._didMount();
    apply({ address: false });
    follow();
    browser.dataset.ready = "yes";
  });
})();
