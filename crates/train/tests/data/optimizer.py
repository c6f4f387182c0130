"""Reference for AdamW with decoupled decay and clipping by the global norm: five updates by PyTorch.

    venv/bin/python optimizer.py > optimizer.json
"""

import json
import torch

torch.manual_seed(0)
p = torch.nn.Parameter(torch.randn(37))
start = p.detach().tolist()
optimizer = torch.optim.AdamW([p], lr=0.02, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1)
gradients, norms, after = [], [], []
for i in range(5):
    p.grad = torch.randn(37) * (0.1 if i == 2 else 1.0)
    gradients.append(p.grad.tolist())
    norms.append(torch.nn.utils.clip_grad_norm_([p], 1.0).item())
    optimizer.step()
    after.append(p.detach().tolist())
print(json.dumps({"torch": torch.__version__, "start": start, "gradients": gradients, "norms": norms, "after": after}))
