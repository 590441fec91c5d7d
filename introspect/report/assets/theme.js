/* Dark or light: the system's choice until the reader makes one. */
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const toggle = page.byId("theme");
  const root = document.documentElement;
  page.isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const tell = () => {
    toggle.textContent = page.isDark() ? "Light" : "Dark";
    toggle.setAttribute("aria-label", page.isDark() ? "Switch to light colours" : "Switch to dark colours");
    page.onTheme?.();
  };
  toggle.addEventListener("click", () => { root.dataset.theme = page.isDark() ? "light" : "dark"; tell(); });
  system.addEventListener("change", tell);
  toggle.hidden = false;
  tell();
})();
