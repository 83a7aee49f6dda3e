"use strict";
// The third part of the page: the same steps with 784 inputs, 16 hidden units and 10 outputs, for a drawn digit.
const digits = (() => {
  const find = (id) => document.getElementById(id);
  const SIDE = 28;
  const SIZES = [SIDE * SIDE, 16, 10];
  const RATE = 3;
  const BATCH = 10;
  const EPOCHS = 15;
  const LAST = texts.stages - 1;
  const SECONDS = 2;

  const bytesOf = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const oneHot = (label) => Array.from({ length: 10 }, (_, k) => (k === label ? 1 : 0));

  // Images of MNIST, as examples with inputs from 0 to 1.
  function examplesOf({ labels, pixels }) {
    const bytes = bytesOf(pixels);
    return [...labels].map((label, n) => ({
      label: Number(label),
      x: Float64Array.from(bytes.subarray(n * SIDE * SIDE, (n + 1) * SIDE * SIDE), (value) => value / 255),
      t: oneHot(Number(label)),
    }));
  }

  // Weights as int16, little-endian: W of a layer row by row, then its biases.
  function trainedLayers() {
    const view = new DataView(bytesOf(mnist.weights).buffer);
    let place = 0;
    const next = (count) => Float64Array.from({ length: count }, () => view.getInt16(2 * place++, true) / mnist.perUnit);
    return SIZES.slice(1).map((outputs, n) => ({ inputs: SIZES[n], outputs, W: next(SIZES[n] * outputs), b: next(outputs) }));
  }

  const training = examplesOf(mnist.training);
  const testing = examplesOf(mnist.test);
  let layers = trainedLayers();
  let moved = null; // the weights after the update, once it is made
  let image = new Float64Array(SIDE * SIDE);
  let at = 0;
  let past = []; // the weights before each update that was kept
  let timer = null;
  let run = 0; // of the training that is shown, so that an older one ends

  // ---- Images

  const largestOf = (values) => values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) || 1;

  // Blue above 0, orange below, `largest` as strong as it gets; 0 has the colour of the page.
  function paintSigned(canvas, values, width, largest = largestOf(values)) {
    paint(canvas, width, [...values], (value) => {
      const share = Math.sqrt(Math.abs(value) / largest);
      return [...(value > 0 ? [74, 144, 226] : [232, 120, 40]), Math.round(255 * share)];
    });
  }

  const paintGrey = (canvas, values) => paint(canvas, SIDE, [...values], (value) => [255, 255, 255, Math.round(255 * value)]);

  function paint(canvas, width, values, colour) {
    canvas.width = width;
    canvas.height = values.length / width;
    const context = canvas.getContext("2d");
    const made = context.createImageData(canvas.width, canvas.height);
    values.forEach((value, n) => made.data.set(Number.isFinite(value) ? colour(value) : [128, 128, 128, 255], 4 * n));
    context.putImageData(made, 0, 0);
  }

  // ---- What is shown of a unit

  function drawUnits() {
    for (let j = 0; j < SIZES[1]; j += 1) {
      const card = document.createElement("li");
      card.innerHTML = "<span class=\"title\"></span><span class=\"images\"><canvas class=\"weights\"></canvas><canvas class=\"gradient\"></canvas></span><span class=\"y\"></span><span class=\"dy\"></span><span class=\"dz\"></span>";
      find("hidden-units").append(card);
    }
    for (let k = 0; k < SIZES[2]; k += 1) {
      const row = document.createElement("tr");
      row.innerHTML = "<th scope=\"row\"></th><td class=\"bar\"><span></span></td><td class=\"y\"></td><td class=\"t\"></td><td class=\"dy\"></td><td class=\"dz\"></td>";
      row.children[0].textContent = String(k);
      find("output-units").append(row);
    }
    for (let n = 0; n < 10; n += 1) {
      const button = document.createElement("button");
      button.textContent = String(n);
      button.addEventListener("click", () => take(testing.find(({ label }) => label === n)));
      find("samples").append(button);
      find("target").append(new Option(String(n), String(n)));
    }
  }

  const put = (cell, isShown, value) => {
    cell.textContent = isShown ? numbers.computed(value, 4) : "";
    cell.dataset.value = isShown ? String(value) : "";
  };

  function computed() {
    const t = oneHot(Number(find("target").value));
    const passed = backprop.forward(layers, image);
    return { t, ...passed, ...backprop.backward(layers, passed, t, example.mistake) };
  }

  function column(W, outputs, j) {
    return Float64Array.from({ length: W.length / outputs }, (_, i) => W[i * outputs + j]);
  }

  // After the update, the values are those of the new weights, and there are no errors yet.
  function showHidden({ y, dy, dz, gradient }) {
    const source = moved || layers;
    const largest = largestOf(gradient[0].W); // one scale for all units
    [...find("hidden-units").children].forEach((card, j) => {
      card.querySelector(".title").textContent = texts.phrase("unit", j + 1);
      paintSigned(card.querySelector(".weights"), column(source[0].W, SIZES[1], j), SIDE);
      const picture = card.querySelector(".gradient");
      picture.classList.toggle("empty", at < 7);
      paintSigned(picture, at >= 7 ? column(gradient[0].W, SIZES[1], j) : new Float64Array(SIDE * SIDE), SIDE, largest);
      for (const [name, from, value] of [["y", 1, y[1][j]], ["dy", 5, dy[0][j]], ["dz", 6, dz[0][j]]]) {
        const cell = card.querySelector(`.${name}`);
        const isShown = at >= from && (name === "y" || at < LAST);
        put(cell, isShown, value);
        if (isShown) cell.textContent = `${name === "y" ? "y" : `∂E/∂${name[1]}`} ${cell.textContent}`;
      }
    });
  }

  function showOutputs({ y, t, dy, dz, gradient }) {
    const outputs = y[2];
    const best = outputs.indexOf(Math.max(...outputs));
    [...find("output-units").children].forEach((row, k) => {
      row.classList.toggle("best", at >= 2 && k === best);
      row.querySelector(".bar span").style.width = at >= 2 ? `${100 * outputs[k]}%` : "0";
      put(row.querySelector(".y"), at >= 2, outputs[k]);
      put(row.querySelector(".t"), at >= 3, t[k]);
      row.querySelector(".t").textContent = at >= 3 ? String(t[k]) : "";
      put(row.querySelector(".dy"), at >= 3 && at < LAST, dy[1][k]);
      put(row.querySelector(".dz"), at >= 4 && at < LAST, dz[1][k]);
    });
    paintSigned(find("output-gradient"), gradient[1].W, 10);
    find("output-gradient-frame").classList.toggle("empty", at < 7);
    return { outputs, best };
  }

  function show() {
    const before = computed();
    const values = moved ? { ...before, y: backprop.forward(moved, image).y } : before;
    paintGrey(find("input"), image);
    showHidden(values);
    const { outputs, best } = showOutputs(values);
    find("stage").textContent = texts.stage(at);
    find("stage-where").textContent = `${texts.phrase("step", at, LAST)} · ${texts.phrase("update", past.length + 1)}`;
    const loss = backprop.lossOf(before.y[2], before.t);
    const short = (value) => numbers.computed(value, 4);
    find("answer").textContent = at < 2 ? ""
      : at < LAST ? texts.phrase("answer", best, find("target").value, short(loss))
      : texts.phrase("after", best, short(loss), short(backprop.lossOf(outputs, values.t)));
    find("empty").textContent = image.some((value) => value > 0) ? "" : texts.phrase("empty");
    find("digit-back").disabled = at === 0 && past.length === 0;
    find("weights").options[1].textContent = texts.phrase("random");
    find("digit-play").textContent = texts.phrase(timer ? "pause" : "play");
  }

  // ---- Moving

  // The update is made on the way into the last stage, and taken back on the way out of it, or kept by going on.
  function go(stage) {
    const next = Math.max(0, Math.min(stage, LAST));
    if (at === LAST && next === LAST) return;
    moved = null;
    at = next;
    if (at === LAST) {
      moved = backprop.copyOf(layers);
      backprop.update(moved, computed().gradient, RATE, example.mistake);
    }
    show();
  }

  function forward() {
    if (at < LAST) return go(at + 1);
    past.push(layers);
    layers = moved;
    return go(1);
  }

  function back() {
    if (at > 1 || past.length === 0) return go(at - 1);
    layers = past.pop();
    return go(LAST);
  }

  function play(isOn) {
    clearInterval(timer);
    timer = isOn ? setInterval(forward, 1000 * SECONDS) : null;
    show();
  }

  // Whoever moves on takes over from playing.
  const taking = (action) => () => {
    clearInterval(timer);
    timer = null;
    action();
  };

  function restart(stage = Math.min(at, 2)) {
    moved = null;
    at = stage;
    show();
  }

  // ---- Drawing

  // A digit that somebody takes or draws is answered at once.
  function take(sample, stage = 2) {
    image = sample.x.slice();
    find("target").value = String(sample.label);
    restart(stage);
  }

  function clear() {
    image = new Float64Array(SIDE * SIDE);
    restart();
  }

  // A soft round pen, two pixels across.
  function stroke(from, to) {
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(to.x - from.x, to.y - from.y)));
    for (let step = 0; step <= steps; step += 1) {
      const [x, y] = [from.x + ((to.x - from.x) * step) / steps, from.y + ((to.y - from.y) * step) / steps];
      for (let row = Math.max(0, Math.floor(y - 2)); row <= Math.min(SIDE - 1, y + 2); row += 1) {
        for (let place = Math.max(0, Math.floor(x - 2)); place <= Math.min(SIDE - 1, x + 2); place += 1) {
          const ink = Math.max(0, Math.min(1, 1.9 - Math.hypot(place + 0.5 - x, row + 0.5 - y)));
          image[row * SIDE + place] = Math.max(image[row * SIDE + place], ink);
        }
      }
    }
  }

  function listenToPen() {
    const pad = find("input");
    let last = null;
    const place = (event) => {
      const box = pad.getBoundingClientRect();
      return { x: ((event.clientX - box.left) / box.width) * SIDE, y: ((event.clientY - box.top) / box.height) * SIDE };
    };
    const draw = (event) => {
      const next = place(event);
      stroke(last, next);
      last = next;
      restart(2);
    };
    pad.addEventListener("pointerdown", (event) => {
      pad.setPointerCapture(event.pointerId);
      last = place(event);
      draw(event);
    });
    pad.addEventListener("pointermove", (event) => { if (last) draw(event); });
    for (const name of ["pointerup", "pointercancel"]) pad.addEventListener(name, () => { last = null; });
  }

  // ---- Training, epoch by epoch, without and with the mistake

  const answersRight = (network) => testing.filter(({ x, label }) => {
    const outputs = backprop.forward(network, x).y[2];
    return outputs.indexOf(Math.max(...outputs)) === label;
  }).length;

  function train() {
    run += 1;
    find("accuracies").removeAttribute("hidden");
    const mine = run;
    const sides = [{ name: texts.phrase("correct"), mistake: "", look: "correct" }];
    if (example.mistake) sides.push({ name: texts.phrase("withMistake"), mistake: example.mistake, look: "mistaken" });
    for (const side of sides) {
      side.layers = backprop.initial(SIZES);
      side.values = [answersRight(side.layers) / testing.length];
    }
    const epoch = (number) => {
      if (mine !== run) return;
      for (const side of sides) {
        backprop.train(side.layers, training, BATCH, RATE, side.mistake);
        side.values.push(answersRight(side.layers) / testing.length);
      }
      charts.drawCurves(find("accuracies"), { series: sides, first: 0, top: 1, xLabel: texts.phrase("epochs"), yLabel: texts.phrase("accuracy") });
      const ends = sides.map(({ values }) => Math.round(testing.length * values[number]));
      const isFinite = sides.every(({ layers: [, { W }] }) => W.every(Number.isFinite));
      find("training-note").textContent = !isFinite
        ? texts.phrase("diverged")
        : number < EPOCHS
        ? texts.phrase("training", number, EPOCHS)
        : texts.phrase(ends.length > 1 ? "trainedBoth" : "trained", EPOCHS, ...ends);
      if (number < EPOCHS) setTimeout(() => epoch(number + 1), 0);
    };
    setTimeout(() => epoch(1), 0);
  }

  function useWeights() {
    layers = find("weights").value === "initial" ? backprop.initial(SIZES) : trainedLayers();
    past = [];
    restart();
  }

  function begin() {
    drawUnits();
    listenToPen();
    find("digit-forward").addEventListener("click", keys.ArrowRight);
    find("digit-back").addEventListener("click", keys.ArrowLeft);
    find("digit-play").addEventListener("click", keys[" "]);
    find("digit-reset").addEventListener("click", taking(useWeights));
    find("clear").addEventListener("click", clear);
    find("target").addEventListener("change", () => restart());
    find("weights").addEventListener("change", useWeights);
    find("train").addEventListener("click", train);
    take(testing.find(({ label }) => label === 3), 0);
  }

  const keys = { ArrowRight: taking(forward), ArrowLeft: taking(back), Home: taking(() => go(0)), End: taking(() => go(LAST)), " ": () => play(!timer) };

  // What is shown changes with the language and with the mistake.
  function refresh() {
    restart();
    if (run > 0) train();
  }

  return { begin, refresh, keys, layers: () => layers, moved: () => moved, image: () => image, computed, SIZES, RATE, BATCH, EPOCHS, training, testing, train };
})();
