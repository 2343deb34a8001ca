// Makes tables sortable (click or Enter on a column heading) and filterable (by text and by a selection).
// Without this script, the whole tables are shown.
(() => {
  const label = (text, control) => {
    const element = document.createElement("label");
    element.append(`${text} `, control);
    return element;
  };
  const key = (row, column) => {
    const cell = row.cells[column];
    const text = (cell.dataset.sort ?? cell.innerText).trim();
    const number = Number.parseFloat(text.replaceAll(",", ""));
    return { text, number: /^[+-]?[\d,.]+/.test(text) ? number : Number.NaN };
  };
  const compare = (one, other) => {
    const numbers = [one, other].map(({ number }) => !Number.isNaN(number));
    if (numbers[0] && numbers[1]) return one.number - other.number;
    if (numbers[0] !== numbers[1]) return numbers[0] ? -1 : 1;
    return one.text.localeCompare(other.text, "en", { numeric: true });
  };

  const sortable = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows].map((row) => ({ row, key: key(row, column) }));
        rows.sort((one, other) => (down ? -1 : 1) * compare(one.key, other.key));
        table.tBodies[0].append(...rows.map(({ row }) => row));
      });
    });
  };

  const filterable = (table) => {
    const rows = [...table.tBodies[0].rows];
    const text = Object.assign(document.createElement("input"), { type: "search" });
    const choice = document.createElement("select");
    const shown = document.createElement("output");
    const choices = [...new Set(rows.map((row) => row.dataset.choice))].sort();
    choice.append(new Option("all", ""), ...choices.map((name) => new Option(name, name)));
    const filter = () => {
      const wanted = text.value.trim().toLowerCase();
      for (const row of rows) {
        const fits = !choice.value || row.dataset.choice === choice.value;
        row.hidden = !(fits && row.textContent.toLowerCase().includes(wanted));
      }
      shown.value = `${rows.filter((row) => !row.hidden).length} of ${rows.length} shown`;
    };
    text.addEventListener("input", filter);
    choice.addEventListener("change", filter);
    const controls = Object.assign(document.createElement("div"), { className: "filter" });
    controls.append(label("Find", text), label(table.dataset.filter, choice), shown);
    (table.closest(".scroll") ?? table).before(controls);
    filter();
    return () => {
      text.value = choice.value = "";
      filter();
    };
  };

  const clear = [];
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    sortable(table);
    clear.push(filterable(table));
  }
  // A link to a run or a claim opens it, even if a filter hides it.
  const follow = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target.hidden) clear.forEach((all) => all());
    const inside = target.querySelector(target.matches("tr") ? "details" : ":scope > .part") ?? target;
    for (let place = inside; place; place = place.parentElement) if (place.matches("details")) place.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", follow);
  follow();
})();
