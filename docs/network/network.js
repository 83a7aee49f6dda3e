"use strict";
// A network of sigmoids with squared error, one example at a time, and mistakes that one can make in it. Numbers in
// brackets are those of the equations in docs/derivation.md. Weights are [inputs, outputs], row by row, as everywhere.
const backprop = (() => {
  const sigmoid = (z) => 1 / (1 + Math.exp(-z)); // (2)

  // ---- What a mistake can change. Each part computes a number, and writes the same with names or numbers put in.

  const times = (a, b) => `${a} · ${b}`;
  const RIGHT = {
    error: { value: (y, t) => y - t, text: (y, t) => `${y} − ${t}` }, // (4)
    output: { value: (dy, y) => dy * y * (1 - y), text: (dy, y) => `${dy} · ${y} · (1 − ${y})` }, // (5)
    sent: { value: (dy, dz) => dz, text: (dy, dz) => dz }, // what (7) takes from the output units
    hidden: { value: (dy, y) => dy * y * (1 - y), text: (dy, y) => `${dy} · ${y} · (1 − ${y})` }, // (5)
    below: { value: (y) => y, text: (y) => y }, // what (6) takes from below a weight
    moved: { value: (rate) => rate, text: (rate) => rate }, // the learning rate of the weights below the last layer
  };

  // The names are those of docs/mutations.md; a test compares every gradient with that of the mistake there.
  const MISTAKES = {
    "the derivative of the hidden activation is missing": { hidden: { value: (dy) => dy, text: (dy) => dy } },
    "the derivative of the output activation is missing": { output: { value: (dy) => dy, text: (dy) => dy } },
    "the error is propagated back without the derivative of the output activation": {
      sent: { value: (dy) => dy, text: (dy) => dy },
    },
    "the derivative of the hidden activation takes z instead of y": {
      hidden: { value: (dy, y, z) => dy * z * (1 - z), text: (dy, y, z) => `${dy} · ${z} · (1 − ${z})` },
    },
    "the derivative of the hidden activation takes y as if it were z": {
      hidden: {
        value: (dy, y) => dy * sigmoid(y) * (1 - sigmoid(y)),
        text: (dy, y) => `${dy} · σ(${y}) · (1 − σ(${y}))`,
      },
    },
    "the error is t − y instead of y − t": { error: { value: (y, t) => t - y, text: (y, t) => `${t} − ${y}` } },
    "the gradient of the weights takes the pre-activations z of the layer below instead of its activations y": {
      below: { value: (y, z) => z, text: (y, z) => z },
    },
    "the weights of the hidden layers are never updated": { moved: { value: () => 0, text: () => "0" } },
  };

  const partsOf = (mistake) => ({ ...RIGHT, ...(MISTAKES[mistake] || {}) });

  // ---- The network

  // Pre-activations z and activations y of every layer from the inputs x of one example; y[0] are the inputs.
  function forward(layers, x) {
    const [z, y] = [[], [Float64Array.from(x)]];
    layers.forEach(({ inputs, outputs, W, b }, n) => {
      const total = Float64Array.from(b);
      for (let i = 0; i < inputs; i += 1) {
        const value = y[n][i];
        if (value === 0) continue;
        for (let j = 0; j < outputs; j += 1) total[j] += value * W[i * outputs + j]; // (1)
      }
      z.push(total);
      y.push(total.map(sigmoid)); // (2)
    });
    return { z, y };
  }

  const lossOf = (y, t) => y.reduce((sum, value, k) => sum + 0.5 * (value - t[k]) ** 2, 0); // (3)

  // dE/dy and dE/dz of every layer, and dE/dw of every weight and bias, for the targets t of the example.
  function backward(layers, { z, y }, t, mistake = "") {
    const { error, output, sent, hidden, below } = partsOf(mistake);
    const last = layers.length - 1;
    const [dy, dz, gradient] = [[], [], []];
    dy[last] = y[last + 1].map((value, k) => error.value(value, t[k]));
    dz[last] = dy[last].map((value, k) => output.value(value, y[last + 1][k]));
    for (let n = last; n >= 0; n -= 1) {
      const { inputs, outputs, W } = layers[n];
      const lower = n > 0 ? y[n].map((value, i) => below.value(value, z[n - 1][i])) : y[n];
      const dW = new Float64Array(inputs * outputs);
      for (let i = 0; i < inputs; i += 1) {
        if (lower[i] === 0) continue;
        for (let j = 0; j < outputs; j += 1) dW[i * outputs + j] = lower[i] * dz[n][j]; // (6)
      }
      gradient[n] = { W: dW, b: Float64Array.from(dz[n]) }; // (6), for an input that is always 1
      if (n === 0) break;
      const back = n === last ? dz[n].map((value, j) => sent.value(dy[n][j], value)) : dz[n];
      dy[n - 1] = new Float64Array(inputs);
      for (let i = 0; i < inputs; i += 1) {
        for (let j = 0; j < outputs; j += 1) dy[n - 1][i] += back[j] * W[i * outputs + j]; // (7)
      }
      dz[n - 1] = dy[n - 1].map((value, i) => hidden.value(value, y[n][i], z[n - 1][i]));
    }
    return { dy, dz, gradient };
  }

  // Move all weights, in place.
  function update(layers, gradient, rate, mistake = "") {
    const { moved } = partsOf(mistake);
    layers.forEach(({ W, b }, n) => {
      const step = n < layers.length - 1 ? moved.value(rate) : rate;
      gradient[n].W.forEach((value, place) => { W[place] -= step * value; }); // (8)
      gradient[n].b.forEach((value, place) => { b[place] -= rate * value; }); // (8)
    });
  }

  const copyOf = (layers) => layers.map(({ inputs, outputs, W, b }) => ({ inputs, outputs, W: W.slice(), b: b.slice() }));

  // One pass over the examples, in their order, in batches of `size`; the gradient is the mean over a batch, (26).
  function train(layers, examples, size, rate, mistake = "") {
    let loss = 0;
    for (let start = 0; start < examples.length; start += size) {
      const batch = examples.slice(start, start + size);
      const sum = layers.map(({ W, b }) => ({ W: new Float64Array(W.length), b: new Float64Array(b.length) }));
      for (const { x, t } of batch) {
        const passed = forward(layers, x);
        loss += lossOf(passed.y[layers.length], t);
        backward(layers, passed, t, mistake).gradient.forEach(({ W, b }, n) => {
          W.forEach((value, place) => { sum[n].W[place] += value / batch.length; });
          b.forEach((value, place) => { sum[n].b[place] += value / batch.length; });
        });
      }
      update(layers, sum, rate, mistake);
    }
    return loss / examples.length;
  }

  // Weights and biases drawn evenly from ±1/√inputs, the same ones in every browser.
  function initial(sizes, seed = 1) {
    let state = seed >>> 0;
    const draw = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    return sizes.slice(1).map((outputs, n) => {
      const inputs = sizes[n];
      const drawn = (count) => Float64Array.from({ length: count }, () => (2 * draw() - 1) / Math.sqrt(inputs));
      return { inputs, outputs, W: drawn(inputs * outputs), b: drawn(outputs) };
    });
  }

  return { MISTAKES, partsOf, times, forward, lossOf, backward, update, copyOf, train, initial };
})();
