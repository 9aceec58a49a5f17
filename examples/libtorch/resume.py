"""Goes on in Python where train.cc stopped: resume.py FROM TO STEPS. The losses are those that train.cc would have had."""

import sys

import torch


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = torch.nn.Linear(8, 16)
        self.norm = torch.nn.BatchNorm1d(16)
        self.dropout = torch.nn.Dropout(0.25)
        self.out = torch.nn.Linear(16, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.out(self.dropout(torch.relu(self.norm(self.hidden(x)))))
        return result


def main() -> None:
    source, target, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(1)
    checkpoint = torch.load(source, weights_only=True)  # holdall.torch.load(source) gives the same
    net = Net()
    net.load_state_dict(checkpoint["model_state_dict"])
    optimizer = torch.optim.SGD(net.parameters())  # the settings come with the state
    optimizer.load_state_dict(checkpoint["optimizer_state_dict"])
    torch.set_rng_state(checkpoint["rng_state"])
    step = checkpoint["step"]
    for step in range(step + 1, step + 1 + steps):
        x = torch.randn(32, 8)
        optimizer.zero_grad()
        loss = (net(x) - x.sum(1, keepdim=True).sin()).square().mean()
        loss.backward()
        optimizer.step()
        print(f"step {step} loss {loss.item():.9g}")
    torch.save(
        {
            "step": step,
            "model_state_dict": net.state_dict(),
            "optimizer_state_dict": optimizer.state_dict(),
            "rng_state": torch.get_rng_state(),
        },
        target,
    )


if __name__ == "__main__":
    main()
