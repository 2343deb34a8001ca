// Draws every chart in the colours that the reader's system asks for, and again when that changes or before printing.
(() => {
  const specs = JSON.parse(document.getElementById("specs").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const config = (isDark) => {
    const ink = isDark ? "#d6dbe1" : "#24292f";
    const line = isDark ? "#3a424c" : "#d9dee4";
    const text = { labelColor: ink, titleColor: ink, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500 };
    return {
      background: "transparent",
      font: "system-ui, sans-serif",
      range: { heatmap: isDark ? ["#1a2027", "#6cb6ff"] : ["#f0f4f8", "#0b4f82"] },
      view: { stroke: "transparent" },
      axis: { ...text, gridColor: line, domainColor: line, tickColor: line, labelLimit: 220 },
      legend: { ...text, orient: "top", direction: "horizontal" },
    };
  };
  const draw = (isDark) =>
    Promise.all(
      Object.entries(specs).map(([id, spec]) =>
        vegaEmbed(document.getElementById(id), { ...spec, config: config(isDark) }, { actions: false, renderer: "svg" }),
      ),
    );
  dark.addEventListener("change", () => draw(dark.matches));
  window.addEventListener("beforeprint", () => draw(false));
  window.addEventListener("afterprint", () => draw(dark.matches));
  draw(dark.matches).then(() => document.documentElement.setAttribute("data-drawn", "true"));
})();
