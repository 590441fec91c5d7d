/* Figures are drawn when they come near the view; a click on a mark lists its trials. */
(() => {
  if (typeof Plotly === "undefined") return;
  const drawings = JSON.parse(page.byId("data-figures").textContent);
  const plots = [...document.querySelectorAll(".plot")];
  const drawn = new Set();
  const config = { displaylogo: false, responsive: true, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };

  function themed() {
    const body = getComputedStyle(document.body);
    const panel = getComputedStyle(page.byId("theme")).backgroundColor;
    return { "font.color": body.color, "hoverlabel.bgcolor": panel, "hoverlabel.font.color": body.color };
  }

  /** What plotly escaped for its own markup, as the trials have it. */
  const plain = (value) => String(value).replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");

  /** The fields of the trials behind a mark. */
  function behind(point, own, layout) {
    const { x, y, fixed } = layout.meta.trials;
    const wanted = { ...own, ...fixed, ...point.data.meta };
    if (x) wanted[x] = plain(point.x);
    if (y) wanted[y] = plain(point.y);
    return wanted;
  }

  function draw(plot) {
    if (drawn.has(plot)) return;
    drawn.add(plot);
    const { data, layout, own } = drawings[plot.dataset.figure];
    const narrow = plot.clientWidth < 480 ? { margin: { ...layout.margin, l: 46, r: 8 } } : {};
    Plotly.newPlot(plot, data, { ...layout, ...narrow }, config).then(() => {
      Plotly.relayout(plot, themed());
      if (layout.meta?.trials && page.showTrials) {
        plot.on("plotly_click", (event) => page.showTrials(behind(event.points[0], own, layout)));
      }
    });
  }

  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "500px 0px" });
  plots.forEach((plot) => near.observe(plot));
  addEventListener("beforeprint", () => plots.filter((plot) => plot.clientWidth).forEach(draw));
  page.onTheme = () => drawn.forEach((plot) => Plotly.relayout(plot, themed()));
})();
