/* The live pane: a question goes out, two replies come in token by token, and a trial is saved. */
(() => {
  const { byId, make } = page;
  const token = new URLSearchParams(location.search).get("token") ?? "";
  const questions = JSON.parse(byId("data-questions").textContent);
  const sides = ["with", "without"];
  const holders = {};
  let asking = null;
  let answered = null;

  const say = (sentence, failed = false) => {
    const status = byId("status");
    status.textContent = sentence;
    status.classList.toggle("failed", failed);
  };

  const post = (path, content, signal) => fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Introspect-Token": token },
    body: JSON.stringify(content),
    signal,
  });

  /** The sentence of an answer that is no success. */
  const refusal = async (response) => {
    const text = await response.text();
    try { return JSON.parse(text).error ?? text; } catch { return text; }
  };

  function showWording() {
    const chosen = questions[byId("ask-wording").value];
    const box = byId("ask-question");
    const own = chosen === undefined;
    if (box.readOnly || !own) box.value = own ? "" : chosen.text;
    box.readOnly = !own;
    box.required = own;
    byId("ask-question-label").textContent = own ? "Your question" : "What this wording asks";
  }

  function asked() {
    const value = (name) => byId(`ask-${name}`).value;
    const chosen = questions[value("wording")];
    return {
      concept: value("concept"),
      layer: Number(value("layer")),
      strength: Number(value("strength")),
      where: value("where"),
      sample: Number(value("sample")),
      ...(chosen ? { wording: chosen.wording, task: chosen.task } : { question: value("question") }),
    };
  }

  function busy(now) {
    byId("go").disabled = now;
    byId("stop").disabled = !now;
    byId("save").disabled = now || answered === null;
    for (const side of sides) byId(`reply-${side}`).setAttribute("aria-busy", String(now));
  }

  function clear(question) {
    answered = null;
    for (const side of sides) byId(`audit-${side}`).replaceChildren();
    byId("prompt").replaceChildren();
    byId("first").replaceChildren();
    byId("projection").replaceChildren();
    byId("with-heading").textContent = `With ${question.concept}, layer ${question.layer}, strength ${question.strength}`;
    for (const side of sides) {
      const added = side === "with" && (question.where === "both" || question.where === "generated");
      holders[side] = make("span", added ? "injected" : "");
      byId(`reply-${side}`).replaceChildren(holders[side]);
    }
  }

  const table = (rows) => make("div", "scroll", make("table", "",
    make("caption", "", "The first token of the reply"),
    make("thead", "", make("tr", "", ...["", "with", "without"].map((name) => make("th", "", name)))),
    make("tbody", "", ...rows.map(([name, ...values]) => {
      const head = make("th", "", name);
      head.scope = "row";
      return make("tr", "", head, ...values.map((value) => make("td", "number", value)));
    }))));

  function finished(event) {
    holders[event.side].textContent = event.reply || "(empty reply)";
    if (event.finish === "length") byId(`reply-${event.side}`).append(" […cut at the token limit]");
    byId(`audit-${event.side}`).replaceChildren(...event.audits.map((line) => make("p", "audit", line)));
  }

  function take(event) {
    if (event.error) throw new Error(event.error);
    if (event.waiting) say("Another question has the model; this one waits.");
    else if (event.prompt) byId("prompt").replaceChildren(page.promptNode(event.prompt));
    else if (event.text !== undefined) { say("The subject replies…"); holders[event.side].append(event.text); }
    else if (event.reply !== undefined) finished(event);
    else if (event.key) { answered = event.key; say("Both replies are there; reading…"); }
    else if (event.first) byId("first").replaceChildren(table(event.first));
    else if (event.projection) byId("projection").replaceChildren(...page.projection(event.projection));
  }

  async function listen(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) take(JSON.parse(part.replace(/^data: /, "")));
    }
  }

  async function ask() {
    const question = asked();
    asking = new AbortController();
    clear(question);
    busy(true);
    say("The question is sent…");
    try {
      const response = await post("ask", question, asking.signal);
      if (!response.ok) throw new Error(await refusal(response));
      await listen(response);
      say(answered === null ? "The reply ended early; ask again." : "Done. Save this trial to keep it.", answered === null);
    } catch (error) {
      if (error.name === "AbortError") say("Stopped.");
      else say(error.message || String(error), true);
    }
    asking = null;
    busy(false);
  }

  async function save() {
    byId("save").disabled = true;
    try {
      const response = await post("save", { key: answered });
      if (!response.ok) throw new Error(await refusal(response));
      const done = await response.json();
      say(`Saved: ${done.folder} holds ${done.saved} trials. Next: ${done.next}`);
    } catch (error) {
      say(error.message || String(error), true);
      byId("save").disabled = false;
    }
  }

  byId("ask").addEventListener("submit", (event) => { event.preventDefault(); if (asking === null) ask(); });
  byId("stop").addEventListener("click", () => asking?.abort());
  byId("save").addEventListener("click", save);
  byId("ask-wording").addEventListener("change", showWording);
  showWording();
  document.body.dataset.ready = "";
})();
