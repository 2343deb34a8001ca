// Draws each chart when the part of the page that it is in is opened, and all charts before printing. Colours follow the
// reader's colour scheme (light or dark). Below each chart is a table of its data, which is filled when it is opened.
(() => {
  const specs = {};
  const read = (element) => Object.assign(specs, JSON.parse(element.textContent));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Map();
  const config = (isDark) => {
    const ink = isDark ? "#d6dbe1" : "#24292f";
    const line = isDark ? "#3a424c" : "#d9dee4";
    const text = { labelColor: ink, titleColor: ink, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500 };
    return {
      background: "transparent",
      font: "system-ui, sans-serif",
      range: { heatmap: isDark ? ["#1a2027", "#6cb6ff"] : ["#f0f4f8", "#0b4f82"] },
      view: { stroke: "transparent" },
      text: { color: ink },
      title: { color: ink, fontSize: 12 },
      axis: { ...text, gridColor: line, domainColor: line, tickColor: line, labelLimit: 220 },
      legend: { ...text, orient: "top", direction: "horizontal" },
    };
  };

  // Dark blue and dark green have too little contrast on black: the dark scheme uses lighter tones of both.
  const LIGHTER = { "#0072B2": "#56B4E9", "#009E73": "#3CC9A0" };
  const inColours = (spec, isDark) => {
    if (!isDark) return spec;
    return JSON.parse(JSON.stringify(spec).replace(/#0072B2|#009E73/g, (colour) => LIGHTER[colour]));
  };

  // A chart's data set is the one named "rows", or the first one.
  const rowsOf = ({ datasets }) => datasets.rows ?? Object.values(datasets)[0];
  const cell = (row, name, value) => {
    const element = row.appendChild(document.createElement(name));
    element.textContent = typeof value === "number" ? +value.toPrecision(6) : (value ?? "–");
    if (name === "th") element.scope = row.parentElement.matches("thead") ? "col" : "row";
  };
  // A column of lists is shown as one column per element, with the element's class or index as its heading.
  const fill = (place, spec) => {
    const rows = rowsOf(spec);
    const names = spec.params?.find(({ name }) => name === "columns")?.value;
    const table = document.createElement("table");
    const head = table.createTHead().insertRow();
    const body = table.createTBody();
    for (const [name, value] of Object.entries(rows[0])) {
      if (Array.isArray(value)) value.forEach((_, i) => cell(head, "th", `${names ? names[i] : i + 1}`));
      else cell(head, "th", name);
    }
    for (const row of rows) {
      const line = body.insertRow();
      Object.values(row).flat().forEach((value, i) => cell(line, i ? "td" : "th", value));
    }
    const scroll = Object.assign(document.createElement("div"), { className: "scroll", tabIndex: 0 });
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", `Data of the chart ${place.previousElementSibling.id}`);
    scroll.append(table);
    place.append(scroll);
  };
  const addData = (place) => {
    const details = Object.assign(document.createElement("details"), { className: "data" });
    const summary = Object.assign(document.createElement("summary"), { textContent: "Data of this chart" });
    details.append(summary);
    details.addEventListener("toggle", () => details.childElementCount === 1 && fill(details, specs[place.id]));
    place.after(details);
  };

  const draw = async (place, isDark) => {
    if (!drawn.has(place)) addData(place);
    else drawn.get(place).finalize();
    drawn.set(place, { finalize: () => {} });
    const spec = { ...inColours(specs[place.id], isDark), config: config(isDark) };
    drawn.set(place, await vegaEmbed(place, spec, { actions: false, renderer: "svg" }));
  };
  const places = (part) => [...part.querySelectorAll(".chart")];
  const open = (place) => !place.parentElement.closest("details:not([open])");
  const drawOpen = (part, isDark) => Promise.all(places(part).filter((p) => open(p) && !drawn.has(p)).map((p) => draw(p, isDark)));
  const redraw = (isDark) => Promise.all([...drawn.keys()].map((place) => draw(place, isDark)));
  const readIn = (part) => {
    for (const element of part.querySelectorAll("script.specs")) {
      if (element.closest("details:not([open])") || element.dataset.read) continue;
      element.dataset.read = "true";
      read(element);
    }
  };
  const show = (part) => {
    readIn(part);
    return drawOpen(part, dark.matches);
  };

  document.addEventListener("toggle", (event) => event.target.open && show(event.target), true);
  dark.addEventListener("change", () => redraw(dark.matches));
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open]):not(.data)")];
    closed.forEach((details) => (details.open = true));
    readIn(document);
    redraw(false);
    drawOpen(document, false);
  });
  addEventListener("afterprint", () => {
    closed.forEach((details) => (details.open = false));
    redraw(dark.matches);
  });
  show(document).then(() => (document.documentElement.dataset.drawn = Math.round(performance.now()))); // milliseconds
})();
