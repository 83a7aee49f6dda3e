"use strict";
// The first part of the page: the worked example goes step by step, in a picture, a card and a table.
const stepper = (() => {
  const find = (id) => document.getElementById(id);
  const { symbol, STEPS, WEIGHTS } = example;
  const firstUpdate = STEPS.findIndex(({ together }) => together);
  const LAST = firstUpdate + 1; // the updates are one step
  const SECONDS = 1.4;

  let given = { ...example.START };
  let trail = []; // what was given before each update made so far
  let at = 0; // so many steps are done
  let timer = null;
  const listeners = [];

  const stepsDone = () => (at === LAST ? STEPS.length : at);
  const current = () => (at === 0 ? [] : at === LAST ? STEPS.slice(firstUpdate) : [STEPS[at - 1]]);
  const numberOf = (values) => (key, plain = false) => {
    const text = key in given ? numbers.typed(values[key]) : numbers.computed(values[key]);
    return plain ? text : numbers.factor(text);
  };

  const addressOf = (equation) => `${find(`derivation-${texts.language()}`).href}#eq-${equation}`;

  // ---- The picture: units at fixed places, values beside them

  const PLACES = { 1: [40, 70], 2: [40, 190], 3: [215, 70], 4: [215, 190], 5: [392, 130] };
  const BIASES = { b3: [128, 16, 3], b4: [128, 262, 4], b5: [287, 250, 5] };
  const EDGES = { w13: [1, 3, 0.46], w14: [1, 4, 0.3], w23: [2, 3, 0.3], w24: [2, 4, 0.46], w35: [3, 5, 0.46], w45: [4, 5, 0.55] };

  function drawPicture() {
    const picture = find("picture");
    const edge = ([x1, y1], [x2, y2], key) => {
      const length = Math.hypot(x2 - x1, y2 - y1);
      const [dx, dy] = [(x2 - x1) / length, (y2 - y1) / length];
      const from = key.startsWith("b") ? 9 : 18;
      picture.append(svg("line", { x1: x1 + from * dx, y1: y1 + from * dy, x2: x2 - 18 * dx, y2: y2 - 18 * dy, class: "edge", "data-key": key }));
    };
    const label = (x, y, key) => picture.append(svg("text", { x, y, class: "label", "data-text": key }));
    for (const [key, [from, to]] of Object.entries(EDGES)) edge(PLACES[from], PLACES[to], key);
    for (const [key, [x, y, to]] of Object.entries(BIASES)) edge([x, y], PLACES[to], key);
    for (const [key, [from, to, share]] of Object.entries(EDGES)) {
      const [[x1, y1], [x2, y2]] = [PLACES[from], PLACES[to]];
      label(x1 + share * (x2 - x1), y1 + share * (y2 - y1) - 6, key);
    }
    for (const [key, [x, y]] of Object.entries(BIASES)) {
      picture.append(svg("rect", { x: x - 9, y: y - 9, width: 18, height: 18, rx: 3, class: "unit" }), svg("text", { x, y: y + 4, class: "name" }, "1"));
      picture.append(svg("text", { x: x + 14, y: y + 4, class: "label start", "data-text": key }));
    }
    for (const [number, [x, y]] of Object.entries(PLACES)) {
      picture.append(svg("circle", { cx: x, cy: y, r: 17, class: "unit", "data-unit": number }), svg("text", { x, y: y + 5, class: "name" }, number));
      if (number === "1") {
        picture.append(svg("text", { x, y: y - 24, class: "forward", "data-text": "x1" }));
        continue;
      }
      const keys = number === "2" ? ["x2"] : [`y${number}`, `z${number}`, `dy${number}`, `dz${number}`];
      const beside = number === "5" ? x + 8 : number === "3" ? x + 24 : x; // where no edge runs
      keys.forEach((key, n) => picture.append(svg("text", { x: n < 2 && number === "3" ? x : beside, y: n < 2 ? y + 31 + 13 * n : y - 24 - 13 * (n - 2), class: n < 2 ? "forward" : "backward", "data-text": key })));
    }
    picture.append(svg("text", { x: 400, y: 187, class: "forward", "data-text": "t5" }), svg("text", { x: 400, y: 205, class: "forward strong", "data-text": "E" }));
  }

  function showPicture(values) {
    const done = new Set([...Object.keys(given), ...STEPS.slice(0, stepsDone()).map(({ key }) => key)]);
    const made = new Set(current().filter(({ key }) => values[key] !== values[key.replace("new-", "")] || !key.startsWith("new-")).map(({ key }) => key.replace("new-", "")));
    const used = new Set(current().flatMap(example.usedBy));
    for (const text of find("picture").querySelectorAll("[data-text]")) {
      const key = text.getAttribute("data-text");
      const name = WEIGHTS.includes(key) && made.has(`d${key}`) ? `d${key}` : key; // beside its weight, while it is computed
      const value = at === LAST && `new-${key}` in values ? values[`new-${key}`] : values[name];
      text.textContent = done.has(name) ? `${symbol(name)} ${numbers.computed(value, 3)}` : "";
      text.classList.toggle("made", made.has(name));
      text.classList.toggle("used", !made.has(name) && used.has(name));
    }
    for (const line of find("picture").querySelectorAll("[data-key]")) {
      const key = line.getAttribute("data-key");
      line.classList.toggle("made", made.has(key) || made.has(`d${key}`));
      line.classList.toggle("used", used.has(key));
    }
    for (const circle of find("picture").querySelectorAll("[data-unit]")) {
      const number = circle.getAttribute("data-unit");
      circle.classList.toggle("made", ["y", "z", "dy", "dz"].some((head) => made.has(head + number)));
    }
  }

  // ---- The table: every number beside its equation

  function drawTable() {
    STEPS.forEach((step, n) => {
      const row = document.createElement("tr");
      row.dataset.key = step.key;
      row.innerHTML = "<th scope=\"row\"></th><td class=\"number\"></td><td class=\"formula\"></td><td class=\"value\"></td>";
      row.children[0].textContent = symbol(step.key);
      const link = document.createElement("a");
      link.textContent = `(${step.equation})`;
      row.children[1].append(link);
      row.addEventListener("click", (event) => {
        if (event.target.tagName !== "A") go(Math.min(n + 1, LAST));
      });
      find("quantities").append(row);
    });
  }

  function showTable(values, right) {
    [...find("quantities").children].forEach((row, n) => {
      const step = STEPS[n];
      const isDone = n < stepsDone();
      const value = values[step.key];
      row.classList.toggle("now", current().includes(step));
      row.querySelector("a").href = addressOf(step.equation);
      row.children[2].textContent = `${step.formula(symbol)}${isDone ? ` = ${step.formula(numberOf(values))}` : ""}`;
      row.children[3].textContent = isDone ? numbers.computed(value) : "";
      row.children[3].dataset.value = isDone ? String(value) : "";
      const isWrong = isDone && !Object.is(value, right[step.key]);
      row.classList.toggle("wrong", isWrong);
      row.children[3].title = isWrong ? texts.phrase("right", numbers.computed(right[step.key])) : "";
    });
  }

  // ---- The card: what happens in this step, and why

  function showCard(values, right) {
    const [step] = current();
    find("where").textContent = `${texts.phrase("step", at, LAST)} · ${texts.phrase("update", trail.length + 1)}`;
    find("reason").textContent = step ? texts.reason(step.reason) : texts.reason("ready");
    find("line").textContent = "";
    find("beside-line").textContent = "";
    const add = (place, line) => {
      const made = document.createElement("div");
      made.textContent = line;
      find(place).append(made);
      return made;
    };
    if (step) {
      const { key, formula, equation } = step;
      for (const line of [`${symbol(key)} = ${formula(symbol)}`, `= ${formula(numberOf(values))}`, `= ${numbers.computed(values[key])}`]) add("line", line);
      const isWrong = formula(symbol) !== example.rightFormula(step, symbol);
      if (isWrong) add("beside-line", texts.phrase("instead", equation, example.rightFormula(step, symbol))).className = "problem";
      if (!Object.is(values[key], right[key])) add("beside-line", texts.phrase("right", numbers.computed(right[key]))).className = "problem";
      const weight = key.slice(1);
      if (WEIGHTS.includes(weight)) {
        const slope = example.measured(given, weight);
        const agrees = Math.abs(slope - values[key]) < 1e-6 * Math.max(1, Math.abs(slope));
        add("beside-line", texts.phrase("measured", symbol(weight), numbers.computed(slope), agrees ? "✓" : "✗")).className = agrees ? "agrees" : "problem";
      }
      if (at === LAST) add("beside-line", texts.phrase("others"));
      const link = document.createElement("a");
      link.href = addressOf(equation);
      link.textContent = texts.phrase("equation", equation);
      if (!isWrong) add("beside-line", "").append(link);
    }
    const bad = STEPS.slice(0, stepsDone()).find(({ key }) => !Number.isFinite(values[key]));
    find("problem").textContent = bad ? texts.phrase("notFinite", symbol(bad.key)) : "";
  }

  function show() {
    const values = example.compute(given, example.mistake);
    const right = example.compute(given);
    showPicture(values);
    showTable(values, right);
    showCard(values, right);
    find("back").disabled = at === 0 && trail.length === 0;
    find("play").textContent = texts.phrase(timer ? "pause" : "play");
    listeners.forEach((listener) => listener());
  }

  // ---- Moving

  function go(step) {
    at = Math.max(0, Math.min(step, LAST));
    show();
  }

  // After the update the next step begins with the new weights.
  function forward() {
    if (at < LAST) return go(at + 1);
    const values = example.compute(given, example.mistake);
    trail.push(given);
    given = { ...given, ...Object.fromEntries(WEIGHTS.map((weight) => [weight, values[`new-${weight}`]])) };
    showInputs();
    return go(1);
  }

  function back() {
    if (at > 1 || trail.length === 0) return go(at - 1);
    given = trail.pop();
    showInputs();
    return go(LAST);
  }

  function play(isOn) {
    clearInterval(timer);
    timer = isOn ? setInterval(forward, 1000 * SECONDS) : null;
    show();
  }

  function finishUpdate() {
    if (at === LAST) forward();
    go(LAST);
  }

  function reset() {
    given = { ...example.START };
    trail = [];
    showInputs();
    play(false);
    go(0);
  }

  // ---- What can be typed

  function drawInputs() {
    for (const key of Object.keys(given)) {
      const label = document.createElement("label");
      label.textContent = symbol(key);
      const input = document.createElement("input");
      input.id = `given-${key}`;
      input.inputMode = "decimal";
      input.autocomplete = "off";
      input.addEventListener("change", () => take(key, input));
      label.append(input);
      find(key.startsWith("x") || key.startsWith("t") || key === "rate" ? "given-example" : "given-weights").append(label);
    }
  }

  function showInputs() {
    for (const key of Object.keys(given)) {
      const input = find(`given-${key}`);
      input.value = String(Number(given[key].toPrecision(7)));
      input.removeAttribute("aria-invalid");
    }
    find("input-problem").textContent = "";
  }

  function take(key, input) {
    const text = input.value.trim().replace("−", "-").replace(",", ".");
    const value = Number(text);
    if (text === "" || !Number.isFinite(value)) {
      input.setAttribute("aria-invalid", "true");
      find("input-problem").textContent = texts.phrase("notNumber", symbol(key), input.value, numbers.typed(given[key]));
      return;
    }
    given = { ...given, [key]: value };
    trail = [];
    showInputs();
    show();
  }

  function begin() {
    drawPicture();
    drawTable();
    drawInputs();
    showInputs();
    find("forward").addEventListener("click", keys.ArrowRight);
    find("back").addEventListener("click", keys.ArrowLeft);
    find("play").addEventListener("click", keys[" "]);
    find("finish").addEventListener("click", keys.End);
    find("reset").addEventListener("click", reset);
    go(0);
  }

  // Whoever moves on takes over from playing.
  const taking = (action) => () => {
    clearInterval(timer);
    timer = null;
    action();
  };
  const keys = { ArrowRight: taking(forward), ArrowLeft: taking(back), Home: taking(() => go(0)), End: taking(finishUpdate), " ": () => play(!timer) };

  return { begin, show, keys, given: () => given, trail: () => trail, onChange: (listener) => listeners.push(listener) };
})();
