/* The live pane: a subject is chosen, a question goes out, two replies come in token by token, a trial is saved.
   It stands in a page of its own or in a notebook; whatever holds it gives the wire by which it asks. */
(() => {
  const { make } = page;
  const sides = ["with", "without"];
  const PATIENCE = 400;

  const option = (text, value) => Object.assign(make("option", "", text), { value });

  const table = (rows) => make("div", "scroll", make("table", "",
    make("caption", "", "The first token of the reply"),
    make("thead", "", make("tr", "", ...["", "with", "without"].map((name) => make("th", "", name)))),
    make("tbody", "", ...rows.map(([name, ...values]) => {
      const head = make("th", "", name);
      head.scope = "row";
      return make("tr", "", head, ...values.map((value) => make("td", "number", value)));
    }))));

  /** How far something long has got, and what is left of it once that can be told. */
  const progress = ({ loading, done, total }, begun) => {
    if (!total) return `${loading}…`;
    const passed = (performance.now() - begun) / 1000;
    const left = passed > 2 && done ? `, about ${Math.ceil((passed * (total - done)) / done)} s left` : "";
    return `${loading}: ${done} of ${total}${left}`;
  };

  /**
   * Bring a pane to life.
   *
   * root: the document or shadow tree that holds its markup; subjects: the names on offer, the first one opened first;
   * wire: open(question, take, signal) and ask(question, take, signal) give every event to take and are done at the
   * end, save(question) returns what was saved; opened(room) is called when a subject has been opened.
   */
  page.pane = (root, subjects, wire, opened) => {
    const byId = (id) => root.getElementById(id);
    const field = (name) => byId(`ask-${name}`);
    const holders = {};
    const touched = new Set();
    let room = null;
    let underWay = null;
    let answered = null;
    let patience = 0;

    const say = (sentence, failed = false) => {
      const status = byId("status");
      status.textContent = sentence;
      status.classList.toggle("failed", failed);
    };

    function busy(now) {
      byId("go").disabled = now;
      byId("stop").disabled = !now;
      byId("save").disabled = now || answered === null;
      for (const side of sides) byId(`reply-${side}`).setAttribute("aria-busy", String(now));
    }

    /** Do one thing at a time; it says how it ended, and a new one ends the one before. */
    async function doing(work) {
      underWay?.abort();
      const own = new AbortController();
      underWay = own;
      busy(true);
      try {
        await work(own.signal);
      } catch (error) {
        if (underWay !== own) return;
        const again = room === null ? " Ask opens the subject again." : "";
        if (own.signal.aborted) say(`Stopped.${again}`);
        else say(`${error.message || error}${again}`, true);
      }
      if (underWay !== own) return;
      underWay = null;
      busy(false);
    }

    const heard = (take) => (event) => {
      if (event.error) throw new Error(event.error);
      if (event.waiting) say("Another question has the model; this one waits.");
      else take(event);
    };

    const chosen = () => room?.questions[field("wording").value];

    function showWording() {
      const wording = chosen();
      const box = field("question");
      const own = wording === undefined;
      if (box.readOnly || !own) box.value = own ? "" : wording.text;
      box.readOnly = !own;
      box.required = own;
      byId("ask-question-label").textContent = own ? "Your question" : "What this wording asks";
    }

    /** Offer what the room has; what was chosen before stays chosen where the room has it, too. */
    function furnish(found) {
      const before = { concept: field("concept").value, wording: chosen(), own: room !== null && chosen() === undefined };
      room = found;
      field("subject").value = room.subject;
      field("concept").replaceChildren(...room.concepts.map((name) => option(name, name)));
      if (room.concepts.includes(before.concept)) field("concept").value = before.concept;
      field("layer").max = room.last_layer;
      byId("ask-layer-label").textContent = `Layer, 0 to ${room.last_layer}`;
      if (!touched.has("layer") || Number(field("layer").value) > room.last_layer) field("layer").value = room.layer;
      if (!touched.has("strength")) field("strength").value = room.strength;
      const questions = room.questions.map(({ wording, task }, place) => option(`${wording} · ${task}`, String(place)));
      field("wording").replaceChildren(...questions, option("a question of your own", ""));
      const same = room.questions.findIndex(({ wording, task }) => wording === before.wording?.wording && task === before.wording?.task);
      field("wording").value = before.own ? "" : String(Math.max(same, 0));
      showWording();
    }

    /** Have a subject in memory, which takes no time where it is there; return what can be asked of it. */
    async function present(name, signal) {
      const begun = performance.now();
      let found = null;
      await wire.open({ subject: name }, heard((event) => {
        if (event.loading) say(`${name}: ${progress(event, begun)}`);
        else if (event.room) found = event.room;
      }), signal);
      if (found === null) throw new Error(`${name} was not opened; choose it again.`);
      return found;
    }

    const enter = (name) => doing(async (signal) => {
      say(`${name} is opened…`);
      let found = null;
      try {
        found = await present(name, signal);
      } catch (error) {
        if (room !== null && underWay?.signal === signal) field("subject").value = room.subject;
        throw error;
      }
      if (signal.aborted) return;
      furnish(found);
      empty();
      say(`${room.sampling}. Trials are saved to ${room.folder}.`);
      opened?.(room);
    });

    function asked() {
      const value = (name) => field(name).value;
      const wording = chosen();
      return {
        subject: room.subject,
        concept: value("concept"),
        layer: Number(value("layer")),
        strength: Number(value("strength")),
        where: value("where"),
        sample: Number(value("sample")),
        ...(wording ? { wording: wording.wording, task: wording.task } : { question: value("question") }),
      };
    }

    function empty() {
      answered = null;
      for (const side of sides) for (const part of ["audit", "reply"]) byId(`${part}-${side}`).replaceChildren();
      for (const part of ["prompt", "projection"]) byId(part).replaceChildren();
      byId("first").replaceChildren(make("p", "soft", "They are read once both replies are there."));
      byId("with-heading").textContent = "With the vector";
    }

    function prepare(question) {
      empty();
      byId("with-heading").textContent = `With ${question.concept}, layer ${question.layer}, strength ${question.strength}`;
      for (const side of sides) {
        const added = side === "with" && (question.where === "both" || question.where === "generated");
        holders[side] = make("span", added ? "injected" : "");
        byId(`reply-${side}`).replaceChildren(holders[side]);
      }
    }

    function finished(event) {
      holders[event.side].textContent = event.reply || "(empty reply)";
      if (event.finish === "length") byId(`reply-${event.side}`).append(" […cut at the token limit]");
      byId(`audit-${event.side}`).replaceChildren(...event.audits.map((line) => make("p", "audit", line)));
    }

    function take(event) {
      if (event.prompt) byId("prompt").replaceChildren(page.promptNode(event.prompt));
      else if (event.text !== undefined) { say("The subject replies…"); holders[event.side].append(event.text); }
      else if (event.reply !== undefined) finished(event);
      else if (event.key) { answered = event.key; say("Both replies are there; reading…"); }
      else if (event.first) byId("first").replaceChildren(table(event.first));
      else if (event.projection) byId("projection").replaceChildren(...page.projection(event.projection));
    }

    const ask = () => doing(async (signal) => {
      const question = asked();
      prepare(question);
      await present(question.subject, signal);  // another page may have taken its place
      say("The question is sent…");
      await wire.ask(question, heard((event) => { if (!signal.aborted) take(event); }), signal);
      if (answered === null) throw new Error("The reply ended early; ask again.");
      say("Done. Save this trial to keep it.");
    });

    async function save() {
      byId("save").disabled = true;
      try {
        const done = await wire.save({ subject: room.subject, key: answered });
        say(`Saved: ${done.folder} holds ${done.saved} trials. Next: ${done.next}`);
      } catch (error) {
        say(error.message || String(error), true);
        byId("save").disabled = false;
      }
    }

    field("subject").replaceChildren(...subjects.map((name) => option(name, name)));
    field("subject").addEventListener("change", () => {
      clearTimeout(patience);  // whoever walks through the list by keyboard opens the last one alone
      patience = setTimeout(() => enter(field("subject").value), PATIENCE);
    });
    for (const name of ["layer", "strength"]) field(name).addEventListener("input", () => touched.add(name));
    field("wording").addEventListener("change", showWording);
    byId("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      if (underWay === null) (room === null ? enter(field("subject").value) : ask());
    });
    byId("stop").addEventListener("click", () => underWay?.abort());
    byId("save").addEventListener("click", save);
    return enter(subjects[0]);
  };
})();
