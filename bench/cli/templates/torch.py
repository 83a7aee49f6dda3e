"""A module of PyTorch, checked with `python FILE`, or with `backprop-bench parity FILE:Mine`."""

import torch
from torch import nn

import backprop_bench as bb


class Network(nn.Module):
    """One hidden layer of sigmoids; the outputs are logits."""

    def __init__(self, sizes):
        super().__init__()
        inputs, hidden, outputs = sizes
        self.hidden = nn.Linear(inputs, hidden)
        self.output = nn.Linear(hidden, outputs)

    def forward(self, x):
        return self.output(torch.sigmoid(self.hidden(x)))

    def predict(self, x):
        """Return probabilities for x [examples, inputs], an array of NumPy."""
        with torch.no_grad():
            return torch.softmax(self(torch.from_numpy(x)), dim=1)

    def train_step(self, x, t, learning_rate):
        """Train on one batch of NumPy's arrays; return its loss before the update."""
        optimizer = torch.optim.SGD(self.parameters(), lr=learning_rate)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self(torch.from_numpy(x)), torch.from_numpy(t))
        loss.backward()
        optimizer.step()
        return loss.item()


# The names of the weights, from the inputs on. The suite sets them, trains, and reads them.
Mine = bb.adapt(
    Network,
    weights=["hidden.weight", "hidden.bias", "output.weight", "output.bias"],
    layout="torch",
    train="train_step",
    predict="predict",
)

if __name__ == "__main__":
    print(bb.check(Mine))
