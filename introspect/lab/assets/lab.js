/* The live pane in its page: requests go to the server that the page came from, with its token. */
(() => {
  const token = new URLSearchParams(location.search).get("token") ?? "";

  /** The sentence of an answer that is no success. */
  const refusal = async (response) => {
    const text = await response.text();
    try { return JSON.parse(text).error ?? text; } catch { return text; }
  };

  const post = async (path, content, signal) => {
    const headers = { "Content-Type": "application/json", "X-Introspect-Token": token };
    const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(content), signal });
    if (!response.ok) throw new Error(await refusal(response));
    return response;
  };

  const streamed = (path) => async (question, take, signal) => {
    const response = await post(path, question, signal);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) take(JSON.parse(part.replace(/^data: /, "")));
    }
  };

  const wire = {
    open: streamed("open"),
    ask: streamed("ask"),
    save: async (question) => (await post("save", question)).json(),
  };
  const opened = (room) => {
    document.title = `introspect lab: ${room.title}`;
    page.byId("title").textContent = `Ask ${room.title}, with a vector and without`;
    document.body.dataset.ready = room.subject;
  };
  page.pane(document, JSON.parse(page.byId("data-subjects").textContent), wire, opened);
})();
