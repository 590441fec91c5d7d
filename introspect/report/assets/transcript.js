/* One trial in full: prompt, reply, what was read, who took what for evidence, what was really added. */
(() => {
  const { make } = page;
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  page.replyText = (trial) => trial.reply.map((piece) => (typeof piece === "string" ? piece : piece[0])).join("");
  page.answersText = (trial) => trial.answers.map(([label, text]) => `${label} ${text}`).join("\n");

  page.preview = (trial) => {
    if (trial.finish !== "scored") return page.replyText(trial) || "(empty reply)";
    const likeliest = trial.answers.find((answer) => answer[4]);
    if (!likeliest) return trial.reading;
    const [label, text, share] = likeliest;
    return `Likeliest answer: ${text ? `${label}: ${text}` : label} ${percent(share)}`;
  };

  /** The one word that says most: a doubt, else the last thing that was achieved, else what comes first. */
  page.tag = (trial) => {
    const said = trial.tags.find(([, kind]) => kind === "doubt") ?? trial.tags.findLast(([, kind]) => kind === "yes") ?? trial.tags[0];
    return said ? make("span", `tag ${said[1]}`, said[0]) : null;
  };
  page.tags = (trial) => trial.tags.map(([text, kind]) => make("span", `tag ${kind}`, text));

  page.promptNode = (pieces) => {
    const text = make("p", "text prompt");
    for (const [piece, injected] of pieces) text.append(injected ? make("span", "injected token", piece) : piece);
    return text;
  };

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
    const text = make("p", "text reply", holder);
    if (trial.finish === "length") text.append(" […cut at the token limit]");
    return text;
  }

  function evidenceNodes(trial) {
    const found = trial.reply.filter((piece) => typeof piece !== "string");
    if (!found.length) return [];
    const lines = found.map(([text, rules, kind]) =>
      make("li", "", make("mark", kind, text), ` ${kind === "named" ? "taken as the content" : "taken as evidence"} (rule: ${rules})`));
    return [make("h4", "", "What the grader rests on"), make("ul", "evidence-list", ...lines)];
  }

  function answersNode(trial) {
    const rows = trial.answers.map(([label, text, share, right, likeliest]) => {
      const bar = make("span", "share");
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
      const where = trial.reply_injected ? "Reply (the vector was added while it was generated)" : "Reply";
      nodes.push(make("h4", "", where), replyNode(trial));
    }
    if (trial.answers.length) nodes.push(make("h4", "", "Answers on offer, shares of their common probability"), answersNode(trial));
    if (trial.reading) nodes.push(make("h4", "", "Read off the pass"), make("p", "", trial.reading));
    return nodes;
  }

  const short = (value) => {
    const size = Math.abs(value);
    const written = size >= 100 ? value.toFixed(0) : size >= 1 ? value.toFixed(1) : value.toFixed(2);
    return written.replace("-", "−");
  };

  /** The tokens with the projection at one layer under each. */
  function fillTokens(holder, read, place) {
    const line = read.values[place];
    const widest = Math.max(...line.map(Math.abs)) || 1;
    const nodes = [];
    read.tokens.forEach(([text, injected], index) => {
      const value = line[index];
      const number = make("small", "", short(value));
      const strength = Math.round((42 * Math.abs(value)) / widest);
      number.style.backgroundColor = `rgb(var(${value < 0 ? "--away" : "--toward"}) / ${strength}%)`;
      const shown = text.replace(/\n/g, "⏎") || "∅";
      const kind = `read${injected ? " injected-here" : ""}${index >= read.n_prompt ? " of-reply" : ""}`;
      nodes.push(make("span", kind, make("span", "", shown), number));
      if (text.endsWith("\n")) nodes.push(make("span", "row-break"));
    });
    holder.replaceChildren(...nodes);
  }

  /** The projection under every token, with a choice of the layer. */
  page.projection = (read) => {
    const holder = make("div", "tokens");
    const choice = make("input", "");
    Object.assign(choice, { type: "range", min: 0, max: read.layers.length - 1, step: 1, id: "layer-choice" });
    choice.value = String(read.shown);
    const label = make("label", "", "Layer");
    label.htmlFor = choice.id;
    const output = make("output", "");
    const show = () => {
      const layer = read.layers[Number(choice.value)];
      output.textContent = `${layer}${layer === read.injected_at ? " (injected)" : ""}`;
      choice.setAttribute("aria-valuetext", `layer ${output.textContent}`);
      fillTokens(holder, read, Number(choice.value));
    };
    choice.addEventListener("input", show);
    show();
    return [
      make("h4", "", `Projection on the ${read.direction}, under every token`),
      make("div", "layer-choice", label, choice, output),
      holder,
      make("p", "audit", "Blue: along the direction; orange: against it; in units of the residual stream. A line above a token: something was added there. Bold: the reply."),
    ];
  };

  function copyButton(what, text) {
    const button = page.button(what, () => {
      navigator.clipboard?.writeText(text).then(() => { button.textContent = "Copied"; setTimeout(() => { button.textContent = what; }, 1500); }, () => {});
    });
    return button;
  }

  function toolsNode(trial, moves) {
    const link = make("a", "", "Permanent link");
    link.href = `#trial=${trial.key}`;
    const back = page.button("Back to the list", moves.back);
    back.className = "back";
    return make("div", "tools", back, page.button("Previous", moves.previous), page.button("Next", moves.next), link);
  }

  function againNodes(trial) {
    return [
      make("h4", "", "Run this trial again"),
      make("div", "again", make("code", "", trial.command), copyButton("Copy", trial.command)),
    ];
  }

  /** Everything about one trial, for the pane beside the list. */
  page.transcript = (trial, prompt, read, moves) => {
    const heading = make("h3", `arm arm-${trial.arm}`, trial.what);
    heading.tabIndex = -1;
    return [
      toolsNode(trial, moves),
      heading,
      make("p", "soft", [trial.subject, trial.experiment, trial.where].filter(Boolean).join(" · ")),
      make("div", "tags", ...page.tags(trial)),
      make("h4", "", "Prompt"), page.promptNode(prompt),
      ...resultNodes(trial),
      ...(trial.grade ? [make("h4", "", "What the grader read"), make("p", "", trial.grade)] : []),
      ...evidenceNodes(trial),
      ...(read ? page.projection(read) : []),
      make("h4", "", "Audit: what was really added"),
      ...trial.audits.map((audit) => make("p", trial.audit_fits ? "audit" : "audit misfit", audit)),
      ...againNodes(trial),
      make("p", "audit", `Key ${trial.key}`),
    ];
  };
})();
