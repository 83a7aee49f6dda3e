// The panel: forward passes of the networks for a digit that the reader draws. Numbers in brackets are those of the
// equations in docs/derivation.md.
const panel = (() => {
  const data = document.getElementById("networks");
  if (!data) return null;
  const { side, precision, classes, samples, networks } = JSON.parse(data.textContent);

  // ---- Numbers

  const bytesOf = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));

  function half(bits) {
    const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -14 * (fraction / 1024);
  }

  function numbersOf(text, kind = precision) {
    const view = new DataView(bytesOf(text).buffer); // little-endian, whatever the machine
    return kind === "f4"
      ? Float64Array.from({ length: view.byteLength / 4 }, (_, n) => view.getFloat32(4 * n, true))
      : Float64Array.from({ length: view.byteLength / 2 }, (_, n) => half(view.getUint16(2 * n, true)));
  }

  for (const network of networks) {
    for (const layer of network.layers) {
      layer.weight = numbersOf(layer.weight);
      layer.bias = layer.bias && numbersOf(layer.bias);
    }
  }

  // ---- The network

  const ACTIVATIONS = {
    sigmoid: (z) => z.map((value) => 1 / (1 + Math.exp(-value))), // (2)
    tanh: (z) => z.map(Math.tanh), // (10)
    relu: (z) => z.map((value) => Math.max(value, 0)), // (12)
    identity: (z) => z,
    softmax(z) {
      const largest = Math.max(...z);
      const e = z.map((value) => Math.exp(value - largest)); // (14)
      const sum = e.reduce((total, value) => total + value, 0);
      return e.map((value) => value / sum); // (14)
    },
  };

  // Weights are [inputs, outputs], row by row, so the inner loop runs along a row.
  function totals({ outputs, weight, bias }, y) {
    const z = bias ? Float64Array.from(bias) : new Float64Array(outputs);
    y.forEach((value, i) => {
      for (let j = 0; j < outputs; j += 1) z[j] += value * weight[i * outputs + j]; // (1)
    });
    return z;
  }

  // Activations of all layers from pixels of 0 to 255; the first are the inputs, the last the outputs.
  function forward(network, pixels) {
    const [low, high] = network.range;
    const y = [Float64Array.from(pixels, (value) => low + (high - low) * (value / 255))];
    network.layers.forEach((layer, n) => {
      const activation = n + 1 < network.layers.length ? network.hidden : network.output;
      y.push(ACTIVATIONS[activation](totals(layer, y[n])));
    });
    return y;
  }

  // ---- From a drawing to an input

  // The smallest box around ink in a square image; null where there is none.
  function inked(ink, width) {
    let [left, top, right, bottom] = [width, width, -1, -1];
    ink.forEach((value, place) => {
      if (!value) return;
      const [x, y] = [place % width, Math.floor(place / width)];
      [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
    });
    return right < 0 ? null : { left, top, size: Math.max(right - left, bottom - top) + 1, width: right - left + 1, height: bottom - top + 1 };
  }

  // Sum ink into pixels `scale` times as large, with the middle of mass in the middle of the image: every small pixel
  // goes to the pixels that it lies over, in the shares in which it lies over them.
  function spread(ink, width, scale, middle) {
    const pixels = new Float64Array(side * side);
    const shares = (place, centre) => {
      const start = (place - centre) / scale + side / 2;
      const first = Math.floor(start);
      const over = Math.max(0, start + 1 / scale - (first + 1)) * scale;
      return [[first, 1 - over], [first + 1, over]];
    };
    ink.forEach((value, place) => {
      if (!value) return;
      for (const [y, high] of shares(Math.floor(place / width), middle.y)) {
        for (const [x, wide] of shares(place % width, middle.x)) {
          if (x >= 0 && y >= 0 && x < side && y < side) pixels[y * side + x] += (value * high * wide) / scale ** 2;
        }
      }
    });
    return pixels;
  }

  // MNIST's digits fit a box of 20 by 20 in 28 by 28, and their centre of mass is in the middle.
  function prepare(ink, width) {
    const box = inked(ink, width);
    if (!box) return new Uint8Array(side * side);
    const scale = Math.max(box.size / Math.round((20 / 28) * side), 1);
    let [mass, x, y] = [0, 0, 0];
    ink.forEach((value, place) => {
      mass += value;
      x += value * (place % width + 0.5);
      y += value * (Math.floor(place / width) + 0.5);
    });
    const whole = (centre) => Math.floor(centre / scale) * scale; // the data was moved by whole pixels, to 14 up to 15
    const middle = { x: box.left + whole(x / mass - box.left), y: box.top + whole(y / mass - box.top) };
    return Uint8Array.from(spread(ink, width, scale, middle), (value) => Math.min(255, Math.round(value)));
  }

  return { side, classes, samples: samples.map(({ label, pixels }) => ({ label, pixels: bytesOf(pixels) })), networks, forward, prepare, numbersOf };
})();

if (panel) (() => {
  const { side, classes, samples, networks, forward, prepare } = panel;
  const find = (id) => document.getElementById(id);
  const pad = find("pad");
  const brush = pad.getContext("2d", { willReadFrequently: true });
  const WIDTH = pad.width;
  const STEP = WIDTH / 28;
  const START = 3;
  const pen = { x: WIDTH / 2, y: WIDTH / 4, down: false };
  const drawn = document.createElement("canvas"); // without the cross of the pen, which is no ink
  drawn.width = drawn.height = WIDTH;
  const ink = drawn.getContext("2d", { willReadFrequently: true });
  let sample = samples[START] ?? samples[0] ?? null; // the field starts with a digit in it
  let strokes = 0;

  // ---- What is shown

  function element(tag, text = "", name = "") {
    const made = document.createElement(tag);
    made.textContent = text;
    made.className = name;
    return made;
  }

  function paint(canvas, width, values) {
    canvas.width = width;
    canvas.height = Math.ceil(values.length / width);
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    values.forEach((value, n) => image.data.set([value, value, value, 255], 4 * n));
    context.putImageData(image, 0, 0);
  }

  // Activations as brightness: of 0 to 1 as they are, of other activations by the largest.
  function brightness(values) {
    const largest = Math.max(1, ...Array.from(values, Math.abs));
    return Array.from(values, (value) => Math.round((255 * Math.abs(value)) / largest));
  }

  const selected = () => {
    const select = find("panel-question");
    const question = select ? select.value : networks[0].question;
    return networks.filter((network) => network.question === question);
  };

  // Bars of probabilities are as long as they are; identity outputs have no such scale.
  function barsOf(outputs) {
    const table = element("table", "", "outputs");
    const largest = Math.max(1, ...outputs);
    const best = outputs.indexOf(Math.max(...outputs));
    outputs.forEach((value, label) => {
      const row = table.insertRow();
      if (label === best) row.className = "best";
      const head = element("th", classes[label] ?? String(label));
      head.scope = "row";
      const bar = element("span", "", "length");
      bar.style.width = `${(100 * Math.max(0, value)) / largest}%`;
      const cell = element("td", "", "bar");
      cell.append(bar);
      row.append(head, cell, element("td", value.toFixed(3), "right"));
    });
    return table;
  }

  function hiddenOf(values, number) {
    const figure = element("div", "", "hidden");
    const canvas = element("canvas");
    const active = Array.from(values).filter((value) => Math.abs(value) > 0.5).length;
    const label = spoken.say("hidden_layer", { number, units: values.length, active });
    paint(canvas, Math.ceil(Math.sqrt(2 * values.length)), brightness(values));
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", label);
    figure.append(canvas, element("p", label, "note"));
    return figure;
  }

  function show() {
    const pixels = sample ? sample.pixels : prepare(inkNow(), WIDTH);
    paint(find("seen"), side, [...pixels]);
    const empty = !pixels.some(Boolean);
    const predictions = [];
    const answers = selected().map((network) => {
      const y = forward(network, pixels);
      const outputs = Array.from(y.at(-1));
      const best = outputs.indexOf(Math.max(...outputs));
      const predicted = { name: network.implementation, which: classes[best] ?? best, value: outputs[best].toFixed(3) };
      predictions.push(spoken.say("predicts", predicted));
      const answer = element("section", "", "network");
      answer.append(element("h4", network.implementation), barsOf(outputs), ...y.slice(1, -1).map((values, n) => hiddenOf(values, n + 1)));
      return answer;
    });
    find("panel-answers").replaceChildren(...answers);
    const all = predictions.join(spoken.say("next"));
    const said = sample
      ? spoken.say("predictions_of_example", { which: sample.label, predictions: all })
      : spoken.say("predictions", { sentence: all });
    find("panel-predictions").textContent = empty ? spoken.say("empty") : said;
  }

  // ---- Drawing

  const inkNow = () => {
    const { data } = ink.getImageData(0, 0, WIDTH, WIDTH);
    return Float64Array.from({ length: WIDTH * WIDTH }, (_, n) => data[4 * n + 3]);
  };

  function refresh(withPen) {
    brush.fillStyle = "#000";
    brush.fillRect(0, 0, WIDTH, WIDTH);
    brush.imageSmoothingEnabled = false;
    if (sample) brush.drawImage(find("seen"), 0, 0, WIDTH, WIDTH);
    brush.drawImage(drawn, 0, 0);
    if (!withPen) return;
    brush.strokeStyle = pen.down ? "#f0a63c" : "#6cb6ff";
    brush.lineWidth = 2;
    brush.strokeRect(pen.x - 7, pen.y - 7, 14, 14);
  }

  function clear() {
    sample = null;
    ink.clearRect(0, 0, WIDTH, WIDTH);
    show();
  }

  function line(from, to) {
    if (sample) clear();
    ink.strokeStyle = "#fff";
    ink.lineWidth = WIDTH / 13;
    ink.lineCap = ink.lineJoin = "round";
    ink.beginPath();
    ink.moveTo(from.x, from.y);
    ink.lineTo(to.x, to.y);
    ink.stroke();
    if (!strokes) strokes = requestAnimationFrame(() => { strokes = 0; show(); });
  }

  const place = (event) => {
    const box = pad.getBoundingClientRect();
    return { x: ((event.clientX - box.left) * WIDTH) / box.width, y: ((event.clientY - box.top) * WIDTH) / box.height };
  };
  let last = null;
  pad.addEventListener("pointerdown", (event) => {
    pad.setPointerCapture(event.pointerId);
    last = place(event);
    line(last, last);
    refresh(false);
  });
  pad.addEventListener("pointermove", (event) => {
    if (!last) return;
    const here = place(event);
    line(last, here);
    last = here;
    refresh(false);
  });
  for (const name of ["pointerup", "pointercancel"]) pad.addEventListener(name, () => { last = null; });

  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  function press(key) {
    const inside = (value) => Math.min(WIDTH - STEP, Math.max(STEP, value));
    if (key in MOVES) {
      const from = { x: pen.x, y: pen.y };
      [pen.x, pen.y] = [inside(pen.x + STEP * MOVES[key][0]), inside(pen.y + STEP * MOVES[key][1])];
      if (pen.down) line(from, pen);
    } else if (key === " ") {
      pen.down = !pen.down;
      if (pen.down) line(pen, pen);
      spoken.write(find("pad-state"), pen.down ? "pen_down" : "pen_up");
    } else if (key === "Delete" || key === "Backspace") {
      pen.down = false;
      spoken.write(find("pad-state"), "cleared");
      clear();
    } else return false;
    refresh(true);
    return true;
  }
  pad.addEventListener("keydown", (event) => { if (press(event.key)) event.preventDefault(); });
  pad.addEventListener("focus", () => refresh(pad.matches(":focus-visible")));
  pad.addEventListener("blur", () => refresh(false));
  find("pad-clear").addEventListener("click", () => { clear(); refresh(false); });
  for (const button of document.querySelectorAll("[data-sample]")) {
    button.addEventListener("click", () => {
      ink.clearRect(0, 0, WIDTH, WIDTH);
      sample = samples[button.dataset.sample];
      show();
      refresh(false);
    });
  }
  const select = find("panel-question");
  if (select) select.addEventListener("change", show);
  document.addEventListener("spoken", show);
  find("panel").hidden = false;
  show();
  refresh(false);
})();
