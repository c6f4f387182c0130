"""A decision service as one writes it in Python: α-vectors behind uvicorn (uvloop, httptools), without a framework in between.

`--decide numpy` takes the largest product of the vectors with the session's belief; `--decide onnx` has ONNX Runtime do the same,
the policy as a network in float32, as networks are: one matrix product and an ArgMax, on one thread. Sessions' beliefs are read when it starts, and nothing moves them.
"""

import argparse
import json
import socket

import numpy as np
import uvicorn

parser = argparse.ArgumentParser()
parser.add_argument("--decide", choices=["numpy", "onnx"], required=True)
parser.add_argument("--vectors", required=True, help="a file of pomdp-solve: an action, then its vector, and so on")
parser.add_argument("--sessions", required=True, help="JSON: names of actions, and beliefs by id")
args = parser.parse_args()

with open(args.vectors) as file:
    lines = [line.split() for line in file if line.strip()]
actions = [int(line[0]) for line in lines[0::2]]
vectors = np.array([[float(x) for x in line] for line in lines[1::2]])
with open(args.sessions) as file:
    known = json.load(file)
names = known["actions"]
beliefs = {id: np.array(belief, dtype=float) for id, belief in known["beliefs"].items()}

if args.decide == "numpy":

    def decide(belief):
        values = vectors @ belief
        best = int(values.argmax())
        return best, float(values[best])

else:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["vectors", "belief"], ["values"]),
            helper.make_node("ArgMax", ["values"], ["best"], axis=0, keepdims=0),
            helper.make_node("ReduceMax", ["values"], ["value"], keepdims=0),
        ],
        "policy",
        [helper.make_tensor_value_info("belief", TensorProto.FLOAT, [vectors.shape[1]])],
        [helper.make_tensor_value_info("best", TensorProto.INT64, []), helper.make_tensor_value_info("value", TensorProto.FLOAT, [])],
        [numpy_helper.from_array(vectors.astype(np.float32), "vectors")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    network = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    beliefs = {id: belief.astype(np.float32) for id, belief in beliefs.items()}

    def decide(belief):
        best, value = network.run(None, {"belief": belief})
        return int(best), float(value)


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    # GET /sessions/ID/decision
    parts = scope["path"].split("/")
    belief = beliefs.get(parts[2]) if len(parts) == 4 and parts[3] == "decision" else None
    if belief is None:
        status, answer = 404, {"code": "UNKNOWN_SESSION"}
    else:
        best, value = decide(belief)
        status, answer = 200, {"id": parts[2], "decision": {"action": actions[best], "name": names[actions[best]], "value": value}}
    body = json.dumps(answer).encode()
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


listening = socket.create_server(("127.0.0.1", 0))
print(json.dumps({"address": f"http://127.0.0.1:{listening.getsockname()[1]}"}), flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", loop="uvloop", http="httptools")).run(sockets=[listening])
