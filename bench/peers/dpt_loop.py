"""Training of a Decision-Pretrained Transformer (Lee et al. 2023) as one writes it by hand with transformers: one linear map into a GPT-2 of
width 32, one out of it, cross-entropy of the optimal action after every transition, AdamW. Our own lines of the published procedure, not
the authors' code. Contexts are random numbers of the right shape, since speed does not depend on what is learned.

`python dpt_loop.py darkroom|bandit HEADS STEPS BATCH THREADS sdpa|eager` prints a line a step."""

import json
import sys

import torch
from torch.nn.functional import cross_entropy, one_hot
from torch.utils.data import DataLoader, Dataset
from transformers import GPT2Config, GPT2Model

shape, heads, steps, batch, threads, attention = sys.argv[1:]
torch.set_num_threads(int(threads))
torch.manual_seed(0)
# Numbers in a state, actions, and transitions of a context.
state, actions, horizon = {"darkroom": (2, 5, 100), "bandit": (1, 5, 500)}[shape]
width, layers = 32, 4


class Contexts(Dataset):
    """A query state, its optimal action and a set of transitions, which every look puts into another order."""

    def __init__(self, count):
        self.query = torch.randint(0, 10, (count, state)).float()
        self.optimal = torch.randint(0, actions, (count,))
        states = torch.randint(0, 10, (2, count, horizon, state)).float()
        taken = one_hot(torch.randint(0, actions, (count, horizon)), actions).float()
        rewards = torch.rand(count, horizon, 1)
        self.transitions = torch.cat([states[0], taken, states[1], rewards], dim=2)

    def __len__(self):
        return len(self.query)

    def __getitem__(self, i):
        return self.query[i], self.transitions[i][torch.randperm(horizon)], self.optimal[i]


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        config = GPT2Config(
            vocab_size=1, n_positions=4 * (1 + horizon), n_embd=width, n_layer=layers, n_head=int(heads),
            resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, use_cache=False, attn_implementation=attention,
        )
        self.embed_transition = torch.nn.Linear(2 * state + actions + 1, width)
        self.transformer = GPT2Model(config)
        self.pred_actions = torch.nn.Linear(width, actions)

    def forward(self, query, transitions):
        first = torch.nn.functional.pad(query, (0, actions + state + 1))[:, None]
        tokens = self.embed_transition(torch.cat([first, transitions], dim=1))
        return self.pred_actions(self.transformer(inputs_embeds=tokens).last_hidden_state)[:, 1:]


model = Network()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)
contexts = DataLoader(Contexts(int(batch) * 8), batch_size=int(batch), shuffle=True)

step = 0
while step < int(steps):
    for query, transitions, optimal in contexts:
        logits = model(query, transitions)
        optimizer.zero_grad()
        loss = cross_entropy(logits.reshape(-1, actions), optimal[:, None].expand(-1, horizon).reshape(-1))
        loss.backward()
        optimizer.step()
        step += 1
        print(json.dumps({"event": "step", "step": step, "loss": loss.item()}), flush=True)
        if step == int(steps):
            break
