// A network in JavaScript for Node: a sigmoid, softmax and cross-entropy, biases, batches of 64 examples.
//
// backprop-bench vectors --out vectors
// node examples/vectors/network.mjs vectors theirs.json && backprop-bench check-vectors vectors theirs.json

import { readFileSync, writeFileSync } from "node:fs";

const [folder, to] = process.argv.slice(2);
const load = (name) => JSON.parse(readFileSync(`${folder}/json/${name}.json`, "utf8"));
const BATCH = 64, RATE = 1.0, UPDATES = 100, SHOWN = 20;

// Matrices are lists of rows: a row for each example, and in weights for each of the units below.
const transpose = (a) => a[0].map((_, j) => a.map((row) => row[j]));
const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const product = (a, b) => {
  const columns = transpose(b);
  return a.map((row) => columns.map((column) => dot(row, column)));
};
const zip = (f, a, b) => a.map((row, i) => row.map((value, j) => f(value, b[i][j])));
const columnSums = (a) => transpose(a).map((column) => column.reduce((sum, value) => sum + value, 0));
const addBias = (a, b) => a.map((row) => row.map((value, j) => value + b[j]));

const sigmoid = (z) => z.map((row) => row.map((value) => 1 / (1 + Math.exp(-value))));
const softmax = (z) => z.map((row) => {
  const e = row.map((value) => Math.exp(value - Math.max(...row)));
  const sum = e.reduce((a, b) => a + b);
  return e.map((value) => value / sum);
});

function forward({ W1, b1, W2, b2 }, x) {
  const z1 = addBias(product(x, W1), b1), y1 = sigmoid(z1);
  const z2 = addBias(product(y1, W2), b2), y2 = softmax(z2);
  return { z1, y1, z2, y2 };
}

function backward({ W2 }, x, { y1, y2 }, t) {
  const loss = -zip((y, target) => target * Math.log(y), y2, t).flat().reduce((a, b) => a + b) / x.length;
  const dEdz2 = zip((y, target) => (y - target) / x.length, y2, t);
  const dEdy1 = product(dEdz2, transpose(W2));
  const dEdz1 = zip((dy, y) => dy * y * (1 - y), dEdy1, y1);
  return {
    loss, dEdz2, dEdy1, dEdz1,
    dEdW2: product(transpose(y1), dEdz2), dEdb2: columnSums(dEdz2),
    dEdW1: product(transpose(x), dEdz1), dEdb1: columnSums(dEdz1),
  };
}

const descend = (w, g) => (Array.isArray(w) ? w.map((value, i) => descend(value, g[i])) : w - RATE * g);

const x = load("x"), t = load("t"), theirs = { loss_by_epoch: [] };
let weights = { W1: load("W1"), b1: load("b1"), W2: load("W2"), b2: load("b2") }, updates = 0;
for (const order of load("order")) {
  let sum = 0, visited = 0;
  for (let start = 0; start < order.length && updates < UPDATES; start += BATCH) {
    const rows = order.slice(start, start + BATCH), inputs = rows.map((n) => x[n]);
    const passed = forward(weights, inputs), derivatives = backward(weights, inputs, passed, rows.map((n) => t[n]));
    if (updates === 0) Object.assign(theirs, passed, derivatives);
    sum += derivatives.loss * rows.length;
    visited += rows.length;
    updates += 1;
    const next = {};
    for (const name of Object.keys(weights)) next[name] = descend(weights[name], derivatives[`dEd${name}`]);
    weights = next;
    if ([1, 10, 100].includes(updates)) {
      for (const [name, value] of Object.entries(weights)) theirs[`${name}_after_${updates}`] = value;
    }
  }
  if (visited === order.length) theirs.loss_by_epoch.push(sum / visited); // the last epoch is not whole
}
theirs.outputs_after_100 = forward(weights, x.slice(0, SHOWN)).y2;
writeFileSync(to, JSON.stringify(theirs));
