"use strict";
// The second part of the page: the loss over two of the weights, and over the weight updates.
const charts = (() => {
  const find = (id) => document.getElementById(id);
  const CELLS = 101; // of the surface, each way
  const BANDS = 14;
  const UPDATES = 200;
  const DARK = [44, 24, 84];
  const MIDDLE = [34, 130, 142];
  const LIGHT = [250, 230, 110];

  const mixed = (from, to, share) => from.map((value, n) => value + share * (to[n] - value));
  const colour = (share) => (share < 0.5 ? mixed(DARK, MIDDLE, 2 * share) : mixed(MIDDLE, LIGHT, 2 * share - 1));

  // ---- Loss over two weights

  function surface(given, trail) {
    const [across, up] = [find("across").value, find("up").value];
    for (const [id, other] of [["across", up], ["up", across]]) {
      for (const option of find(id).options) option.disabled = option.value === other;
    }
    const way = [...trail, given];
    const reach = Math.max(Number(find("reach").value), ...way.map((point) => 1.2 * Math.max(Math.abs(point[across] - given[across]), Math.abs(point[up] - given[up]))));
    const at = (centre, n) => centre + reach * ((2 * n) / (CELLS - 1) - 1);
    const losses = Array.from({ length: CELLS * CELLS }, (_, place) => {
      const [row, column] = [Math.floor(place / CELLS), place % CELLS];
      return example.lossAt({ ...given, [across]: at(given[across], column), [up]: at(given[up], CELLS - 1 - row) });
    });
    return { across, up, reach, losses, way, least: Math.min(...losses), most: Math.max(...losses) };
  }

  function paint({ losses, least, most }) {
    const canvas = find("surface");
    canvas.width = canvas.height = CELLS;
    const context = canvas.getContext("2d");
    const image = context.createImageData(CELLS, CELLS);
    losses.forEach((loss, n) => {
      const share = most > least ? (loss - least) / (most - least) : 0;
      image.data.set([...colour(Math.min(Math.floor(share * BANDS), BANDS - 1) / (BANDS - 1)), 255], 4 * n);
    });
    context.putImageData(image, 0, 0);
  }

  function drawWay({ across, up, reach, way }, given) {
    const overlay = find("way");
    overlay.textContent = "";
    const x = (point) => 50 + (50 * (point[across] - given[across])) / reach;
    const y = (point) => 50 - (50 * (point[up] - given[up])) / reach;
    overlay.append(svg("polyline", { points: way.map((point) => `${x(point)},${y(point)}`).join(" "), class: "way" }));
    way.forEach((point) => overlay.append(svg("circle", { cx: x(point), cy: y(point), r: 0.7, class: "before" })));
    overlay.append(svg("circle", { cx: 50, cy: 50, r: 1.6, class: "here" }));
    const ends = (key) => [given[key] - reach, given[key] + reach].map((value) => numbers.computed(value, 1));
    find("across-ends").textContent = `${ends(across)[0]} ← ${example.symbol(across)} → ${ends(across)[1]}`;
    find("up-ends").textContent = `${ends(up)[0]} ← ${example.symbol(up)} → ${ends(up)[1]}`;
  }

  function showSurface() {
    const given = stepper.given();
    const made = surface(given, stepper.trail());
    const isFinite = made.losses.every(Number.isFinite) && Number.isFinite(made.reach);
    find("surface-frame").hidden = !isFinite;
    if (!isFinite) {
      find("surface-note").textContent = texts.phrase("surfaceNone");
      return;
    }
    paint(made);
    drawWay(made, given);
    const short = (value) => numbers.computed(value, 4);
    find("surface-note").textContent = texts.phrase(
      "surfaceNote", short(made.least), short(made.most), example.symbol(made.across), short(given[made.across]),
      example.symbol(made.up), short(given[made.up]), short(example.lossAt(given)),
    );
  }

  // ---- Curves: one or two lines over whole numbers

  // The next of 1, 2 and 5 times a power of ten.
  function roundedUp(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    return power * [1, 2, 5, 10].find((head) => head * power >= value * (1 - 1e-9));
  }

  function drawCurves(target, { series, first, xLabel, yLabel, top }) {
    const [left, right, above, below] = [46, 400, 30, 210];
    const count = Math.max(...series.map(({ values }) => values.length));
    const x = (n) => left + ((right - left) * n) / Math.max(count - 1, 1);
    const y = (value) => below - ((below - above) * Math.min(value, top)) / top;
    target.textContent = "";
    for (const share of [0, 0.5, 1]) {
      target.append(svg("line", { x1: left, x2: right, y1: y(share * top), y2: y(share * top), class: "grid" }));
      target.append(svg("text", { x: left - 5, y: y(share * top) + 4, class: "tick end" }, String(Number((share * top).toPrecision(2)))));
    }
    for (const share of [0, 0.5, 1]) {
      const n = Math.round(share * (count - 1));
      target.append(svg("text", { x: x(n), y: below + 17, class: "tick" }, String(n + first)));
    }
    target.append(svg("text", { x: (left + right) / 2, y: below + 34, class: "tick" }, xLabel));
    target.append(svg("text", { x: 4, y: 14, class: "tick start" }, yLabel));
    series.forEach(({ name, values, look }, n) => {
      const points = values.map((value, place) => `${x(place)},${y(value)}`).join(" ");
      target.append(svg("polyline", { points, class: `curve ${look}`, "data-name": name }));
      target.append(svg("line", { x1: left + 12, x2: left + 40, y1: below + 50 + 17 * n, y2: below + 50 + 17 * n, class: `curve ${look}` }));
      target.append(svg("text", { x: left + 46, y: below + 54 + 17 * n, class: "tick start" }, name));
    });
  }

  function lossesOf(given, mistake) {
    const layers = example.layersOf(given);
    const [x, t] = [[given.x1, given.x2], [given.t5]];
    return Array.from({ length: UPDATES + 1 }, () => {
      const passed = backprop.forward(layers, x);
      const loss = backprop.lossOf(passed.y[2], t);
      backprop.update(layers, backprop.backward(layers, passed, t, mistake).gradient, given.rate, mistake);
      return loss;
    });
  }

  function showLosses() {
    const given = stepper.given();
    const series = [{ name: texts.phrase("correct"), values: lossesOf(given, ""), look: "correct" }];
    if (example.mistake) series.push({ name: texts.phrase("withMistake"), values: lossesOf(given, example.mistake), look: "mistaken" });
    const finite = series.flatMap(({ values }) => values).filter(Number.isFinite);
    find("losses").style.display = finite.length > 0 ? "" : "none";
    if (finite.length === 0) {
      find("losses-note").textContent = texts.phrase("surfaceNone");
      return;
    }
    const top = roundedUp(Math.max(...finite, 0.01));
    drawCurves(find("losses"), { series, first: 0, top, xLabel: texts.phrase("updates"), yLabel: texts.phrase("loss") });
    const ends = series.map(({ values }) => numbers.computed(values[UPDATES], 6));
    find("losses-note").textContent = texts.phrase(ends.length > 1 ? "curveBoth" : "curveNote", UPDATES, ...ends);
  }

  function show() {
    showSurface();
    showLosses();
  }

  function begin() {
    for (const [id, first] of [["across", "w35"], ["up", "w45"]]) {
      for (const key of example.WEIGHTS) find(id).append(new Option(example.symbol(key), key, key === first, key === first));
      find(id).addEventListener("change", showSurface);
    }
    find("reach").addEventListener("change", showSurface);
    stepper.onChange(show);
  }

  return { begin, show, drawCurves };
})();
