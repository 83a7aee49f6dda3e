"use strict";
// What the page says, in both languages. Text that stands in the page itself has a span for each language there.
const texts = (() => {
  const language = () => document.documentElement.lang;

  const PHRASES = {
    step: ["Step {0} of {1}", "第 {0} 步，共 {1} 步"],
    update: ["update {0}", "第 {0} 次更新"],
    play: ["Play", "播放"],
    pause: ["Pause", "暂停"],
    equation: ["equation ({0})", "公式 ({0})"],
    given: ["given", "已知"],
    right: ["correct value: {0}", "正确值：{0}"],
    instead: ["correct is equation ({0}): {1}", "正确的是公式 ({0})：{1}"],
    measured: ["measured, by moving {0} by ±0.0001 and computing E again: {1} {2}", "实测，把 {0} 改变 ±0.0001 再算 E：{1} {2}"],
    others: ["so too the eight others, see the table", "其余八个同理，见表"],
    random: ["random", "随机"],
    noMistake: ["none: everything is right", "无：全部正确"],
    notNumber: ["{0} is “{1}”, which is not a number. The network keeps {2}.", "{0} 为“{1}”，不是数。网络仍用 {2}。"],
    diverged: ["The training with the mistake diverges: its weights are no longer finite.", "带错误的训练发散了：权重不再是有限的数。"],
    notFinite: [
      "{0} is not finite: a weight, an input or the learning rate is too large. Nothing after it means anything. Reset, or type smaller numbers.",
      "{0} 不是有限的数：某个权重、输入或学习率过大，其后的数都没有意义。请重置，或输入较小的数。",
    ],
    empty: [
      "The drawing is empty: all inputs are 0. So no weight of the hidden layer has a gradient; only biases and output weights have one. Draw, or take a digit.",
      "画板是空的：所有输入为 0，因此隐藏层的权重都没有梯度，只有偏置和输出层权重有。请画一个数字，或选一个现成的。",
    ],
    correct: ["correct", "正确"],
    withMistake: ["with the mistake", "有错误"],
    updates: ["weight updates", "更新次数"],
    loss: ["loss E", "损失 E"],
    epochs: ["epochs", "训练轮数"],
    accuracy: ["accuracy on 100 other digits", "另外 100 个数字上的准确率"],
    surfaceNote: [
      "E from {0} (dark) to {1} (light). The circle is at {2} = {3}, {4} = {5}, where E = {6}. The other weights stay as they are. The line is the path of the updates so far.",
      "E 从 {0}（深）到 {1}（浅）。圆点处 {2} = {3}，{4} = {5}，E = {6}。其余权重不变。折线是到目前为止各次更新走过的路。",
    ],
    surfaceNone: ["E is not finite here: a number is too large. Reset, or type smaller ones.", "此处 E 不是有限的数：某个数过大。请重置，或输入较小的数。"],
    curveNote: [
      "After {0} updates: E = {1}.",
      "{0} 次更新之后：E = {1}。",
    ],
    curveBoth: [
      "After {0} updates: E = {1} when correct, {2} with the mistake.",
      "{0} 次更新之后：正确时 E = {1}，有错误时 E = {2}。",
    ],
    training: ["Training: epoch {0} of {1}", "正在训练：第 {0} 轮，共 {1} 轮"],
    trained: ["After {0} epochs: {1} of 100 right.", "{0} 轮之后：100 个中答对 {1} 个。"],
    trainedBoth: [
      "After {0} epochs: {1} of 100 right when correct, {2} with the mistake.",
      "{0} 轮之后：正确时 100 个中答对 {1} 个，有错误时答对 {2} 个。",
    ],
    unit: ["unit {0}", "单元 {0}"],
    answer: ["The network answers {0}; its target is {1}. E = {2}.", "网络的回答是 {0}，目标是 {1}。E = {2}。"],
    after: ["After the update: the network answers {0}. E goes from {1} to {2}.", "更新之后：网络的回答是 {0}。E 从 {1} 变为 {2}。"],
  };

  // One sentence for each kind of quantity: what happens here, and why.
  const REASONS = {
    z: ["Pre-activation: the weighted sum of what comes in, plus the bias.", "预激活值：输入的加权和，再加偏置。"],
    y: ["Activation: the sigmoid σ(z) = 1 / (1 + e⁻ᶻ) brings the sum between 0 and 1.", "激活值：sigmoid 函数 σ(z) = 1 / (1 + e⁻ᶻ) 把加权和压到 0 与 1 之间。"],
    E: ["Loss: half of the squared distance from the target.", "损失：与目标之差的平方的一半。"],
    dyOut: ["How does E change with the output? By the difference from the target.", "E 随输出如何变化？变化率就是输出与目标之差。"],
    dzOut: [
      "z₅ acts on E through y₅ = σ(z₅) alone. The chain rule multiplies by its derivative, σ′(z₅) = y₅(1 − y₅). ∂E/∂z₅ is called the error of unit 5.",
      "z₅ 只通过 y₅ = σ(z₅) 影响 E。由链式法则，乘以它的导数 σ′(z₅) = y₅(1 − y₅)。∂E/∂z₅ 称为单元 5 的误差。",
    ],
    dW: [
      "A weight's gradient: the error ∂E/∂z of the unit it leads to, times what comes through it from the unit before.",
      "权重的梯度：它通向的单元的误差 ∂E/∂z，乘以从前一个单元传来的值。",
    ],
    db: ["A bias is a weight from an input that is always 1.", "偏置就是一个输入恒为 1 的权重。"],
    dyHidden: [
      "The error goes back along the weight that led forward. With several outputs, one sums over all of them.",
      "误差沿着正向所用的那个权重传回来。若有多个输出，就对所有输出求和。",
    ],
    dzHidden: [
      "z of a hidden unit acts on E through its own y = σ(z) alone. So the chain rule has the derivative of that unit's own sigmoid as a factor: σ′(z) = y(1 − y).",
      "隐藏单元的 z 只通过它自己的 y = σ(z) 影响 E。所以链式法则里有一个因子是该单元自己的 sigmoid 的导数：σ′(z) = y(1 − y)。",
    ],
    moved: [
      "Gradient descent: every weight moves against its gradient, by ε times its size. The next step starts again, with the new weights.",
      "梯度下降：每个权重逆着梯度方向移动，移动量为梯度的 ε 倍。下一步用新的权重重新开始。",
    ],
    ready: ["The example and the weights are given. Press → or “Forward”.", "样本和权重已经给定。请按 → 键或“前进”。"],
  };

  // What each stage of the larger network does.
  const STAGES = [
    ["Inputs: 784 pixels, from 0 (black) to 1 (white).", "输入：784 个像素，从 0（黑）到 1（白）。"],
    ["Forward, (1) and (2): each of 16 hidden units weighs all pixels. Its weights are an image: blue adds, orange takes away.", "正向，公式 (1)、(2)：16 个隐藏单元各自对所有像素加权。权重画成图像：蓝色为正，橙色为负。"],
    ["Forward, (1) and (2): ten output units weigh the 16 activations.", "正向，公式 (1)、(2)：10 个输出单元对 16 个激活值加权。"],
    ["Error, (3) and (4): output minus target. Every output that should be 0 and is not has an error too.", "误差，公式 (3)、(4)：输出减目标。本应为 0 而不为 0 的输出也有误差。"],
    ["Back, (5): times the derivative y(1 − y) of each output unit's own sigmoid. Where y is near 0 or 1, little is left.", "反向，公式 (5)：乘以各输出单元自己的 sigmoid 的导数 y(1 − y)。y 接近 0 或 1 时所剩无几。"],
    ["Back, (7): each hidden unit sums the errors of all ten outputs, each times the weight that leads there.", "反向，公式 (7)：每个隐藏单元把 10 个输出的误差按相连的权重加权求和。"],
    ["Back, (5): times the derivative y(1 − y) of each hidden unit's own sigmoid.", "反向，公式 (5)：乘以各隐藏单元自己的 sigmoid 的导数 y(1 − y)。"],
    ["Gradient, (6): error of the unit times pixel. So each gradient is the drawing itself, weighed by one number.", "梯度，公式 (6)：单元的误差乘以像素。所以每个梯度都是这幅图本身，乘以一个数。"],
    ["Update, (8): all 12,730 weights and biases move against their gradients, with ε = 3. What is shown is computed with the new ones.", "更新，公式 (8)：12,730 个权重和偏置都逆着梯度移动，ε = 3。显示的是用新权重算出的值。"],
  ];

  // The mistakes in Chinese; in English they have the names of docs/mutations.md.
  const MISTAKES = {
    "the derivative of the hidden activation is missing": "缺少隐藏层激活函数的导数",
    "the derivative of the output activation is missing": "缺少输出层激活函数的导数",
    "the error is propagated back without the derivative of the output activation": "误差传回时没有乘输出层激活函数的导数",
    "the derivative of the hidden activation takes z instead of y": "隐藏层激活函数的导数用了 z 而不是 y",
    "the derivative of the hidden activation takes y as if it were z": "隐藏层激活函数的导数把 y 当成了 z",
    "the error is t − y instead of y − t": "误差写成 t − y 而不是 y − t",
    "the gradient of the weights takes the pre-activations z of the layer below instead of its activations y":
      "权重的梯度用了前一层的预激活值 z 而不是激活值 y",
    "the weights of the hidden layers are never updated": "隐藏层的权重从不更新",
  };

  const inLanguage = (pair) => pair[language() === "zh" ? 1 : 0];
  const filled = (text, values) => text.replace(/\{(\d)\}/g, (_, n) => values[n]);

  return {
    language,
    phrase: (name, ...values) => filled(inLanguage(PHRASES[name]), values),
    reason: (name) => inLanguage(REASONS[name]),
    stage: (n) => inLanguage(STAGES[n]),
    stages: STAGES.length,
    mistake: (name) => (language() === "zh" ? MISTAKES[name] : name),
  };
})();

// An element of a picture.
function svg(tag, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

// Numbers as they are read: six decimals as in docs/derivation.md, or as few as a typed one has.
const numbers = (() => {
  const SIGN = /^-/;
  const scientific = (value) => {
    const [head, power] = value.toExponential(2).split("e");
    return `${minus(head)} · 10${[...power.replace("+", "")].map((sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)]).join("")}`;
  };
  const minus = (text) => text.replace(SIGN, "−");
  function computed(value, decimals = 6) {
    if (Number.isNaN(value)) return "NaN";
    if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
    const size = Math.abs(value);
    const least = decimals < 3 ? 0 : decimals < 6 ? 0.5 * 10 ** -decimals : 1e-4; // below, too few digits would be left
    if (size !== 0 && (size >= 1e6 || size < least)) return scientific(value);
    return minus(value.toFixed(decimals).replace(/^-(0\.?0*)$/, "$1"));
  }
  const typed = (value) => (/^[^e]{1,8}$/.test(String(value)) ? minus(String(value)) : computed(value));
  // A factor of a product: negative ones in brackets.
  const factor = (text) => (/^−|·/.test(text) ? `(${text})` : text);
  return { computed, typed, factor };
})();
