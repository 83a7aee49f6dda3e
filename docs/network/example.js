"use strict";
// The worked example of docs/derivation.md: 2 inputs, 2 hidden units, 1 output unit, and what is computed in which order.
const example = (() => {
  const START = {
    x1: 0.5, x2: -1, t5: 1, w13: 0.1, w14: -0.2, w23: 0.3, w24: 0.4, b3: 0.05, b4: -0.05, w35: 0.7, w45: -0.6, b5: 0.2, rate: 0.5,
  };
  const WEIGHTS = ["w13", "w14", "w23", "w24", "b3", "b4", "w35", "w45", "b5"];
  const DIGITS = "₀₁₂₃₄₅₆₇₈₉";
  const low = (number) => [...String(number)].map((digit) => DIGITS[digit]).join("");

  // ε for the rate, w₁₃ for w13, ∂E/∂z₃ for dz3, w₁₃′ for new-w13.
  function symbol(key) {
    if (key === "rate") return "ε";
    if (key === "E") return "E";
    if (key.startsWith("new-")) return `${symbol(key.slice(4))}′`;
    const [, head, number] = key.match(/^([a-z]+)(\d+)$/);
    return head.startsWith("d") && head.length > 1 ? `∂E/∂${head[1]}${low(number)}` : `${head}${low(number)}`;
  }

  const layersOf = (given) => [
    { inputs: 2, outputs: 2, W: Float64Array.of(given.w13, given.w14, given.w23, given.w24), b: Float64Array.of(given.b3, given.b4) },
    { inputs: 2, outputs: 1, W: Float64Array.of(given.w35, given.w45), b: Float64Array.of(given.b5) },
  ];

  // Weights by name, in the order of WEIGHTS, from layers or from their gradient.
  const named = ([first, second], prefix = "") => {
    const values = [...first.W, ...first.b, ...second.W, ...second.b];
    return Object.fromEntries(WEIGHTS.map((name, n) => [prefix + name, values[n]]));
  };

  // Every number of one step of gradient descent, by its key.
  function compute(given, mistake = "") {
    const layers = layersOf(given);
    const passed = backprop.forward(layers, [given.x1, given.x2]);
    const { dy, dz, gradient } = backprop.backward(layers, passed, [given.t5], mistake);
    const moved = backprop.copyOf(layers);
    backprop.update(moved, gradient, given.rate, mistake);
    return {
      ...given,
      z3: passed.z[0][0], z4: passed.z[0][1], y3: passed.y[1][0], y4: passed.y[1][1], z5: passed.z[1][0], y5: passed.y[2][0],
      E: backprop.lossOf(passed.y[2], [given.t5]),
      dy5: dy[1][0], dz5: dz[1][0], dy3: dy[0][0], dy4: dy[0][1], dz3: dz[0][0], dz4: dz[0][1],
      ...named(gradient, "d"),
      ...named(moved, "new-"),
    };
  }

  const lossAt = (given) => {
    const layers = layersOf(given);
    return backprop.lossOf(backprop.forward(layers, [given.x1, given.x2]).y[2], [given.t5]);
  };

  // The steps in order, each with the key that it computes. `formula` writes the right side with whatever stands for a key: its symbol, or its number.
  const sum = (f, pairs, bias) => `${pairs.map(([a, b]) => backprop.times(f(a), f(b))).join(" + ")}${bias ? ` + ${f(bias)}` : ""}`;
  const parts = () => backprop.partsOf(example.mistake);

  // The keys that a formula takes, as it is with the mistake that is on.
  const usedBy = ({ formula }) => [...formula((key) => `{${key}}`).matchAll(/\{(.+?)\}/g)].map(([, key]) => key);

  // The formula without the mistake.
  function rightFormula({ formula }, f) {
    const { mistake } = example;
    example.mistake = "";
    const text = formula(f);
    example.mistake = mistake;
    return text;
  }

  // The derivative of E with respect to a weight, measured: E is computed with the weight a little larger and smaller.
  function measured(given, weight, h = 1e-4) {
    const at = (step) => lossAt({ ...given, [weight]: given[weight] + step });
    return (at(h) - at(-h)) / (2 * h);
  }

  const weighted = (key, pairs, bias) => ({
    key, equation: 1, reason: "z", formula: (f) => sum(f, pairs, bias),
  });
  const activated = (key, z) => ({ key, equation: 2, reason: "y", formula: (f) => `σ(${f(z, true)})` });
  const gradientOf = (weight, below, z, above) => ({
    key: `d${weight}`,
    equation: 6,
    reason: "dW",
    formula: (f) => backprop.times(f(above), z ? parts().below.text(f(below), f(z)) : f(below)),
  });
  const ofBias = (bias, above) => ({ key: `d${bias}`, equation: 6, reason: "db", formula: (f) => backprop.times(f(above), "1") });
  const sentBack = (key, weight) => ({
    key, equation: 7, reason: "dyHidden", formula: (f) => backprop.times(parts().sent.text(f("dy5"), f("dz5")), f(weight)),
  });
  const ofHidden = (key, dy, y, z) => ({
    key, equation: 5, reason: "dzHidden", formula: (f) => parts().hidden.text(f(dy), f(y), f(z)),
  });

  const STEPS = [
    weighted("z3", [["x1", "w13"], ["x2", "w23"]], "b3"),
    activated("y3", "z3"),
    weighted("z4", [["x1", "w14"], ["x2", "w24"]], "b4"),
    activated("y4", "z4"),
    weighted("z5", [["y3", "w35"], ["y4", "w45"]], "b5"),
    activated("y5", "z5"),
    { key: "E", equation: 3, reason: "E", formula: (f) => `½ (${f("y5", true)} − ${f("t5")})²` },
    { key: "dy5", equation: 4, reason: "dyOut", formula: (f) => parts().error.text(f("y5"), f("t5")) },
    { key: "dz5", equation: 5, reason: "dzOut", formula: (f) => parts().output.text(f("dy5"), f("y5")) },
    gradientOf("w35", "y3", "z3", "dz5"),
    gradientOf("w45", "y4", "z4", "dz5"),
    ofBias("b5", "dz5"),
    sentBack("dy3", "w35"),
    sentBack("dy4", "w45"),
    ofHidden("dz3", "dy3", "y3", "z3"),
    ofHidden("dz4", "dy4", "y4", "z4"),
    gradientOf("w13", "x1", null, "dz3"),
    gradientOf("w23", "x2", null, "dz3"),
    ofBias("b3", "dz3"),
    gradientOf("w14", "x1", null, "dz4"),
    gradientOf("w24", "x2", null, "dz4"),
    ofBias("b4", "dz4"),
    ...WEIGHTS.map((weight) => ({
      key: `new-${weight}`,
      equation: 8,
      reason: "moved",
      together: true, // all of them are one step of the page
      formula: (f) => {
        const isBelow = weight.startsWith("w") && !weight.endsWith("5");
        return `${f(weight, true)} − ${backprop.times(isBelow ? parts().moved.text(f("rate")) : f("rate"), f(`d${weight}`))}`;
      },
    })),
  ];

  return { START, WEIGHTS, STEPS, symbol, compute, usedBy, rightFormula, measured, lossAt, layersOf, mistake: "" };
})();
