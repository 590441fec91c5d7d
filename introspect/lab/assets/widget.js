/* The live pane in a cell of a notebook: requests and events are messages between the view and the kernel. */

/** Every request has a name of its own, by which its events find back to it; several views may share one kernel. */
function wireOf(model) {
  const calls = new Map();
  const view = `${Date.now()}-${Math.random()}`;
  let n = 0;

  const close = (id, error) => {
    const call = calls.get(id);
    calls.delete(id);
    if (error) call?.failed(error); else call?.done(call.last);
  };
  const receive = (message) => {
    const call = calls.get(message.id);
    if (!call) return;
    if (message.event === null) { close(message.id); return; }
    call.last = message.event;
    try { call.take(message.event); } catch (error) { close(message.id, error); }
  };
  const request = (verb) => (content, take, signal) => new Promise((done, failed) => {
    const id = `${view}-${n++}`;
    calls.set(id, { take, done, failed, last: null });
    signal?.addEventListener("abort", () => {
      model.send({ id, verb: "stop" });
      close(id, new Error("Stopped."));
    });
    model.send({ id, verb, content });
  });
  const refused = (event) => { if (event.error) throw new Error(event.error); };

  model.on("msg:custom", receive);
  const end = () => {
    for (const id of calls.keys()) model.send({ id, verb: "stop" });
    model.off("msg:custom", receive);
  };
  return { open: request("open"), ask: request("ask"), save: (content) => request("save")(content, refused), end };
}

/** JupyterLab's theme where there is one, the system's elsewhere. */
function followTheme(host) {
  const tell = () => {
    const light = document.body.dataset.jpThemeLight;
    if (light !== undefined) host.dataset.theme = light === "true" ? "light" : "dark";
  };
  const observer = new MutationObserver(tell);
  observer.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  tell();
  return () => observer.disconnect();
}

function render({ model, el }) {
  const host = page.make("div", "");
  const root = host.attachShadow({ mode: "open" });  // names and rules of style of its own
  const body = page.make("div", "body");
  body.innerHTML = model.get("markup");  // the package's own template; data comes by messages and becomes text
  root.append(page.make("style", "", model.get("rules")), body);
  el.append(host);
  host.dataset.lmSuppressShortcuts = "true";  // a letter that is typed here is no command to the notebook
  for (const kind of ["keydown", "keypress", "keyup"]) host.addEventListener(kind, (event) => event.stopPropagation());
  const unfollow = followTheme(host);
  const wire = wireOf(model);
  page.pane(root, model.get("subjects"), wire, (room) => { host.dataset.ready = room.subject; });
  return () => { wire.end(); unfollow(); };
}

export default { render };
