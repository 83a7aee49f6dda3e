// What the page does beyond being read. It keeps nothing and asks for nothing: all is in the page.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  function chooseColours() {
    const select = document.getElementById("colours");
    select.value = ""; // a browser that goes back would keep the selection, but not the colours
    select.addEventListener("change", () => { document.documentElement.dataset.colours = select.value; });
    select.parentElement.hidden = false;
  }

  // Tables: a button in every head sorts the rows; a field keeps those that hold all words.

  function compare(a, b) {
    const [x, y] = [a, b].map((cell) => (cell.dataset.value === undefined ? NaN : Number(cell.dataset.value)));
    if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
    return a.textContent.localeCompare(b.textContent, "en", { numeric: true });
  }

  // Rows without a number come last whichever way a column of numbers is sorted.
  const lacks = (cell, numeric) => numeric && cell.dataset.value === undefined;

  function sort(table, column, direction) {
    const body = table.tBodies[0];
    const numeric = [...body.rows].some((row) => row.cells[column].dataset.value !== undefined);
    const rows = [...body.rows].sort((first, second) => {
      const [a, b] = [first.cells[column], second.cells[column]];
      const missing = lacks(a, numeric) - lacks(b, numeric);
      return missing || direction * compare(a, b) || first.dataset.place - second.dataset.place;
    });
    body.append(...rows);
  }

  function makeSortable(table) {
    [...table.tBodies[0].rows].forEach((row, place) => { row.dataset.place = place; });
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = make("button", { type: "button", className: "sort" }, ...head.childNodes);
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const rising = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", rising ? "ascending" : "descending");
        sort(table, column, rising ? 1 : -1);
      });
    });
  }

  function makeFilterable(table, box) {
    const rows = [...table.tBodies[0].rows];
    const field = make("input", { type: "search", autocomplete: "off" });
    const shown = make("output", {}, `${rows.length} rows`);
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
      shown.value = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
    });
    const label = make("label", {}, "Filter ", make("span", { className: "unseen" }, `${box.getAttribute("aria-label")} `), field);
    box.before(make("div", { className: "filter" }, label, " ", shown));
  }

  // Figures: a button shows one as large as the window, where it scrolls.

  function makeLarge(figure, dialog) {
    const image = figure.querySelector("img");
    const { name } = figure.dataset;
    const { lang } = figure.closest("[lang]");
    const which = make("span", { className: "unseen" }, ` ${spoken.say("enlarge_which", { name }, lang)}`);
    const button = make("button", { type: "button", className: "enlarge" }, spoken.say("enlarge", {}, lang), which);
    button.addEventListener("click", () => {
      dialog.querySelector("h2").textContent = spoken.say("figure", { name });
      dialog.querySelector(".picture").replaceChildren(image.cloneNode());
      dialog.addEventListener("close", () => button.focus(), { once: true });
      dialog.showModal();
    });
    figure.querySelector(".scroll, picture").after(button);
  }

  chooseColours();
  for (const box of all(".scroll")) {
    const table = box.querySelector("table");
    if (!table || table.tBodies[0].rows.length < 2) continue;
    makeSortable(table);
    if (table.tBodies[0].rows.length > 4) makeFilterable(table, box);
  }
  const dialog = document.getElementById("large");
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
  all("figure:not(.main)").forEach((figure) => makeLarge(figure, dialog)); // a main one is drawn for its width
  all(".needs-script").forEach((element) => element.remove());
})();
