#!/usr/bin/env python3
"""Records what transformers computes of a Mistral or Mixtral checkpoint as a reference bundle.

    python capture.py MODEL --text FILE -o bundle.safetensors [--windows 4] [--window 512]
    bora verify model.bora --reference bundle.safetensors

docs/verification.md ("Reference bundles") defines the format; `bora capture` writes the same from its own naive
model. Needs torch, transformers (4 or 5) and safetensors. The computation is float32 unless --dtype says otherwise: a
reference in bfloat16 measures its own rounding, too. Layers go to the GPUs as --device-map says.
"""

import argparse
import hashlib
import json
import pathlib

import torch
import transformers
from safetensors.torch import save_file


def windows_of(tokens, bos, length, most):
    """Consecutive windows, each one's first token replaced by BOS: llama.cpp's protocol."""
    count = min(len(tokens) // length, most)
    if count == 0:
        raise SystemExit(f"capture: expected at least {length} tokens for one window, found {len(tokens)}")
    windows = []
    for index in range(count):
        window = list(tokens[index * length : (index + 1) * length])
        if bos is not None:
            window[0] = bos
        windows.append(window)
    return windows


def router_modules(model):
    """The linear router of every layer, in either layout; none in a dense model.

    transformers 4 has layers[i].block_sparse_moe.gate, a Linear whose output is the logits. Version 5 has
    layers[i].mlp with fused experts; its gate returns (logits or probabilities, weights, indices), so the logits are
    computed from the gate's input and weight, which is the same in both.
    """
    routers = []
    for layer in model.model.layers:
        block = getattr(layer, "block_sparse_moe", None)
        if block is None and hasattr(getattr(layer, "mlp", None), "gate"):
            block = layer.mlp
        if block is not None:
            routers.append(block.gate)
    return routers


class RouterRecorder:
    """Keeps the logits of all routers of one forward pass, in the order of the layers."""

    def __init__(self, routers):
        self.logits = [None] * len(routers)
        for index, router in enumerate(routers):
            router.register_forward_pre_hook(self._hook(index))

    def _hook(self, index):
        def record(module, inputs):
            states = inputs[0].reshape(-1, inputs[0].shape[-1])
            bias = getattr(module, "bias", None)
            self.logits[index] = torch.nn.functional.linear(states, module.weight, bias).float().cpu()

        return record


def spread(length, count):
    """Positions as evenly spread as whole numbers can be, the last one always."""
    count = min(count, length)
    return [i * length // count - 1 for i in range(1, count + 1)]


def capture_window(model, recorder, window, top, hidden_samples, prefix, tensors):
    device = model.get_input_embeddings().weight.device
    ids = torch.tensor([window], dtype=torch.int64, device=device)
    with torch.inference_mode():
        out = model(input_ids=ids, output_hidden_states=hidden_samples > 0, use_cache=False)
    length = len(window)
    positions = torch.arange(length // 2, length - 1)
    logits = out.logits[0].float().cpu()[positions]
    top = min(top, logits.shape[1])
    # Equal logits rank by id, as bora ranks them: a stable descending sort keeps their order.
    order = torch.sort(logits, dim=1, descending=True, stable=True).indices[:, :top]
    total = torch.logsumexp(logits.double(), dim=1)
    high = total.float()
    low = (total - high.double()).float()
    following = torch.tensor(window, dtype=torch.int64)[positions + 1]
    nll = total - logits.double().gather(1, following[:, None])[:, 0]

    tensors[prefix + "input_ids"] = torch.tensor(window, dtype=torch.int32)
    tensors[prefix + "positions"] = positions.to(torch.int32)
    tensors[prefix + "top.ids"] = order.to(torch.int32).contiguous()
    tensors[prefix + "top.logits"] = logits.gather(1, order).contiguous()
    tensors[prefix + "logsumexp"] = torch.stack([high, low], dim=1).contiguous()
    tensors[prefix + "nll"] = nll.float()[:, None].contiguous()
    if hidden_samples > 0:
        sampled = spread(length, hidden_samples)
        tensors[prefix + "hidden.positions"] = torch.tensor(sampled, dtype=torch.int32)
        for index, states in enumerate(out.hidden_states):
            tensors[f"{prefix}hidden.{index}"] = states[0, sampled].float().cpu().contiguous()
    for index, router in enumerate(recorder.logits):
        if router.shape[0] != length:
            raise SystemExit(f"capture: router {index}: expected {length} rows, found {router.shape[0]}")
        tensors[f"{prefix}router.{index}"] = router.contiguous()


def greedy(model, prompt, count):
    """The most probable continuation, by whole forward passes: no cache, no sampling settings."""
    device = model.get_input_embeddings().weight.device
    tokens = list(prompt)
    for _ in range(count):
        with torch.inference_mode():
            out = model(input_ids=torch.tensor([tokens], device=device), use_cache=False)
        tokens.append(int(out.logits[0, -1].float().argmax()))
    return tokens[len(prompt) :]


def read_tokens(args, tokenizer):
    if args.tokens is not None:
        text = args.tokens.read_text().strip()
        return json.loads(text) if text.startswith("[") else [int(word) for word in text.replace(",", " ").split()]
    return tokenizer(args.text.read_text(encoding="utf-8"), add_special_tokens=False)["input_ids"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a checkpoint's directory, or its name on the hub")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--text", type=pathlib.Path, help="a text in UTF-8")
    source.add_argument("--tokens", type=pathlib.Path, help="token ids: a JSON list, or separated; BOS in front")
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--top", type=int, default=64, help="logits kept of a position")
    parser.add_argument("--hidden-samples", type=int, default=8, help="positions of a window with hidden states")
    parser.add_argument("--greedy", type=int, default=32, help="tokens to continue after the first 16; 0 for none")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--device-map", default="auto")
    args = parser.parse_args()
    if args.window < 3:
        raise SystemExit(f"capture: --window: expected at least 3, found {args.window}")

    tokenizer = None if args.text is None else transformers.AutoTokenizer.from_pretrained(args.model)
    tokens = read_tokens(args, tokenizer)
    config = transformers.AutoConfig.from_pretrained(args.model)
    windows = windows_of(tokens, config.bos_token_id, args.window, args.windows)
    # `dtype` was called `torch_dtype` before 4.56.
    name = "dtype" if int(transformers.__version__.split(".")[0]) >= 5 else "torch_dtype"
    model = transformers.AutoModelForCausalLM.from_pretrained(
        args.model,
        device_map=args.device_map,
        attn_implementation="eager",
        **{name: getattr(torch, args.dtype)},
    ).eval()
    torch.backends.cuda.matmul.allow_tf32 = False

    if hasattr(model, "set_experts_implementation"):
        # The grouped products of transformers 5 want rows that are multiples of 16 bytes.
        model.set_experts_implementation("eager")

    recorder = RouterRecorder(router_modules(model))
    expected = config.num_hidden_layers if getattr(config, "num_local_experts", 0) else 0
    if len(recorder.logits) != expected:
        raise SystemExit(f"capture: routers: expected {expected}, found {len(recorder.logits)}; an unknown layout?")
    tensors = {}
    for index, window in enumerate(windows):
        capture_window(model, recorder, window, args.top, args.hidden_samples, f"{index}.", tensors)
        print(f"window {index + 1} of {len(windows)}")
    if args.greedy > 0:
        prompt = windows[0][:16]
        tensors["greedy.prompt"] = torch.tensor(prompt, dtype=torch.int32)
        tensors["greedy.tokens"] = torch.tensor(greedy(model, prompt, args.greedy), dtype=torch.int32)

    corpus = args.text or args.tokens
    metadata = {
        "format": "bora.reference-bundle",
        "version": "1",
        "producer": f"transformers {transformers.__version__} torch {torch.__version__}",
        "versions": f"transformers {transformers.__version__}, torch {torch.__version__}, cuda {torch.version.cuda}",
        "dtype": args.dtype,
        "model": pathlib.Path(args.model).name,
        "corpusSha256": hashlib.sha256(corpus.read_bytes()).hexdigest(),
        "protocol": f"{len(windows)} windows of {args.window}, T/2 to T-2",
    }
    save_file(tensors, str(args.output), metadata=metadata)
    print(f"wrote {args.output}: {args.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
